package tuf

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// roleFailures remembers for a moment which delegated roles were fetched in vain. A refresh has its pause; without one for roles, each
// request for any path that leads to a file which is held back or was replaced would fetch that file again.
type roleFailures struct {
	mu sync.Mutex
	by map[string]roleFailure
}

type roleFailure struct {
	at      time.Time // by Verifier.now
	problem *tufclient.Error
}

// maxRoleFailures bounds how many are remembered.
const maxRoleFailures = 1024

func (f *roleFailures) recent(key string, now time.Time) *tufclient.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if was, ok := f.by[key]; ok && now.Sub(was.at) < pause {
		return was.problem
	}
	return nil
}

func (f *roleFailures) note(key string, now time.Time, problem *tufclient.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil || len(f.by) >= maxRoleFailures {
		f.by = map[string]roleFailure{}
	}
	f.by[key] = roleFailure{now, problem}
}

// roleFetch fetches the delegated roles that one look-up needs.
type roleFetch struct {
	*source
	snapshot int64 // by which they are looked up: under another one a role is another file
	last     string
}

// again is why a role is not fetched once more.
type again struct{ problem *tufclient.Error }

func (a again) Error() string { return "it was fetched a moment ago: " + a.problem.Detail }

func (r *roleFetch) fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	key := fmt.Sprintf("%d %s", r.snapshot, name)
	if problem := r.roles.recent(key, r.v.now()); problem != nil {
		return nil, again{problem}
	}
	r.last = key
	return r.fetchRole(ctx, name, limit)
}

// lookUp is a look-up by what is known of the repository, roles that are missing being fetched.
func (s *session) lookUp(from *source, path string) (tufclient.Target, error) {
	state, err := from.client.State()
	if err != nil {
		return tufclient.Target{}, err
	}
	r := roleFetch{source: from, snapshot: state.Snapshot}
	t, err := from.client.Lookup(s.ctx, r.fetch, s.env.At, path)
	var problem *tufclient.Error
	var known again
	switch {
	case errors.As(err, &known):
		return t, known.problem
	case r.last != "" && errors.As(err, &problem) && problem.Code != tufclient.NotListed:
		from.roles.note(r.last, s.v.now(), problem)
	}
	return t, err
}
