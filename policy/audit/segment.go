package audit

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Names in the log's directory; FORMAT.md describes what they hold.
const (
	lockFile       = "lock"
	keyFile        = "key"
	verifierFile   = "key.pub"
	hashesFile     = "hashes"
	checkpointFile = "checkpoint"
	indexFile      = "index.db"

	recordsPrefix  = "records-"
	personalPrefix = "personal-"
	segmentSuffix  = ".jsonl"
	segmentDigits  = 16
)

// defaultSegmentSize is where a segment is closed and the next one begun, in bytes.
const defaultSegmentSize = 64 << 20

// segment is one file of records: its first record's number and its size in bytes.
type segment struct {
	first int64
	size  int64
}

func recordsName(first int64) string {
	return fmt.Sprintf("%s%0*d%s", recordsPrefix, segmentDigits, first, segmentSuffix)
}

func personalName(first int64) string {
	return fmt.Sprintf("%s%0*d%s", personalPrefix, segmentDigits, first, segmentSuffix)
}

// segmentFirst reads the number in a segment's name.
func segmentFirst(name, prefix string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, segmentSuffix)
	if !ok || len(digits) != segmentDigits {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	return int64(n), err == nil
}

// listSegments returns the segments in dir by the number of their first record. It is empty where there is no log.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the log: %w", err)
	}
	var list []segment
	for _, e := range entries {
		first, ok := segmentFirst(e.Name(), recordsPrefix)
		if !ok {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("listing the log: %w", err)
		}
		list = append(list, segment{first: first, size: info.Size()})
	}
	slices.SortFunc(list, func(a, b segment) int { return cmp.Compare(a.first, b.first) })
	return list, nil
}

// fileSize returns the size of a file in dir, 0 where there is none.
func fileSize(dir, name string) (int64, error) {
	info, err := os.Stat(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking at the log: %w", err)
	}
	return info.Size(), nil
}

// removeTemporary removes what durable.WriteFile leaves behind when the process dies in it.
func removeTemporary(dir string) error {
	for _, name := range []string{keyFile, verifierFile, checkpointFile} {
		left, err := fs.Glob(os.DirFS(dir), "."+name+".tmp-*")
		if err != nil {
			return fmt.Errorf("cleaning up the log: %w", err)
		}
		for _, temporary := range left {
			if err := os.Remove(filepath.Join(dir, temporary)); err != nil {
				return fmt.Errorf("cleaning up the log: %w", err)
			}
		}
	}
	return nil
}
