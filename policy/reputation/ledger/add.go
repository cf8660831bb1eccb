package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Add takes a record that was just appended to the log, with the id and the time of its receipt, and the whole report that a decision
// was made by, if there is one. What follows from it is known when Add returns. Where that fails the log has it all the same: Warn is
// told, and nothing is said of the past until the log has been read again.
func (l *Ledger) Add(rec audit.Record, report *verify.Report) {
	switch rec.Kind {
	case audit.KindRecall:
		l.recalls.see(&rec)
	case audit.KindDecision:
		if err := l.add(rec, report); err != nil {
			l.warn(fmt.Errorf("remembering record %s: %w", rec.ID, err))
			l.lose()
		}
		l.added.Add(1)
		l.signal()
	}
}

func (l *Ledger) add(rec audit.Record, report *verify.Report) error {
	if rec.ID == "" || rec.Time.IsZero() {
		return errors.New("it has no id or no time: it was not appended")
	}
	e := appended(rec)
	if e.sha256.IsZero() {
		return errors.New("it is no whole decision")
	}
	s := l.current()
	if s == nil {
		return errUnusable
	}
	if l.unlock == nil {
		return errors.New("the history is open to read only")
	}
	if report != nil && e.wentOut {
		l.waiting.put(e.sha256, e.name, reportedContents(report.Contents))
	}
	err := s.write(&l.publish, func(w *writing) error {
		if l.ahead.has(e.id) {
			return nil // the log was followed faster
		}
		_, err := l.apply(w, e)
		return err
	})
	if err == nil && e.at < l.reading.Swap(e.at)-backwards {
		err = l.catchUp(context.Background()) // what the clock had reached before counts from now on
	}
	return err
}

// lose says that something of the log may be missing.
func (l *Ledger) lose() {
	l.publish.Lock()
	defer l.publish.Unlock()
	l.losses++
	l.ready = false
}

func (l *Ledger) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// maxAhead is how many records are remembered that were found in the log before they were added.
const maxAhead = 1 << 14

// ahead are the ids of the latest records that were found in the log before anybody added them.
type ahead struct {
	mu    sync.Mutex
	known map[string]bool
	ring  [maxAhead]string
	next  int
}

func (a *ahead) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[string]bool{}
	}
	delete(a.known, a.ring[a.next])
	a.ring[a.next], a.known[id] = id, true
	a.next = (a.next + 1) % maxAhead
}

func (a *ahead) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[id]
}
