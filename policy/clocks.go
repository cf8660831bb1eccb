package policy

import (
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// clockKind is a way to know since when an update has existed. The order is from the strongest to the weakest.
type clockKind uint8

const (
	trustedClock   clockKind = iota // a trusted timestamp, or a transparency log, says so of these very bytes
	firstSeenClock                  // this gate, or one that it shares lists with, has held them
	claimedClock                    // whoever serves them says so
)

var clockWords = []string{"trusted", "first_seen", "claimed"}

func (k clockKind) String() string { return clockWords[k] }

// parseClock reads one of clockWords; first_seen is what holds without a word.
func parseClock(s string) clockKind {
	for i, w := range clockWords {
		if w == s {
			return clockKind(i)
		}
	}
	return firstSeenClock
}

// reading is what one clock says.
type reading struct {
	kind clockKind
	at   time.Time
	what string // "the trusted timestamp of its authenticode signature says 2026-11-20 10:00 UTC"
}

// noClaimBefore is from when on a time that nobody proves is one: servers and lists that know none say 1970 or 1980.
var noClaimBefore = time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC)

// since returns the earliest moment at which the update is known to have existed, by the clocks up to weakest. A time that lies ahead is
// no reading. Not ok means that no clock says anything.
func (e *evidence) since(weakest clockKind) (first reading, ok bool) {
	take := func(r reading, there bool) {
		if there && !r.at.IsZero() && !r.at.After(e.now) && (!ok || r.at.Before(first.at)) {
			first, ok = r, true
		}
	}
	take(e.trustedTime())
	if weakest >= firstSeenClock {
		take(e.seenTime())
	}
	if weakest >= claimedClock {
		take(e.claimedTime())
	}
	return first, ok
}

// trustedTime is the earliest trusted time of the valid signatures over the whole update. Where something is wrong with the update no
// signature says anything of it.
func (e *evidence) trustedTime() (r reading, ok bool) {
	v := e.sort()
	if len(v.invalid) > 0 {
		return reading{}, false
	}
	for _, f := range v.valid {
		if f.SignedAt.IsZero() || f.SignedAt.After(e.now) || ok && !f.SignedAt.Before(r.at) {
			continue
		}
		r, ok = reading{trustedClock, f.SignedAt, "a trusted time proves that it was signed (" + printable.Text(f.Method, 40) + ") on " + minute(f.SignedAt)}, true
	}
	return r, ok
}

// seenTime is when this gate, or a peer, first held these bytes. The first time is now.
func (e *evidence) seenTime() (r reading, ok bool) {
	if e.facts == nil || !e.facts.History.Known {
		return reading{}, false
	}
	h := &e.facts.History
	at := h.FirstSeen
	if at.IsZero() || at.After(e.now) {
		at = e.now
	}
	r = reading{firstSeenClock, at, "this gate first saw it on " + minute(at)}
	peers := h.Peers
	if e.policy != nil {
		peers = append(e.facts.Reputation.sightings(e.policy.feeds), peers...)
	}
	for _, s := range peers {
		if !s.At.Before(noClaimBefore) && s.At.Before(r.at) {
			r = reading{firstSeenClock, s.At, "the list " + printable.Text(s.Feed, 64) + " has it as first seen on " + minute(s.At)}
		}
	}
	return r, true
}

// claimedTime is the latest of the times that are claimed for it: whoever claims an earlier one besides gains nothing.
func (e *evidence) claimedTime() (r reading, ok bool) {
	if e.facts == nil || !e.facts.History.Known {
		return reading{}, false
	}
	for _, c := range e.facts.History.Claims {
		if c.At.Before(noClaimBefore) || c.At.After(e.now) || ok && !c.At.After(r.at) {
			continue
		}
		r, ok = reading{claimedClock, c.At, printable.Text(c.Source, 60) + " claims " + minute(c.At) + ", which nobody vouches for"}, true
	}
	return r, ok
}
