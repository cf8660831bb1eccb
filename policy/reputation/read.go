package reputation

import (
	"context"
	"time"
)

// maxInMemory is how many entries a list may have where there is no directory to sort them in.
const maxInMemory = 2e6

// build reads a list into a set; at is when, for entries that have ended. The summary is of use even where it is refused.
func build(ctx context.Context, c content, how Reading, dir string, at time.Time) (*Set, Summary, error) {
	entries := how.maxEntries()
	if dir == "" {
		entries = min(entries, maxInMemory)
	}
	b, err := newBuilder(dir, entries)
	if err != nil {
		return nil, Summary{}, err
	}
	defer b.close()
	r := &reader{Reading: how, ctx: ctx, at: at, limits: defaultLimits(c.size), put: b.add}
	if err = r.read(c); err == nil {
		err = r.finish()
	}
	if r.summary.Date.After(at.Add(48 * time.Hour)) {
		r.summary.Date = time.Time{} // a date that has not come says nothing
	}
	if err != nil {
		return nil, r.summary, err
	}
	s, err := b.finish()
	return s, r.summary, err
}
