package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// errPersonal means that a line of personal values cannot be read, or stands out of order.
var errPersonal = errors.New("the file of personal values is damaged")

// personalReader reads the personal values of one segment in the order of its records. A missing file is an empty one.
type personalReader struct {
	name string
	f    *os.File
	in   *lines
	held *personal // read ahead, of a record that may not have been asked for yet
	at   int64     // offset of its line
	end  int64     // offset behind the last line that was read
	seen int64     // number of the last record whose line was read
}

// openPersonal reads the personal values of the segment that begins with record first, from a line's offset on.
func openPersonal(dir string, first, offset int64) (*personalReader, error) {
	r := &personalReader{name: personalName(first), seen: -1, end: offset}
	f, err := os.Open(filepath.Join(dir, r.name))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading personal values: %w", err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, fmt.Errorf("reading personal values: %w", err)
	}
	r.f, r.in = f, newLines(f, offset)
	return r, nil
}

// find returns the values of record n, nil where there are none. It is called with growing n.
func (r *personalReader) find(n int64) (*personal, error) {
	for r.in != nil && (r.held == nil || r.held.N < n) {
		line, err := r.in.next()
		if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
			r.held = nil
			r.close()
			break
		}
		if errors.Is(err, errTooLong) {
			return nil, errPersonal
		}
		if err != nil {
			return nil, fmt.Errorf("reading personal values: %w", err)
		}
		p, err := decodePersonal(line)
		if err != nil || p != nil && p.N <= r.seen {
			return nil, errPersonal
		}
		r.end = r.in.end
		if p != nil {
			r.held, r.at, r.seen = p, r.in.start, p.N
		}
	}
	if r.held != nil && r.held.N == n {
		return r.held, nil
	}
	return nil, nil
}

// next returns the offset from which on the values of record n and later ones are to be found.
func (r *personalReader) next(n int64) int64 {
	if r.held != nil && r.held.N >= n {
		return r.at
	}
	return r.end
}

func (r *personalReader) close() {
	if r.f != nil {
		r.f.Close()
		r.f, r.in = nil, nil
	}
}
