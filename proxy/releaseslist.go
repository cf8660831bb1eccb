package proxy

import (
	"cmp"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// All returns the releases that have not ended by now, in the order in which they were given.
func (r *Releases) All(now time.Time) []policy.Release {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []policy.Release
	for _, rel := range r.by {
		if rel.Until.IsZero() || now.Before(rel.Until) {
			out = append(out, rel)
		}
	}
	slices.SortFunc(out, func(a, b policy.Release) int { return cmp.Compare(a.Record, b.Record) })
	return out
}
