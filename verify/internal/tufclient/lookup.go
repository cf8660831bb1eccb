package tufclient

import (
	"context"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// maxPath bounds a target's path, in bytes, and maxWork what matching it against patterns may cost, in characters looked at.
const (
	maxPath = 8 << 10
	maxWork = 1 << 26
)

// Lookup returns what the repository says of the target at path as of the time at, by the last complete set of metadata
// (section 5.6.7). Delegated roles that are not loaded yet, or that the snapshot has replaced, come from the Store or by fetch,
// which may be nil: then nothing is fetched. Before the first refresh, and while a root with other keys has
// made the last set worthless, there is no set, and the error says Unavailable.
func (c *Client) Lookup(ctx context.Context, fetch Fetch, at time.Time, path string) (Target, error) {
	s, err := c.now()
	if err != nil {
		return Target{}, err
	}
	if err := c.clock(s, at); err != nil {
		return Target{}, err
	}
	if s.complete == nil {
		return Target{}, failf(Unavailable, "", "no complete set of metadata is there yet")
	}
	if err := s.complete.expired(at); err != nil {
		return Target{}, err
	}
	w := walk{c: c, ctx: ctx, fetch: fetch, at: at, set: s.complete, path: path, work: maxWork, bytes: c.limits.LookupBytes, visited: map[string]bool{}}
	t, err := w.run()
	t.Behind = s.behind()
	return t, err
}

// walk is the search for one target.
type walk struct {
	c       *Client
	ctx     context.Context
	fetch   Fetch
	at      time.Time
	set     *set
	path    string
	work    int   // what is left for matching patterns
	bytes   int64 // what is left to fetch
	visited map[string]bool
}

// hop is a role on the way to the target, or one that may be. A role that is reached in two ways is two hops.
type hop struct {
	from *hop        // nil: the root
	by   *delegation // nil: top-level targets
	role *targets    // once it is loaded
}

func (h *hop) name() string {
	if h.by == nil {
		return metadata.TARGETS
	}
	return h.by.name
}

// run is the search in pre-order, depth first.
func (w *walk) run() (Target, error) {
	if len(w.path) > maxPath {
		return Target{}, failf(NotListed, metadata.TARGETS, "a path of %d bytes is none of a target", len(w.path))
	}
	for todo := []*hop{{role: w.set.targets}}; len(todo) > 0; {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if w.visited[h.name()] {
			continue
		}
		if len(w.visited) >= w.c.limits.Roles {
			return Target{}, failf(Oversize, h.name(), "the target was not found in %d roles, and no more are searched", len(w.visited))
		}
		w.visited[h.name()] = true
		if err := w.load(h); err != nil {
			return Target{}, err
		}
		if e, ok := h.role.files.get(w.path); ok {
			return w.found(h, &e)
		}
		next, ok := h.role.delegations.forPath(w.path, &w.work)
		if !ok {
			return Target{}, failf(Oversize, h.name(), "%s delegates by more patterns than there is time for", h.name())
		}
		if n := len(next); n > 0 && next[n-1].terminating {
			todo = todo[:0]
		}
		for i := len(next) - 1; i >= 0; i-- {
			todo = append(todo, &hop{from: h, by: next[i]})
		}
	}
	delegated := "and trusts no other role for that path"
	if n := len(w.visited) - 1; n > 0 {
		delegated = fmt.Sprintf("nor does any role that it trusts for that path (%d)", n)
	}
	return Target{}, failf(NotListed, metadata.TARGETS, "version %d of targets does not list %s, %s", w.set.targets.version, shorten(w.path), delegated)
}

// load makes sure that the hop's role is there, verified under the delegation that leads to it, and has not expired.
func (w *walk) load(h *hop) (err error) {
	if h.role == nil {
		if h.role, err = w.c.delegated(w.ctx, w.set, h.by, w.get); err != nil {
			return err
		}
	}
	if err := h.role.expired(w.at); err != nil {
		return err
	}
	return nil
}

// get fetches the file of a role within what the search may fetch.
func (w *walk) get(ctx context.Context, role string, e *listed) ([]byte, error) {
	limit := min(w.c.limits.Targets, w.bytes)
	data, err := w.c.getListed(ctx, w.fetch, role, e, w.set.root.consistent, limit)
	w.bytes -= int64(len(data))
	return data, err
}

// found returns the target that the last hop lists as e.
func (w *walk) found(h *hop, e *listed) (Target, error) {
	if e.foreign {
		return Target{}, failf(Unsupported, h.name(), "%s gives no hash of %s that is known here", h.role.what(), shorten(w.path))
	}
	t := Target{Path: w.path, Length: e.length, Hashes: map[string][]byte{}, Prefixed: w.set.root.consistent}
	for name, sum := range map[string][]byte{"sha256": e.sha256, "sha512": e.sha512} {
		if sum != nil {
			t.Hashes[name] = append([]byte(nil), sum...)
		}
	}
	t.Key = w.set.root.grants[metadata.TARGETS].lowest()
	if h.by != nil {
		t.Key = h.by.lowest()
	}
	t.Chain = []Step{step(w.set.root.document, nil), step(w.set.timestamp.document, w.set.timestamp.keys), step(w.set.snapshot.document, w.set.snapshot.keys)}
	var roles []Step
	for ; h != nil; h = h.from {
		roles = append(roles, step(h.role.document, h.role.keys))
	}
	for i := len(roles) - 1; i >= 0; i-- {
		t.Chain = append(t.Chain, roles[i])
	}
	for _, s := range t.Chain {
		if t.NotAfter.IsZero() || s.Expires.Before(t.NotAfter) {
			t.NotAfter = s.Expires
		}
	}
	return t, nil
}

func step(d *document, keys []string) Step {
	return Step{Role: d.role, Version: d.version, Keys: append([]string(nil), keys...), Expires: d.expires, SHA256: d.sums.sha256}
}
