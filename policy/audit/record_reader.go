package audit

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// recordReader reads single records, and keeps the files of the segment it read from last open.
type recordReader struct {
	dir             string
	segment         int64
	records, values *os.File
}

// read returns the record at the place that e names.
func (r *recordReader) read(e entry) (Record, error) {
	if err := r.open(e.segment); err != nil {
		return Record{}, err
	}
	line, err := newLines(io.NewSectionReader(r.records, e.offset, math.MaxInt64-e.offset), e.offset).next()
	if err != nil {
		return Record{}, fmt.Errorf("reading record %d: %w", e.n, err)
	}
	l, err := decodeLeaf(line)
	if err != nil {
		return Record{}, fmt.Errorf("reading record %d: %w", e.n, err)
	}
	p, err := r.personal(e)
	if err != nil {
		return Record{}, fmt.Errorf("reading record %d: %w", e.n, err)
	}
	return l.join(p), nil
}

// personal returns a record's personal values, nil where they are gone. Values that were deleted by rewriting their
// file have moved the others, which are then looked for from its beginning on.
func (r *recordReader) personal(e entry) (*personal, error) {
	if e.personal < 0 || r.values == nil {
		return nil, nil
	}
	line, err := newLines(io.NewSectionReader(r.values, e.personal, math.MaxInt64-e.personal), e.personal).next()
	if err == nil {
		if p, err := decodePersonal(line); err == nil && p != nil && p.N == e.n {
			return p, nil
		}
	}
	in, err := openPersonal(r.dir, e.segment, 0)
	if err != nil {
		return nil, err
	}
	defer in.close()
	p, err := in.find(e.n)
	if err != nil {
		return nil, nil // Verify says what is wrong with the file
	}
	return p, nil
}

func (r *recordReader) open(segment int64) error {
	if r.records != nil && r.segment == segment {
		return nil
	}
	r.close()
	var err error
	if r.records, err = os.Open(filepath.Join(r.dir, recordsName(segment))); err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	r.segment = segment
	if r.values, err = os.Open(filepath.Join(r.dir, personalName(segment))); err != nil {
		if !os.IsNotExist(err) {
			return fmt.Errorf("reading personal values: %w", err)
		}
		r.values = nil
	}
	return nil
}

func (r *recordReader) close() {
	for _, f := range []*os.File{r.records, r.values} {
		if f != nil {
			f.Close()
		}
	}
	r.records, r.values = nil, nil
}
