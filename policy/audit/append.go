package audit

import (
	"fmt"
	"time"
)

// A batch is closed when it holds this much, so that one write stays short.
const (
	maxBatchRecords = 1024
	maxBatchBytes   = 4 << 20
)

// batch is records that wait to be written together, and whoever appended them with them.
type batch struct {
	items []item
	bytes int
	done  chan struct{} // closed when err says how it went
	err   error
}

type item struct {
	id       string
	line     []byte
	personal *personal // nil where there are no personal values
}

// Append stores a record and returns when it is durable and signed. It is what every release waits for: concurrent
// callers share one write and one sync, a single one waits for nobody. After an error the record is not in the log,
// or, if the process dies before the next Append, it may be, and nobody was told.
//
// Texts are made printable and cut to their bounds, values in the queries of URLs are redacted. r is not kept.
func (l *Log) Append(r Record) (Receipt, error) {
	if err := check(&r); err != nil {
		return Receipt{}, fmt.Errorf("appending to the log: %w", err)
	}
	r = bounded(r)
	r.V = 1
	receipt, b, err := l.enqueue(&r)
	if err != nil {
		return Receipt{}, fmt.Errorf("appending to the log: %w", err)
	}
	<-b.done
	if b.err != nil {
		return Receipt{}, fmt.Errorf("appending to the log: %w", b.err)
	}
	return receipt, nil
}

// enqueue gives the record its id and time and puts it into the batch that is written next. Both happen under one
// lock, so that ids, times and the order of records agree.
func (l *Log) enqueue(r *Record) (Receipt, *batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(r)
}

// add is enqueue for whoever holds l.mu.
func (l *Log) add(r *Record) (Receipt, *batch, error) {
	if l.closed {
		return Receipt{}, nil, ErrClosed
	}
	now := l.now()
	if r.Time.IsZero() {
		r.Time = now
	}
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	if r.ID == "" {
		r.ID = l.ids.next(now)
	}
	line, personal, err := encodeLeaf(*r)
	if err != nil {
		return Receipt{}, nil, err
	}
	b := l.open(len(line))
	b.items = append(b.items, item{id: r.ID, line: line, personal: personal})
	b.bytes += len(line)
	l.signal()
	return newReceipt(l, r), b, nil
}

// open returns the batch that still takes a record of so many bytes.
func (l *Log) open(bytes int) *batch {
	if n := len(l.queue); n > 0 {
		b := l.queue[n-1]
		if len(b.items) < maxBatchRecords && b.bytes+bytes <= maxBatchBytes {
			return b
		}
	}
	b := &batch{done: make(chan struct{})}
	l.queue = append(l.queue, b)
	return b
}

// NewID returns an id for a record that is to be known by it before it is appended.
func (l *Log) NewID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids.next(l.now())
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
