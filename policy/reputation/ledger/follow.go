package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// How the database follows the log behind Add: after this many records, or this long after the first of them.
const (
	followBehind = 512
	followDelay  = 2 * time.Second
	followChunk  = 128 // records in one transaction
)

// CatchUp reads what the log has beyond the database, all of it where the database is new. Until it has returned nil once, nothing can be
// said of the past. Interrupted, it goes on where it was. On a ledger that is open to read it only checks that nothing is missing.
func (l *Ledger) CatchUp(ctx context.Context) error {
	l.publish.RLock()
	losses := l.losses
	l.publish.RUnlock()
	var err error
	if l.options.ReadOnly {
		err = l.compare(ctx)
	} else if err = l.catchUp(ctx); err != nil && damaged(err) {
		l.warn(fmt.Errorf("the history is made anew from the log: %w", err))
		if err = l.replace(); err == nil {
			err = l.catchUp(ctx)
		}
	}
	l.publish.Lock()
	defer l.publish.Unlock()
	l.ready = err == nil && l.store != nil && l.losses == losses
	return err
}

// replace gives up the database and makes an empty one.
func (l *Ledger) replace() error {
	l.follow.Lock()
	defer l.follow.Unlock()
	l.publish.Lock()
	old := l.store
	l.store, l.ready = nil, false
	l.publish.Unlock()
	if old != nil {
		old.mu.Lock() // whoever writes has ended
		old.close()
		old.mu.Unlock()
	}
	return l.anew()
}

// catchUp follows the log to its end.
func (l *Ledger) catchUp(ctx context.Context) error {
	l.follow.Lock()
	defer l.follow.Unlock()
	l.added.Store(0)
	s := l.current()
	if s == nil {
		return fmt.Errorf("following the log: %w", errUnusable)
	}
	for {
		more, err := l.advance(ctx, s)
		if err != nil {
			return fmt.Errorf("following the log: %w", err)
		}
		if !more {
			return s.tidy()
		}
	}
}

// current returns the open database, nil where there is none.
func (l *Ledger) current() *store {
	l.publish.RLock()
	defer l.publish.RUnlock()
	return l.store
}

// advance takes the next records from the log, and reports whether there are more. What it does is done again without harm if it
// does not get to its end: records that were applied are marked until the position is behind them.
func (l *Ledger) advance(ctx context.Context, s *store) (more bool, err error) {
	if !l.reached.StandsIn(l.log) {
		return false, fmt.Errorf("%w: the log is not what it was", errUnusable)
	}
	var events []event
	now, touched := s.clock, map[string]stretch{}
	to, err := audit.Follow(ctx, l.log, l.reached, followChunk, func(_ int64, r audit.Record) error {
		e := eventOf(&r)
		var run stretch
		now, run = now.see(e.id, e.at)
		touched[run.start] = run
		if !e.sha256.IsZero() {
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if to == l.reached {
		return false, nil
	}
	if err := l.applyMissing(s, events); err != nil {
		return false, err
	}
	for _, e := range events {
		if err := l.open(s, e); err != nil {
			return false, err
		}
	}
	text, err := to.MarshalText()
	if err != nil {
		return false, err
	}
	err = s.write(&l.publish, func(w *writing) error {
		for _, e := range events {
			if err := w.exec("DELETE FROM applied WHERE record = ?", e.id); err != nil {
				return err
			}
		}
		for _, run := range touched {
			err := w.exec("INSERT INTO clock VALUES (?, ?, ?) ON CONFLICT (start) DO UPDATE SET last = excluded.last", run.start, run.first, run.last)
			if err != nil {
				return err
			}
		}
		return w.exec("UPDATE state SET position = ?, walked = ?", string(text), now.walked)
	})
	if err != nil {
		return false, err
	}
	more = to.Records()-l.reached.Records() >= followChunk
	l.reached = to
	l.publish.Lock()
	defer l.publish.Unlock()
	s.clock = now
	if n := len(now.stretches); n > 0 && now.stretches[n-1].last > l.reading.Load() {
		l.reading.Store(now.stretches[n-1].last)
	}
	return more, nil
}

// applyMissing applies the events that Add has not.
func (l *Ledger) applyMissing(s *store, events []event) error {
	if len(events) == 0 {
		return nil
	}
	return s.write(&l.publish, func(w *writing) error {
		for _, e := range events {
			isNew, err := l.apply(w, e)
			if err != nil {
				return err
			}
			if isNew {
				l.ahead.add(e.id)
			}
		}
		return nil
	})
}

// apply puts an event into the database unless it is there, and marks it.
func (l *Ledger) apply(w *writing, e event) (isNew bool, err error) {
	n, err := w.changes("INSERT INTO applied VALUES (?) ON CONFLICT DO NOTHING", e.id)
	if err != nil || n == 0 {
		return false, err
	}
	return true, applying{w, &l.secret}.event(e)
}

// run follows the log behind Add.
func (l *Ledger) run(ctx context.Context) {
	defer close(l.ended)
	timer := time.NewTimer(followDelay)
	timer.Stop()
	for waiting := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			if l.isReady() && l.added.Load() < followBehind {
				if !waiting {
					timer.Reset(followDelay)
					waiting = true
				}
				continue
			}
		case <-timer.C:
		}
		timer.Stop()
		waiting = false
		if err := l.CatchUp(ctx); err != nil && !errors.Is(err, context.Canceled) {
			l.warn(err)
			timer.Reset(10 * followDelay) // the disk may be full: it may not be for ever
			waiting = true
		}
	}
}
