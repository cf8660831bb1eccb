package replay

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// releases are what was released by hand and taken back, by digest and in the order of the log. They do not change.
type releases map[verify.Digest][]given

type given struct {
	at      time.Time
	release policy.Release
	back    bool // it was taken back
}

func readReleases(ctx context.Context, log string) (releases, error) {
	var all []audit.Record
	for _, kind := range []audit.Kind{audit.KindRelease, audit.KindReject} {
		list, err := audit.List(ctx, log, audit.Filter{Kind: kind, Limit: math.MaxInt32})
		if err != nil {
			return nil, fmt.Errorf("finding releases: %w", err)
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) })
	out := releases{}
	for _, r := range all {
		if l := r.Release; l != nil {
			out[l.SHA256] = append(out[l.SHA256], given{
				at: r.Time, back: r.Kind == audit.KindReject,
				release: policy.Release{Record: r.ID, SHA256: l.SHA256, Scope: l.Scope, Until: l.Until},
			})
		}
	}
	return out, nil
}

// at returns the releases of an artifact that stood at a time.
func (r releases) at(sum verify.Digest, when time.Time) []policy.Release {
	list := r[sum]
	if len(list) == 0 {
		return nil
	}
	standing := map[string]policy.Release{}
	for _, g := range list {
		switch {
		case g.at.After(when):
		case g.back:
			delete(standing, g.release.Scope)
		default:
			standing[g.release.Scope] = g.release
		}
	}
	out := make([]policy.Release, 0, len(standing))
	for _, release := range standing {
		out = append(out, release)
	}
	return out
}
