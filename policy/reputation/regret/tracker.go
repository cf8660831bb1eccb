// Package regret finds out who got what turns out to be bad: when a list comes to name something that was let through before, as an
// update or inside one, or when an auditor recalls it.
//
//	Tracker  what does it, behind the back of every decision
//	access   one decision that let an update through
//	regret   a record of the log (audit.Regret) about one update and what says that it is bad
//
// What is known of the past is what the ledger and the log know. Entries of SHA-256 are found wherever they are inside; certificates,
// packages, URLs, domains and hosts where a record of the log, or the report that it was decided by, names them (see walk.go for how
// far back); MD5, SHA-1 and SHA-512 of files are not kept by anybody, and found only in what is fetched again.
//
// A Tracker may do the same work twice, after a restart or because a list is taken up anew; accesses that were told of are not told of
// again.
package regret

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/verify"
)

// Ledger is what is asked of ledger.Ledger.
type Ledger interface {
	Holders(ctx context.Context, digest verify.Digest) ([]ledger.Holder, error)
	Recalls(artifact verify.Digest, report verify.Report) []policy.Recall
	Each(ctx context.Context, f func(ledger.Digest) error) error
}

// Options are what a Tracker stands on. All are needed unless they say otherwise.
type Options struct {
	Ledger Ledger
	// Ignore reports whether a list is not of what is bad; nil: only those that are of what is good are not.
	Ignore func(feed string) bool
	LogDir string                                             // the log's directory
	Report func(verify.Digest) (verify.Report, error)         // the report that a record names; nil: none is kept
	Append func(audit.Record) (audit.Receipt, error)          // the log
	Tell   func(regret audit.Record, accesses []audit.Record) // is told of each regret, with the decisions it lists; nil: nobody is
	Note   func(message string)                               // is told of what could not be compared; nil: nobody is
	Warn   func(error)                                        // is told of what went wrong; nil: nobody is
	Now    func() time.Time                                   // nil means time.Now
}

// Tracker finds out who got what. Its methods may be called by several goroutines.
type Tracker struct {
	o       Options
	maxRead int // records about one artifact

	mu      sync.Mutex // guards what follows
	changes []*change  // that are to be looked into, one a list
	recalls []audit.Record
	flights []audit.Record              // let through while something changed
	recent  []recent                    // what has changed in the last minutes
	asked   map[verify.Digest]time.Time // when it was last found out who got something that is refused now
	failed  []todo                      // what is tried again after a while
	wake    chan struct{}

	writing sync.Mutex        // held while what one thing brings about is written down; guards what follows
	told    map[matter]string // up to which decision's record accesses have been told of; nil: not loaded yet
}

// change is a list that has changed.
type change struct {
	reputation.Notice
	done []func()
}

// recent is a change that decisions of a moment ago may not have known.
type recent struct {
	at     time.Time
	notice *reputation.Notice
}

// inFlight is how long a decision may be on its way into the log: from its facts, which a scanner may take its time for.
const inFlight = 10 * time.Minute

// New returns a Tracker, which begins to work when Run is called.
func New(o Options) *Tracker {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tell == nil {
		o.Tell = func(audit.Record, []audit.Record) {}
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return &Tracker{o: o, maxRead: maxRecords, wake: make(chan struct{}, 1)}
}

// Changed takes what has become of a list. It returns at once; the notice counts as dealt with when it has been.
func (t *Tracker) Changed(n reputation.Notice) {
	if n.What != reputation.Changed || n.Definition().Good || t.o.Ignore != nil && t.o.Ignore(n.Feed) {
		return
	}
	c := &change{n, []func(){n.Defer()}}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, p := range t.changes {
		if p.Feed == n.Feed {
			c.After(&p.Notice)
			c.done = append(p.done, c.done...)
			t.changes[i] = c
			t.remember(&c.Notice)
			t.signal()
			return
		}
	}
	t.changes = append(t.changes, c)
	t.remember(&c.Notice)
	t.signal()
}

// remember keeps a change for decisions that are on their way. Of earlier ones of the same list only that counts which the list still
// says. The caller holds mu.
func (t *Tracker) remember(n *reputation.Notice) {
	t.forget()
	for i, r := range t.recent {
		if r.notice.Feed == n.Feed {
			t.recent[i].notice = n.Since(r.notice)
		}
	}
	t.recent = append(t.recent, recent{t.o.Now(), n})
	if len(t.recent) > 256 {
		t.recent = t.recent[1:]
	}
}

func (t *Tracker) forget() {
	now := t.o.Now()
	for len(t.recent) > 0 && now.Sub(t.recent[0].at) > inFlight {
		t.recent = t.recent[1:]
	}
}

// Saw takes a decision that was just recorded, with the report that it was made by, if there is one. One that let something through
// which has come to be bad since its facts were gathered is regretted like those before.
func (t *Tracker) Saw(rec audit.Record, report *verify.Report) {
	if !wentOut(&rec) {
		t.refused(rec)
		return
	}
	t.mu.Lock()
	t.forget()
	changes := append([]recent(nil), t.recent...)
	t.mu.Unlock()
	whole := reportOf(&rec, report)
	if len(t.o.Ledger.Recalls(rec.Artifact.SHA256, whole)) == 0 && (len(changes) == 0 || !suspicious(changes, subjects(&rec, whole))) {
		return
	}
	t.mu.Lock()
	t.flights = append(t.flights, rec)
	t.mu.Unlock()
	t.signal()
}

// maxAtOnce is how many look-ups a decision waits for. What takes more is looked up behind its back.
const maxAtOnce = 512

// suspicious reports whether one of the changes may name one of the subjects.
func suspicious(changes []recent, list []reputation.Subject) bool {
	if len(changes)*len(list) > maxAtOnce {
		return true
	}
	for _, c := range changes {
		for _, s := range list {
			if hits, err := c.notice.Match(s); err != nil || len(hits) > 0 {
				return true
			}
		}
	}
	return false
}

// refused takes a decision that refused what was let through before. What it says to be bad may not have been known to be inside
// until now, or may be named by a list in a way that nobody could compare with the past.
func (t *Tracker) refused(rec audit.Record) {
	f := rec.Facts
	if rec.Artifact == nil || f == nil || f.History == nil || f.History.Allowed == 0 || len(f.Recalls) == 0 && (f.Reputation == nil || len(f.Reputation.Listings) == 0) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Now()
	if at, ok := t.asked[rec.Artifact.SHA256]; ok && now.Sub(at).Abs() < time.Minute {
		return
	}
	if t.asked == nil || len(t.asked) >= maxAsked {
		t.asked = map[verify.Digest]time.Time{}
	}
	t.asked[rec.Artifact.SHA256] = now
	t.flights = append(t.flights, rec)
	t.signal()
}

// maxAsked is of how many refused artifacts it is remembered that it was found out of late who got them.
const maxAsked = 10_000

func (t *Tracker) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
