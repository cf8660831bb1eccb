package proxy

import (
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// Releases are the standing permissions that operators gave by hand. The log is where they are kept; this is what the
// gate asks. The zero value is empty and ready; it may be used by several goroutines.
type Releases struct {
	mu sync.RWMutex
	by map[releaseKey]policy.Release
}

type releaseKey struct {
	digest verify.Digest
	scope  string
}

// Add puts a release in force, in place of an earlier one for the same artifact and scope.
func (r *Releases) Add(rel policy.Release) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[releaseKey]policy.Release{}
	}
	r.by[releaseKey{rel.SHA256, rel.Scope}] = rel
}

// Remove takes a release back.
func (r *Releases) Remove(digest verify.Digest, scope string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, releaseKey{digest, scope})
}

// For returns the releases of an artifact on a scope that have not ended by now.
func (r *Releases) For(digest verify.Digest, scope string, now time.Time) []policy.Release {
	r.mu.RLock()
	defer r.mu.RUnlock()
	rel, ok := r.by[releaseKey{digest, scope}]
	if !ok || !rel.Until.IsZero() && !now.Before(rel.Until) {
		return nil
	}
	return []policy.Release{rel}
}
