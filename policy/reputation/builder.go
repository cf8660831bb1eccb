package reputation

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

const (
	runRecords   = 1 << 18 // sorted at a time and, with a directory, written out: 12 MiB
	maxPerName   = 1000    // entries for one package
	maxRuns      = 1 << 10
	trailerSize  = 64
	trailerMagic = "sallyport set 1\n"
)

// builder makes a set of entries in any order, with little memory if it has a directory: it sorts them in runs, writes
// these to files, and merges them.
type builder struct {
	dir     string // "" keeps everything in memory
	chunk   int    // records in a run
	max     int    // entries
	count   int
	records []record
	runs    []*os.File
	texts   *texts
}

func newBuilder(dir string, maxEntries int) (*builder, error) {
	t, err := newTexts(dir)
	if err != nil {
		return nil, err
	}
	return &builder{dir: dir, chunk: runRecords, max: min(maxEntries, runRecords*maxRuns), texts: t}, nil
}

// add takes one entry.
func (b *builder) add(e *entry) error {
	if b.count++; b.count > b.max {
		return refusef("it has more than %d entries", b.max)
	}
	at, err := b.texts.add(e)
	if err != nil {
		return err
	}
	b.records = append(b.records, newRecord(e, at))
	if b.dir != "" && len(b.records) == b.chunk {
		return b.spill()
	}
	return nil
}

// spill sorts what is in memory and writes it to a file.
func (b *builder) spill() error {
	slices.SortFunc(b.records, compareRecords)
	f, err := os.CreateTemp(b.dir, "run-*.tmp")
	if err != nil {
		return fmt.Errorf("building a list: %w", err)
	}
	b.runs = append(b.runs, f)
	w := bufio.NewWriterSize(f, 1<<16)
	for i := range b.records {
		w.Write(b.records[i][:])
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("building a list: %w", err)
	}
	b.records = b.records[:0]
	return nil
}

// close removes what building left behind.
func (b *builder) close() {
	b.texts.close()
	for _, f := range b.runs {
		f.Close()
		os.Remove(f.Name())
	}
	b.runs = nil
}

// finish returns the set. With a directory it is a file there, named by its digest and durable.
func (b *builder) finish() (*Set, error) {
	if b.dir == "" {
		var whole bytes.Buffer
		whole.Grow(b.count*recordSize + int(b.texts.size) + trailerSize)
		if _, err := b.write(&whole); err != nil {
			return nil, err
		}
		b.records = nil
		return openSet(bytes.NewReader(whole.Bytes()), int64(whole.Len()), nil)
	}
	f, err := os.CreateTemp(b.dir, "set-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("building a list: %w", err)
	}
	name, err := b.settle(f)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return nil, err
	}
	return openSetFile(b.dir, name)
}

// settle writes the file, makes it durable and gives it its name.
func (b *builder) settle(f *os.File) (verify.Digest, error) {
	sum, err := b.write(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(b.dir, setName(sum)))
	}
	if err == nil {
		err = durable.SyncDir(b.dir)
	}
	if err != nil {
		return verify.Digest{}, fmt.Errorf("building a list: %w", err)
	}
	return sum, nil
}

func setName(sum verify.Digest) string { return sum.String() + ".set" }

// write writes records, texts and trailer, and returns their digest.
func (b *builder) write(out io.Writer) (sum verify.Digest, err error) {
	if b.dir == "" || len(b.runs) == 0 {
		slices.SortFunc(b.records, compareRecords)
	} else if len(b.records) > 0 {
		if err := b.spill(); err != nil {
			return sum, err
		}
	}
	hash := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(out, hash), 1<<18)
	n, err := b.merge(w)
	if err != nil {
		return sum, err
	}
	all, err := b.texts.reader()
	if err == nil {
		_, err = io.Copy(w, all)
	}
	if err != nil {
		return sum, fmt.Errorf("building a list: %w", err)
	}
	trailer := make([]byte, trailerSize)
	copy(trailer, trailerMagic)
	binary.BigEndian.PutUint64(trailer[16:], uint64(n))
	binary.BigEndian.PutUint64(trailer[24:], uint64(b.texts.size))
	w.Write(trailer)
	if err := w.Flush(); err != nil {
		return sum, fmt.Errorf("building a list: %w", err)
	}
	hash.Sum(sum[:0])
	return sum, nil
}
