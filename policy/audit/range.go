package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Range says which records of a log are gone through.
type Range struct {
	Kinds    []Kind                  // none: all
	Since    time.Time               // zero: from the beginning
	Until    time.Time               // not included; zero: to the end
	Progress func(done, total int64) // bytes; called now and then by one goroutine; may be nil
}

// Passed is what Each has gone through.
type Passed struct {
	Records    int64 // that Range chose
	Unreadable int64 // lines that are no record
}

// Each goes through the log in dir, oldest first, as far as it is covered by a checkpoint. work is called for every record that o
// chooses, by several goroutines at once; take with what it returned, in the order of the log, by one. The first error of take ends it.
// Records come without Findings, Contents and Evidence, which only readers of single records look at, and share what they have in
// common: what they point to is not to be changed. Each may be called while another process writes the log. Nothing is verified, and it
// holds a few hundred records at a time.
func Each[T any](ctx context.Context, dir string, o Range, work func(Record) T, take func(T) error) (Passed, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers := runtime.GOMAXPROCS(0)
	batches := make(chan *rangeBatch[T], 2*workers)
	queue := make(chan *rangeBatch[T], 2*workers)
	failed := make(chan error, 1)
	reading := rangeReading{ctx: ctx, dir: dir, o: o}
	go func() {
		defer close(batches)
		defer close(queue)
		failed <- reading.run(func(raw *rawBatch, done, total int64) error {
			b := &rangeBatch[T]{raw: raw, done: done, total: total, ready: make(chan struct{})}
			for _, to := range []chan *rangeBatch[T]{queue, batches} {
				select {
				case to <- b:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}()
	for range workers {
		go func() {
			decoder := newOutlines()
			for b := range batches {
				b.work(&o, decoder, work)
			}
		}()
	}
	passed, err := collect(ctx, o, queue, take)
	if err != nil {
		stop()
		<-failed
		return passed, fmt.Errorf("going through the log: %w", err)
	}
	if err := <-failed; err != nil {
		return passed, fmt.Errorf("going through the log: %w", err)
	}
	return passed, nil
}

func collect[T any](ctx context.Context, o Range, queue <-chan *rangeBatch[T], take func(T) error) (passed Passed, err error) {
	for b := range queue {
		select {
		case <-b.ready:
		case <-ctx.Done():
			return passed, ctx.Err()
		}
		passed.Unreadable += b.unreadable
		for _, v := range b.out {
			passed.Records++
			if err := take(v); err != nil {
				return passed, err
			}
		}
		if o.Progress != nil {
			o.Progress(b.done, b.total)
		}
	}
	return passed, ctx.Err()
}

// rangeBatch is some lines, and what became of them once ready is closed.
type rangeBatch[T any] struct {
	raw         *rawBatch
	done, total int64
	ready       chan struct{}
	out         []T
	unreadable  int64
}

// rawRecord is a record's line with its personal values.
type rawRecord struct {
	line   []byte
	values *personal
}

// rawBatch is some of them, with the memory that their lines are in.
type rawBatch struct {
	lines []rawRecord
	text  []byte
}

// rawBatches are for reading into again.
var rawBatches = sync.Pool{New: func() any { return &rawBatch{} }}

func (b *rawBatch) add(line []byte, values *personal) {
	from := len(b.text)
	b.text = append(b.text, line...) // lines before may be left in the memory that was there before
	b.lines = append(b.lines, rawRecord{b.text[from:len(b.text):len(b.text)], values})
}

func (b *rawBatch) free() {
	clear(b.lines)
	b.lines, b.text = b.lines[:0], b.text[:0]
	if cap(b.text) <= 4*rangeBytes {
		rawBatches.Put(b)
	}
}

func (b *rangeBatch[T]) work(o *Range, decoder *outlines, work func(Record) T) {
	defer close(b.ready)
	b.out = make([]T, 0, len(b.raw.lines))
	for _, raw := range b.raw.lines {
		r, err := decoder.decode(raw)
		if err != nil {
			b.unreadable++
			continue
		}
		if len(o.Kinds) > 0 && !slices.Contains(o.Kinds, r.Kind) {
			continue
		}
		if !o.Since.IsZero() && r.Time.Before(o.Since) || !o.Until.IsZero() && !r.Time.Before(o.Until) {
			continue
		}
		b.out = append(b.out, work(r))
	}
	b.raw.free()
	b.raw = nil
}

// rangeReading reads the lines of a log.
type rangeReading struct {
	ctx  context.Context
	dir  string
	o    Range
	done int64 // bytes
}

const (
	rangeLines = 64        // of a batch, at most
	rangeBytes = 256 << 10 // of a batch, a little more
)

func (r *rangeReading) run(put func(raw *rawBatch, done, total int64) error) error {
	segments, err := listSegments(r.dir)
	if err != nil {
		return err
	}
	if len(segments) == 0 {
		return fmt.Errorf("no records in %s: %w", r.dir, fs.ErrNotExist)
	}
	segments = segments[r.first(segments):]
	total := int64(0)
	for _, s := range segments {
		total += s.size
	}
	for _, s := range segments {
		if err := r.segment(s, func(raw *rawBatch) error { return put(raw, r.done, total) }); err != nil {
			return err
		}
	}
	return nil
}

// first returns the first segment that may hold records of the time that is wanted: the last one that begins before it, or the one
// before that, for clocks that went back.
func (r *rangeReading) first(segments []segment) int {
	if r.o.Since.IsZero() {
		return 0
	}
	at, _ := slices.BinarySearchFunc(segments, r.o.Since, func(s segment, since time.Time) int {
		if begins, ok := r.begins(s); ok && begins.Before(since) {
			return -1
		}
		return 1
	})
	return max(at-2, 0)
}

// begins returns the time of a segment's first record.
func (r *rangeReading) begins(s segment) (time.Time, bool) {
	f, err := os.Open(filepath.Join(r.dir, recordsName(s.first)))
	if err != nil {
		return time.Time{}, false
	}
	defer f.Close()
	for in := newLines(f, 0); ; {
		line, err := in.next()
		if err != nil {
			return time.Time{}, false
		}
		var head struct{ Time time.Time }
		if !isCheckpointLine(line) && json.Unmarshal(line, &head) == nil {
			return head.Time, true
		}
	}
}

func (r *rangeReading) segment(s segment, put func(*rawBatch) error) error {
	f, err := os.Open(filepath.Join(r.dir, recordsName(s.first)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end, _, err := lastCheckpoint(f, info.Size())
	if err != nil {
		return err
	}
	values, err := openPersonal(r.dir, s.first, 0)
	if err != nil {
		return err
	}
	defer values.close()
	in := newLines(io.NewSectionReader(f, 0, end), 0)
	began := r.done
	batch := rawBatches.Get().(*rawBatch)
	flush := func() error {
		if len(batch.lines) == 0 {
			return nil
		}
		out := batch
		batch = rawBatches.Get().(*rawBatch)
		return put(out)
	}
	for n := s.first; ; {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			r.done = began + s.size
			return flush()
		}
		if err != nil {
			return err
		}
		if isCheckpointLine(line) {
			continue
		}
		if r.wants(line) {
			p, err := values.find(n)
			if errors.Is(err, errPersonal) {
				values.close()
			} else if err != nil {
				return err
			}
			batch.add(line, p)
		}
		n++
		if r.done = began + in.end; len(batch.lines) >= rangeLines || len(batch.text) >= rangeBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// wants reports whether a line may be a record of the kinds that are wanted. What does not begin as every record does, is looked at by
// whoever decodes it.
func (r *rangeReading) wants(line []byte) bool {
	if len(r.o.Kinds) == 0 {
		return true
	}
	kind, ok := bytes.CutPrefix(line, []byte(`{"v":1,"kind":"`))
	if !ok {
		return true
	}
	end := bytes.IndexByte(kind, '"')
	return end < 0 || slices.Contains(r.o.Kinds, Kind(kind[:end]))
}
