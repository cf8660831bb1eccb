package policy

import (
	"fmt"
	"math"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// minAge asks that the update is known for some time, so that others have had the time to find out what is wrong with it.
type minAge struct {
	hold    time.Duration // without
	adverse time.Duration // and with an adverse signal; at least hold
	clock   clockKind     // the weakest that counts
	urgent  bool          // what removes a vulnerability that is exploited need not wait
	feeds   []*Feed       // that may hold an adverse signal
}

func (b *builder) minAge(n node) requirement {
	text := n.text()
	if v := n.get("for"); v.present() {
		text = v.text()
	}
	r := &minAge{clock: parseClock(n.get("clock").text()), urgent: n.get("unless").present(), feeds: b.watchedFeeds(func(f *Feed) bool { return !f.Good })}
	if n.get("unless").text() == "fixes_known_exploited" {
		b.needsFixes(n.get("unless"))
	}
	var err error
	if r.hold, err = parseDuration(text); err != nil {
		return nil // the check has said so
	}
	r.adverse = r.hold
	if r.hold <= math.MaxInt64/2 {
		r.adverse = 2 * r.hold
	}
	if v := n.get("adverse"); v.present() {
		if r.adverse, err = parseDuration(v.text()); err != nil {
			return nil
		}
		if r.adverse < r.hold {
			b.add(v, "write at least "+spelled(r.hold), "adverse: an adverse signal would shorten the hold from %s to %s", spelled(r.hold), spelled(r.adverse))
		}
	}
	return r
}

// String implements requirement.
func (r *minAge) String() string {
	s := fmt.Sprintf("known for %s, or for %s with an adverse signal", spelled(r.hold), spelled(r.adverse))
	switch r.clock {
	case trustedClock:
		s += ", by a trusted time alone"
	case claimedClock:
		s += ", a claimed time counts"
	}
	if r.urgent {
		s += ", unless it removes a vulnerability that is known to be exploited"
	}
	return s
}

func (r *minAge) sidecars() bool { return false }

func (r *minAge) inside() bool { return false }

func (r *minAge) refers(func(*anchor)) {}

// judge implements requirement. Without history it holds only where it would with an adverse signal, too, and else cannot be told.
func (r *minAge) judge(e *evidence) (outcome, string) {
	label := "min_age " + spelled(r.hold) + ": "
	switch {
	case e.index():
		return holds, label + notForMetadata
	case e.facts == nil:
		return undecided, label + "nothing is known of its history"
	}
	signals, known := e.adverse(), e.facts.History.Known
	if r.urgent && known && len(signals) == 0 {
		if fix := e.urgentFix(); fix != nil {
			return holds, label + fix.sentence()
		}
	}
	since, ok := e.since(r.clock)
	if !ok {
		return r.unknown(e, label)
	}
	hold, why := r.hold, ""
	if len(signals) > 0 {
		hold, why = r.adverse, "; the hold is "+spelled(r.adverse)+" since there is an adverse signal: "+someOf(signals)
	}
	if end := since.at.Add(hold); e.now.Before(end) {
		e.ripens = append(e.ripens, end)
		text := fmt.Sprintf("%s%s, so it is held until %s%s", label, since.what, nextMinute(end), why)
		if !known && r.clock != trustedClock {
			e.ripens = append(e.ripens, since.at.Add(r.adverse))
			return undecided, text + "; the history of this gate is not known, which may say that it is older"
		}
		return fails, text
	}
	if end := since.at.Add(r.adverse); !known && e.now.Before(end) {
		e.ripens = append(e.ripens, end)
		return undecided, fmt.Sprintf("%s%s, but the history of this gate is not known, so that it cannot be told whether it has to wait until %s", label, since.what, nextMinute(end))
	}
	return holds, fmt.Sprintf("%s%s, and the hold ended on %s%s", label, since.what, nextMinute(since.at.Add(hold)), why)
}

// unknown is what becomes of an update of which no clock that counts says anything.
func (r *minAge) unknown(e *evidence, label string) (outcome, string) {
	v := e.sort()
	switch {
	case r.clock != trustedClock:
		return undecided, label + "no trusted time says when it was signed, and the history of this gate is not known"
	case len(v.invalid) > 0:
		return undecided, label + "what is wrong with the file defeats every trusted time: " + quoted(v.invalid)
	case len(v.inconclusive) > 0:
		return undecided, label + "it could not be told whether a trusted time says when it was signed: " + quoted(v.inconclusive)
	}
	return fails, label + "no trusted time says when it was signed, and no other clock counts here"
}

// urgentFix returns a vulnerability that the update removes and that is known to be exploited.
func (e *evidence) urgentFix() *Fix {
	for i := range e.facts.Fixes {
		if f := &e.facts.Fixes[i]; f.Exploited && f.ID != "" {
			return f
		}
	}
	return nil
}

// sentence says what an update repairs.
func (f *Fix) sentence() string {
	s := fmt.Sprintf("it need not wait, since it removes %s, which version %s of %s has by the list %s", printable.Text(f.ID, 80),
		printable.Text(f.From, 80), printable.Text(f.Package, 120), printable.Text(f.Feed, 64))
	if f.By != "" {
		s += ", and which is exploited by the list " + printable.Text(f.By, 64)
	}
	return s
}

const notForMetadata = "asked of payloads only, and this is metadata"

// watchedFeeds returns the lists that a requirement about age looks at by itself: those whose word is an adverse signal, and those that say
// how old or how urgent an update is.
func (b *builder) watchedFeeds(which func(*Feed) bool) []*Feed {
	var out []*Feed
	for _, f := range b.policy.feeds {
		if f.Lookup == nil && which(f) {
			b.referred[f.Name] = true
			out = append(out, f)
		}
	}
	return out
}
