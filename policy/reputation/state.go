package reputation

import (
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Status says whether what a list says may be relied on. The zero value is not relied on.
type Status uint8

const (
	Never Status = iota // never loaded: it says nothing
	Stale               // it says what it said when it was loaded, which is longer ago than MaxStale, or older than MaxAge
	Fresh
)

var statusNames = [...]string{"never", "stale", "ok"}

// String returns "never", "stale" or "ok".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return statusNames[Never]
}

// MarshalText implements encoding.TextMarshaler as String does.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(b []byte) error {
	for i, name := range statusNames {
		if name == string(b) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("unknown status %q", b)
}

// State is how a list is doing.
type State struct {
	Feed     string        `json:"feed"`
	Status   Status        `json:"status"`
	Reason   string        `json:"reason,omitempty"` // one sentence with numbers; empty if Fresh and the last attempt succeeded
	Entries  int           `json:"entries"`
	Digest   verify.Digest `json:"digest,omitzero"`  // SHA-256 of the list as it came
	Success  time.Time     `json:"success,omitzero"` // when it was last known to be the present one
	Date     time.Time     `json:"date,omitzero"`    // its own, or else the server's or the file's
	Failures int           `json:"failures,omitempty"`
	Summary  Summary       `json:"summary"`
}

// State returns how a list is doing; Never for a name that is not known.
func (v *View) State(feed string, at time.Time) State {
	for _, l := range v.lists {
		if l.feed.Name == feed {
			return l.state(at)
		}
	}
	return State{Feed: feed, Reason: "there is no such list"}
}

// States returns how all lists are doing, by name.
func (v *View) States(at time.Time) []State {
	all := make([]State, 0, len(v.lists))
	for _, l := range v.lists {
		all = append(all, l.state(at))
	}
	return all
}

// ahead is how far in the future a success may lie for clocks that disagree.
const ahead = 24 * time.Hour

func (l *list) state(at time.Time) State {
	s := State{Feed: l.feed.Name, Digest: l.source, Success: l.success, Date: l.date, Failures: l.failures, Summary: l.summary}
	trouble := ""
	if l.failure != nil {
		trouble = fmt.Sprintf("; the last %d attempts since %s failed: %v", l.failures, l.failed.UTC().Format(time.RFC3339), l.failure)
	}
	if l.set == nil {
		s.Reason = "it was never loaded" + trouble
		return s
	}
	s.Status, s.Entries = Fresh, l.set.Len()
	age, own := at.Sub(l.success), at.Sub(l.date)
	switch f := l.feed; {
	case f.MaxStale > 0 && age > f.MaxStale:
		s.Status, s.Reason = Stale, fmt.Sprintf("it was last known to be the present one %s ago, longer than %s", spell(age), spell(f.MaxStale))
	case f.MaxStale > 0 && age < -ahead:
		s.Status, s.Reason = Stale, fmt.Sprintf("its last success lies %s in the future: a clock is wrong", spell(-age))
	case f.MaxAge > 0 && l.date.IsZero():
		s.Status, s.Reason = Stale, "it has no date of its own to tell its age by"
	case f.MaxAge > 0 && own > f.MaxAge:
		s.Status, s.Reason = Stale, fmt.Sprintf("its own date %s is %s ago, longer than %s", l.date.UTC().Format(time.RFC3339), spell(own), spell(f.MaxAge))
	case trouble != "":
		s.Reason = "what it said " + spell(max(age, 0)) + " ago is used"
	}
	s.Reason += trouble
	return s
}

// turns returns when a list that is fresh at a time becomes stale by itself; zero if never.
func (l *list) turns() time.Time {
	var first time.Time
	sooner := func(from time.Time, limit time.Duration) {
		if t := from.Add(limit); limit > 0 && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	sooner(l.success, l.feed.MaxStale)
	sooner(l.date, l.feed.MaxAge)
	return first
}

// spell writes a duration for a person: its two largest units.
func spell(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}
