package regret

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// How long Run waits before it tries again what has failed: twice as long every time, as long as something does.
const (
	retryAfter = 10 * time.Second
	retryMost  = 10 * time.Minute
)

// Run works until ctx is done. It begins with the recalls in force, in case who got what they recall was never found out.
func (t *Tracker) Run(ctx context.Context, recalls []audit.Record) {
	t.Again(recalls...)
	wait := retryAfter
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-again.C:
			wait = min(2*wait, retryMost)
			if t.takeUp() == 0 {
				wait = retryAfter
			}
			again.Reset(wait)
		}
		for t.work(ctx) {
		}
	}
}

// Again has Run find out who got what was recalled; what Recalled has done already is not done twice.
func (t *Tracker) Again(recalls ...audit.Record) {
	t.mu.Lock()
	t.recalls = append(t.recalls, recalls...)
	t.mu.Unlock()
	t.signal()
}

// todo is one thing to be done.
type todo struct {
	recall, flight *audit.Record
	change         *change
}

// next takes what is to be done next; the zero todo if there is nothing.
func (t *Tracker) next() (d todo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.recalls) > 0:
		d.recall, t.recalls = &t.recalls[0], t.recalls[1:]
	case len(t.flights) > 0:
		d.flight, t.flights = &t.flights[0], t.flights[1:]
	case len(t.changes) > 0:
		d.change, t.changes = t.changes[0], t.changes[1:]
	}
	return d
}

// work does what is to be done next; false if there is nothing.
func (t *Tracker) work(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	var err error
	d := t.next()
	switch {
	case d.recall != nil:
		_, err = t.Recalled(ctx, *d.recall)
	case d.flight != nil:
		err = t.caught(ctx, *d.flight)
	case d.change != nil:
		if err = t.listed(ctx, d.change); err == nil {
			for _, done := range d.change.done {
				done()
			}
		}
	default:
		return false
	}
	if err != nil && ctx.Err() == nil {
		t.o.Warn(fmt.Errorf("finding out who got what is bad; it is tried again: %w", err))
		t.mu.Lock()
		t.failed = append(t.failed, d)
		t.mu.Unlock()
	}
	return true
}

// takeUp puts back what has failed, and returns how much that is.
func (t *Tracker) takeUp() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.failed)
	for _, d := range t.failed {
		switch {
		case d.recall != nil:
			t.recalls = append(t.recalls, *d.recall)
		case d.flight != nil:
			t.flights = append(t.flights, *d.flight)
		default:
			t.putBack(d.change)
		}
	}
	t.failed = nil
	return n
}

// putBack puts a change back that could not be looked into; a later one of the same list tells of it, too. The caller holds mu.
func (t *Tracker) putBack(c *change) {
	i := slices.IndexFunc(t.changes, func(p *change) bool { return p.Feed == c.Feed })
	if i < 0 {
		t.changes = append(t.changes, c)
		return
	}
	later := *t.changes[i] // others may be looking into it
	later.After(&c.Notice)
	later.done = append(c.done, later.done...)
	t.changes[i] = &later
}

// Finish looks into the decisions that were recorded while Run came to its end: nobody would tell of them again. What else is left is
// done after a restart.
func (t *Tracker) Finish(ctx context.Context) {
	t.mu.Lock()
	left := t.flights
	t.flights = nil
	t.mu.Unlock()
	for i := range left {
		if ctx.Err() != nil {
			return
		}
		if err := t.caught(ctx, left[i]); err != nil {
			t.o.Warn(fmt.Errorf("finding out who got what is bad: %w", err))
		}
	}
}
