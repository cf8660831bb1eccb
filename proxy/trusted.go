package proxy

import (
	"strings"
	"sync"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// trustedSets is how many sets of anchors are kept for which trust was narrowed: there are as many as kinds of channels.
const trustedSets = 512

// trusted is a policy together with all that is trusted under it.
type trusted struct {
	policy     *policy.Policy
	generation uint64 // of the revocation lists
	whole      verify.Trust

	mu sync.Mutex
	by map[string]verify.Trust // by names of anchors
}

// trustUnder returns what is trusted under a policy, computed once for each and for each state of the revocation lists.
func (g *Gate) trustUnder(p *policy.Policy) *trusted {
	base, generation := g.Trust, uint64(0)
	if g.Revocations != nil {
		generation = g.Revocations.Generation()
	}
	if t := g.trust.Load(); t != nil && t.policy == p && t.generation == generation {
		return t
	}
	if g.Revocations != nil {
		base = g.Revocations.Trust(base)
	}
	t := &trusted{policy: p, generation: generation, whole: p.Trust(base), by: map[string]verify.Trust{}}
	g.trust.Store(t)
	return t
}

// only returns what is trusted when no anchors count but these (policy.Plan.Anchors): nobody asks on behalf of others.
func (t *trusted) only(anchors []string) verify.Trust {
	key := strings.Join(anchors, "\x00")
	t.mu.Lock()
	defer t.mu.Unlock()
	narrow, ok := t.by[key]
	if !ok {
		if len(t.by) >= trustedSets {
			clear(t.by)
		}
		narrow = t.whole.Only(anchors)
		t.by[key] = narrow
	}
	return narrow
}
