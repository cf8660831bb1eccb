package policy

import (
	"time"
)

// freeze is a line in the sand: what was published later does not pass.
type freeze struct {
	at    time.Time
	clock clockKind // the weakest that counts
	feeds []*Feed   // that say when others first saw it
}

const noFreeze = "none"

func checkFreeze(s string) error {
	if s == noFreeze {
		return nil
	}
	_, err := parseMoment(s)
	return err
}

// freezeOf reads a freeze, which a channel may say instead of the defaults' otherwise; nil is none.
func (b *builder) freezeOf(n node, otherwise *freeze) *freeze {
	if !n.present() {
		return otherwise
	}
	text := n.text()
	if v := n.get("at"); v.present() {
		text = v.text()
	}
	if text == noFreeze {
		return nil
	}
	f := &freeze{clock: parseClock(n.get("clock").text()), feeds: b.watchedFeeds(func(f *Feed) bool { return f.Seen })}
	f.at, _ = parseMoment(text) // what cannot be read the check has refused
	return f
}

// String implements requirement.
func (r *freeze) String() string {
	s := "known since " + minute(r.at) + " or earlier (freeze)"
	switch r.clock {
	case trustedClock:
		s += ", by a trusted time alone"
	case claimedClock:
		s += ", a claimed time counts"
	}
	return s
}

func (r *freeze) sidecars() bool { return false }

func (r *freeze) inside() bool { return false }

func (r *freeze) refers(func(*anchor)) {}

// judge implements requirement.
func (r *freeze) judge(e *evidence) (outcome, string) {
	label := "freeze " + minute(r.at) + ": "
	if e.index() {
		return holds, label + notForMetadata
	}
	since, ok := e.since(r.clock)
	switch {
	case ok && !since.at.After(r.at):
		return holds, label + since.what
	case ok && r.clock != trustedClock && !e.known():
		return undecided, label + since.what + ", but the history of this gate is not known, which may say that it is older"
	case ok:
		return fails, label + since.what + ", which is later"
	case r.clock != trustedClock:
		return undecided, label + "no trusted time says when it was signed, and the history of this gate is not known"
	}
	if v := e.sort(); len(v.invalid)+len(v.inconclusive) > 0 {
		return undecided, label + "it could not be told whether a trusted time says when it was signed"
	}
	return fails, label + "no trusted time says when it was signed, and no other clock counts here"
}

// known reports whether the history of the gate is.
func (e *evidence) known() bool { return e.facts != nil && e.facts.History.Known }
