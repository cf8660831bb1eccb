package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/reputation/lookup"
	"github.com/sallyport-project/sallyport/verify"
)

// lookups asks the services that policies name.
type lookups struct{ *lookup.Services }

// openLookups opens what is kept of answers in a state directory. With readOnly it asks as well, but keeps nothing. asked is told of each
// request and may be nil.
func openLookups(dir stateDir, transport http.RoundTripper, readOnly bool, now func() time.Time, asked func(string, time.Duration, error)) (*lookups, error) {
	s, err := lookup.Open(lookup.Options{Transport: transport, Kept: dir.lookups(), ReadOnly: readOnly, Now: now, Asked: asked})
	if err != nil {
		return nil, fmt.Errorf("opening the answers of look-ups: %w", err)
	}
	return &lookups{s}, nil
}

// ask returns what the named services of a policy say about an update.
func (l *lookups) ask(ctx context.Context, p *policy.Policy, names []string, a *verify.Artifact, rep verify.Report, _ time.Time) policy.Reputation {
	services := slices.DeleteFunc(p.Lookups(), func(s policy.Lookup) bool { return !slices.Contains(names, s.Name) })
	return l.Ask(ctx, services, lookup.Subjects(a, rep))
}
