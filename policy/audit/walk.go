package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// position is a place between two batches: behind a checkpoint's line, or the very beginning.
type position struct {
	segment    int64  // number of the first record of the segment
	offset     int64  // into its records
	personal   int64  // into its personal values
	next       int64  // number of the record that follows
	checkpoint string // the line before offset, without its end; "" at the beginning
}

// entry is a record found on a walk.
type entry struct {
	n        int64
	segment  int64
	offset   int64 // of its line
	personal int64 // of the line of its personal values; -1 where there is none
	record   Record
}

// walk calls see for every record from a position on, oldest first, as far as they are covered by a checkpoint, and
// returns where it ended. It stops at the first checkpoint behind limit records; a limit of 0 means none. Nothing is
// verified.
func walk(ctx context.Context, dir string, from position, limit int, see func(entry) error) (position, error) {
	segments, err := listSegments(dir)
	if err != nil {
		return from, err
	}
	if len(segments) == 0 {
		return from, fmt.Errorf("reading the log: no records in %s: %w", dir, fs.ErrNotExist)
	}
	at, count := from, 0
	for _, s := range segments {
		if s.first < from.segment {
			continue
		}
		if s.first != at.segment {
			at = position{segment: s.first, next: s.first}
		}
		w := segmentReading{ctx: ctx, dir: dir, at: at, limit: limit, count: &count, see: see}
		if err := w.run(); err != nil {
			return at, err
		}
		at = w.at
		if limit > 0 && count >= limit {
			break
		}
	}
	return at, nil
}

// segmentReading is the walk through one segment.
type segmentReading struct {
	ctx    context.Context
	dir    string
	at     position
	limit  int
	count  *int
	see    func(entry) error
	values *personalReader
}

func (w *segmentReading) run() error {
	f, err := os.Open(filepath.Join(w.dir, recordsName(w.at.segment)))
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	end, _, err := lastCheckpoint(f, info.Size())
	if err != nil || end <= w.at.offset {
		return err
	}
	if w.values, err = openPersonal(w.dir, w.at.segment, w.at.personal); err != nil {
		return err
	}
	defer w.values.close()
	in := newLines(io.NewSectionReader(f, w.at.offset, end-w.at.offset), w.at.offset)
	n := w.at.next
	for {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		if isCheckpointLine(line) {
			w.at = position{
				segment: w.at.segment, offset: in.end, personal: w.values.next(n), next: n, checkpoint: string(line),
			}
			if w.limit > 0 && *w.count >= w.limit {
				return nil
			}
			continue
		}
		if err := w.record(n, in.start, line); err != nil {
			return err
		}
		n++
	}
}

// record hands one record on. A line that cannot be read is left out: Verify is for those.
func (w *segmentReading) record(n, offset int64, line []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	*w.count++
	l, err := decodeLeaf(line)
	if err != nil {
		return nil
	}
	e := entry{n: n, segment: w.at.segment, offset: offset, personal: -1}
	p, err := w.values.find(n)
	if errors.Is(err, errPersonal) {
		w.values.close()
	} else if err != nil {
		return err
	}
	if p != nil {
		e.personal = w.values.at
	}
	e.record = l.join(p)
	return w.see(e)
}

// lastCheckpoint returns the offset behind the last line in a segment that holds a checkpoint, 0 where there is none,
// and the line. It reads from the end.
func lastCheckpoint(f io.ReaderAt, size int64) (end int64, line []byte, err error) {
	for chunk := int64(64 << 10); ; chunk *= 4 {
		from := max(size-chunk, 0)
		b := make([]byte, size-from)
		if n, err := f.ReadAt(b, from); err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
			return 0, nil, fmt.Errorf("reading the log: %w", err)
		}
		if end, line, ok := findCheckpoint(b, from == 0); ok {
			return from + end, line, nil
		}
		if from == 0 {
			return 0, nil, nil
		}
		if chunk > 4*maxBatchBytes {
			return 0, nil, fmt.Errorf("reading the log: no checkpoint in the last %d bytes of a file", chunk)
		}
	}
}

// findCheckpoint finds the last whole line with a checkpoint in b; whole says that b begins with a line's beginning.
func findCheckpoint(b []byte, whole bool) (end int64, line []byte, ok bool) {
	stop := len(b)
	for i := len(b) - 1; i >= -1; i-- {
		if i >= 0 && b[i] != '\n' {
			continue
		}
		// b[i+1:stop] is a line with its end, if one follows at all.
		if part := b[i+1 : stop]; len(part) > 0 && part[len(part)-1] == '\n' && (i >= 0 || whole) && isCheckpointLine(part) {
			return int64(stop), part[:len(part)-1], true
		}
		stop = i + 1
	}
	return 0, nil, false
}

// standsAt reports whether a position was taken in the log that is in dir now: its checkpoint still stands before it.
func standsAt(dir string, p position) bool {
	if p == (position{}) {
		return true
	}
	if p.checkpoint == "" || p.offset < int64(len(p.checkpoint))+1 || len(p.checkpoint) > 2*maxCheckpoint {
		return false
	}
	f, err := os.Open(filepath.Join(dir, recordsName(p.segment)))
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, len(p.checkpoint)+1)
	if _, err := f.ReadAt(b, p.offset-int64(len(b))); err != nil || string(b) != p.checkpoint+"\n" {
		return false
	}
	signed, err := parseCheckpointLine(b[:len(b)-1])
	if err != nil {
		return false
	}
	said, ok := claimed(signed)
	return ok && said.N == p.next
}

// claimed returns what a signed checkpoint says, its signature unchecked.
func claimed(signed []byte) (tlog.Tree, bool) {
	_, tree, err := parseCheckpoint(string(signed))
	return tree, err == nil
}
