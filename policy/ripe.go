package policy

import (
	"slices"
	"time"
)

// RipeFrom writes when an update is let through if nothing but time passes (Decision.Ripe), rounded up to the minute as reasons have it.
func RipeFrom(t time.Time) string { return nextMinute(t) }

// maxRipens is how many moments are tried.
const maxRipens = 16

// ripe returns the first moment, of those at which a requirement about age is said to come to hold, when all that the channels require
// holds if nothing but time passes; zero if there is none.
func (e *evidence) ripe(channels []*channel) time.Time {
	moments := e.ripens
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	for _, at := range moments[:min(len(moments), maxRipens)] {
		facts := *e.facts
		facts.Now = at
		if h := &facts.History; h.FirstSeen.IsZero() || h.FirstSeen.After(e.now) {
			h.FirstSeen = e.now // as it will be remembered
		}
		then := *e
		then.now, then.facts, then.ripens, then.editions = at, &facts, nil, nil
		if !at.After(e.now) || slices.ContainsFunc(channels, func(c *channel) bool { return e.policy.exception(c, e.sum, at) == nil && !then.satisfies(c) }) {
			continue
		}
		return at
	}
	return time.Time{}
}

// ripeness says how the moment when an update would be let through differs from the one that a test expects.
func ripeness(got, want time.Time) string {
	if got.IsZero() {
		return "time alone will not let it through, and the test expects that it does at " + want.Format(time.RFC3339)
	}
	return "it would be let through at " + got.UTC().Format(time.RFC3339) + ", and the test expects " + want.Format(time.RFC3339)
}

func (e *evidence) satisfies(c *channel) bool {
	e.channel = c.name
	for _, r := range c.requires {
		if o, _ := r.judge(e); o != holds {
			return false
		}
	}
	return true
}
