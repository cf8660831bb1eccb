package tufclient

import (
	"time"
)

// state is what a Client knows at one moment. It never changes; the next one replaces it.
type state struct {
	// What is trusted role by role. The snapshot may be older than the timestamp says, and targets older than the snapshot says.
	root      *root
	timestamp *snapshot
	snapshot  *snapshot
	targets   *targets

	complete  *set               // the last set in which everything fits; nil: none
	previous  *names             // what complete has replaced
	history   map[int64][32]byte // the meaning of the roots passed, by version
	refreshed time.Time          // when a refresh last succeeded
	clock     clock              // what refreshes say of the time
	recovered int                // how often timestamp and snapshot were forgotten
	fresh     bool               // nothing was kept under this pin yet
}

// clock is what is believed of the time. A clock that is ahead for a while (set by a zone's time at boot, say) must not block
// everything until that time comes: a time counts as past once a refresh has succeeded an hour after it.
type clock struct {
	past time.Time // it has been this late
	seen time.Time // a refresh succeeded then, by a clock that is not confirmed yet
}

// confirmed is how much later the clock has to say that it is for an earlier time to count as past.
const confirmed = time.Hour

// tick returns the clock after a refresh that succeeded at the time at.
func (k clock) tick(at time.Time) clock {
	switch {
	case k.seen.IsZero() || at.Before(k.seen):
		k.seen = at
	case at.Sub(k.seen) >= confirmed:
		k.past, k.seen = k.seen, at
	}
	return k
}

// set is metadata that fits together, from the root down to the targets. Delegated roles are added as they are needed.
type set struct {
	root      *root
	timestamp *snapshot
	snapshot  *snapshot
	targets   *targets
	roles     *loaded
}

// names is what a superseded set said about files. Its root is only there to check targets of its own.
type names struct {
	root      *root
	timestamp *snapshot
	snapshot  *snapshot
	until     time.Time // when it stops counting
}

// current reports whether the snapshot is the one that the timestamp names.
func current(timestamp, snap *snapshot) bool {
	return timestamp != nil && snap != nil && snap.listedAs(&timestamp.next, nil) == nil
}

// currentTargets reports whether targets are the ones that the snapshot names.
func currentTargets(snap *snapshot, t *targets) bool {
	if snap == nil || t == nil {
		return false
	}
	e, ok := snap.meta.get("targets.json")
	return ok && t.listedAs(&e, nil) == nil
}

// settle makes what is trusted the complete set, if it fits together.
func (s *state) settle(at time.Time, l *Limits) {
	if !current(s.timestamp, s.snapshot) || !currentTargets(s.snapshot, s.targets) {
		return
	}
	old := s.complete
	s.complete = &set{root: s.root, timestamp: s.timestamp, snapshot: s.snapshot, targets: s.targets}
	switch {
	case old == nil:
		s.complete.roles = newLoaded(l.Loaded)
	case old.snapshot == s.snapshot:
		s.complete.roles = old.roles
	default:
		s.complete.roles = old.roles.under(s.snapshot)
		s.previous = &names{root: old.root, timestamp: old.timestamp, snapshot: old.snapshot, until: at.Add(l.Overlap)}
	}
}

// behind reports whether newer metadata is known to exist than what look-ups use.
func (s *state) behind() bool {
	return s.complete != nil && (s.complete.timestamp != s.timestamp || s.complete.snapshot != s.snapshot || s.complete.targets != s.targets)
}

// expired returns an error if something in the set has expired at the time at.
func (s *set) expired(at time.Time) *Error {
	for _, d := range s.documents() {
		if err := d.expired(at); err != nil {
			return err
		}
	}
	return nil
}

func (s *set) documents() []*document {
	return []*document{s.root.document, s.timestamp.document, s.snapshot.document, s.targets.document}
}

// notAfter is when the first of the documents expires.
func (s *set) notAfter() (first time.Time) {
	for _, d := range s.documents() {
		if first.IsZero() || d.expires.Before(first) {
			first = d.expires
		}
	}
	return first
}
