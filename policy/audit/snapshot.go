package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// SnapshotFile is a file of a log, of which the first Size bytes belong to a snapshot.
type SnapshotFile struct {
	Name string      // in the log's directory
	Size int64       // bytes
	Mode fs.FileMode // permissions it is to have again
}

// Snapshot says what to copy for a consistent copy of the log in dir, which may be written meanwhile: exactly Size
// bytes of each file, all in directory dir. The copy holds every record acknowledged before the call. It includes the
// log's private key. To restore it, put the files back into an empty directory and open that.
//
// The index and the newest checkpoint's file are left out; Open makes them again. A restored log that is older than
// what was published is found cut or forked against checkpoints that were kept elsewhere, as it should be.
func Snapshot(dir string) ([]SnapshotFile, error) {
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		return nil, fmt.Errorf("taking a snapshot of the log: no records in %s: %w", dir, fs.ErrNotExist)
	}
	files := []SnapshotFile{}
	var records int64
	for i, s := range segments {
		end, n, err := signedEnd(dir, s)
		if err != nil {
			return nil, fmt.Errorf("taking a snapshot of the log: %w", err)
		}
		if end == 0 && i > 0 && i == len(segments)-1 {
			break // it is being begun
		}
		records = n
		files = append(files, SnapshotFile{Name: recordsName(s.first), Size: end, Mode: 0o600})
		// Personal values are written before their records, so those of all records that count are there by now.
		personal, err := fileSize(dir, personalName(s.first))
		if err != nil {
			return nil, err
		}
		if personal > 0 {
			files = append(files, SnapshotFile{Name: personalName(s.first), Size: personal, Mode: 0o600})
		}
	}
	return addSingles(dir, files, records)
}

// signedEnd returns how many bytes of a segment its last checkpoint covers, and how many records that makes.
func signedEnd(dir string, s segment) (end, records int64, err error) {
	f, err := os.Open(filepath.Join(dir, recordsName(s.first)))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	end, line, err := lastCheckpoint(f, info.Size())
	if err != nil || end == 0 {
		return 0, 0, err
	}
	signed, err := parseCheckpointLine(line)
	if err != nil {
		return 0, 0, err
	}
	tree, ok := claimed(signed)
	if !ok {
		return 0, 0, fmt.Errorf("the last checkpoint in %s cannot be read", recordsName(s.first))
	}
	return end, tree.N, nil
}

// addSingles adds the files of which there is one.
func addSingles(dir string, files []SnapshotFile, records int64) ([]SnapshotFile, error) {
	for _, one := range []struct {
		name string
		mode fs.FileMode
		most int64
	}{{keyFile, 0o600, maxCheckpoint}, {verifierFile, 0o644, maxCheckpoint}, {hashesFile, 0o600, tlog.StoredHashCount(records) * tlog.HashSize}} {
		info, err := os.Stat(filepath.Join(dir, one.name))
		if errors.Is(err, fs.ErrNotExist) && one.name == hashesFile {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("taking a snapshot of the log: %w", err)
		}
		files = append(files, SnapshotFile{Name: one.name, Size: min(info.Size(), one.most), Mode: one.mode})
	}
	return files, nil
}
