package tuf

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// identity is what two uses of a repository have to share to share what is known of it.
type identity struct {
	anchor, name string
	pin          verify.Digest // of the root that is trusted from the beginning
	lasting      bool          // there is a memory
}

// repository is one TUF repository under one anchor.
type repository struct {
	anchor, name string
	client       *tufclient.Client
	roles        roleFailures

	mu     sync.Mutex // of what follows; held for a moment only
	health health
	told   told
}

// health is what came of the refreshes of a repository so far.
type health struct {
	good     time.Time        // the time of judgement of the last that succeeded; zero if none did
	problem  *tufclient.Error // what was wrong when it answered last; nil if nothing was
	silent   time.Time        // the time of judgement of the first that had no answer since there was one; zero if it answers
	reason   string           // why there was none
	asked    time.Time        // when the last one ended, by Verifier.now
	failures int              // in a row
}

// How requests to one repository are spaced out.
const (
	defaultRefresh = 10 * time.Minute // where the anchor names none
	pause          = 2 * time.Second  // between two refreshes that were answered
	longestPause   = 30 * time.Second // to which the pause grows while there is no answer
	refreshTime    = 45 * time.Second // for one refresh, whoever waits for it
)

func every(anchor *verify.TUFAnchor) time.Duration {
	if anchor.Refresh <= 0 {
		return defaultRefresh
	}
	return anchor.Refresh
}

// repository returns what is known of a repository, the same to all who ask.
func (v *Verifier) repository(anchor string, repo *verify.TUFRepository, memory verify.Memory) *repository {
	_, forgets := memory.(forgetful)
	id := identity{anchor, repo.Name, sha256.Sum256(repo.Root), !forgets}
	v.mu.Lock()
	defer v.mu.Unlock()
	if r, ok := v.repositories.Get(id); ok {
		return r
	}
	r := &repository{anchor: anchor, name: repo.Name,
		client: tufclient.New(repo.Root, &store{memory, anchor, repo.Name}, tufclient.Limits{})}
	v.repositories.Put(id, r, 1)
	return r
}

// String names the repository for people.
func (r *repository) String() string {
	if r.name == "" {
		return r.anchor
	}
	return r.anchor + "/" + r.name
}

func (r *repository) current() health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health
}

// due reports whether what is known is too old to go by at the time of judgement, or is of another time altogether since
// the clock was set.
func (h *health) due(at time.Time, every time.Duration) bool {
	age := at.Sub(h.good)
	return h.good.IsZero() || h.problem != nil || age >= every || age <= -every
}

// mayAsk reports whether the last refresh is long enough ago for another one.
func (h *health) mayAsk(now time.Time, every time.Duration) bool {
	wait := pause
	if !h.silent.IsZero() {
		wait = min(pause<<min(h.failures, 8), longestPause)
	}
	return h.asked.IsZero() || now.Sub(h.asked) >= min(wait, every)
}

// answered notes a refresh that succeeded, or that showed what is wrong.
func (r *repository) answered(at, now time.Time, problem *tufclient.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := health{good: at, asked: now, problem: problem}
	if problem != nil {
		h.good, h.failures = r.health.good, r.health.failures+1
	}
	r.health = h
}

// givenUp is unanswered for somebody who does not wait for a refresh any longer, which goes on. It notes nothing where a refresh has
// ended, or somebody else has given up, since the one that ended at the time last.
func (r *repository) givenUp(last, at, now time.Time, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.health.asked.Equal(last) {
		r.health.unanswered(at, now, reason)
	}
}

// unanswered notes a refresh that came to no end. What it would have found out stays as it was.
func (r *repository) unanswered(at, now time.Time, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health.unanswered(at, now, reason)
}

func (h *health) unanswered(at, now time.Time, reason string) {
	if h.silent.IsZero() {
		h.silent = at
	}
	h.reason, h.asked = reason, now
	h.failures++
}
