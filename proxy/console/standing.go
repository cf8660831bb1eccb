package console

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// Standing is a release by hand that is in force.
type Standing struct {
	Record string `json:"record"`
	Name   string `json:"name,omitempty"` // of the artifact
	audit.Release
}

// maxStanding is how many standing releases are listed.
const maxStanding = 10000

// Standing returns the releases by hand that are in force, those of an emergency first, the one that ends first before others.
func (o *Operator) Standing(ctx context.Context) ([]Standing, error) {
	out := []Standing{}
	if o.Releases == nil {
		return out, nil
	}
	for _, r := range o.Releases.All(o.now()) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(out) == maxStanding {
			break
		}
		rec, err := o.Record(r.Record)
		if err != nil {
			return nil, fmt.Errorf("finding the record of a standing release: %w", err)
		}
		if rec.Release == nil {
			continue
		}
		s := Standing{Record: rec.ID, Release: *rec.Release}
		if rec.Artifact != nil {
			s.Name = rec.Artifact.Name
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, sooner)
	return out, nil
}

func sooner(a, b Standing) int {
	switch {
	case a.BreakGlass != b.BreakGlass:
		return before(a.BreakGlass)
	case a.Until.IsZero() != b.Until.IsZero():
		return before(b.Until.IsZero())
	}
	return a.Until.Compare(b.Until)
}

// before is -1 for what comes first.
func before(first bool) int {
	if first {
		return -1
	}
	return 1
}

// Waiting returns what waits for people to agree, the oldest first.
func (o *Operator) Waiting(context.Context) ([]Asked, error) {
	if o.Approvals == nil {
		return []Asked{}, nil
	}
	return o.Approvals.List(), nil
}
