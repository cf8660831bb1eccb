// Package tuf verifies updates, and the metadata that clients fetch for themselves, against repositories of The Update
// Framework (https://theupdateframework.github.io/specification/v1.0.33/). An anchor pins a repository's root; from there
// on the client workflow of section 5 of the specification tells which paths the repository lists with which bytes. That
// workflow is verify/internal/tufclient.
//
// The vocabulary, besides the specification's:
//
//	repository  one TUF repository under one anchor, with what is known of it
//	refresh     one walk through root, timestamp, snapshot and targets, made once for all who wait for it
//	vote        what one repository says of one update; an anchor with a map (TAP 4) asks for several that agree
//	offer       metadata that a client is downloading
package tuf

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/flight"
	"github.com/sallyport-project/sallyport/verify/internal/lru"
)

const method = "tuf"

// Bounds of what a Verifier keeps. What a repository itself takes is bounded by tufclient.Limits.
const (
	repositoriesKept = 256
	sumsKept         = 4096
	classifyAtOnce   = 2
)

// Verifier implements verify.Verifier, verify.Classifier and verify.Refresher for TUF. It may be used concurrently and is
// meant to live as long as the process: it keeps the state of each repository. Memory is read when a repository is first
// seen, and written whenever something newer is proved.
type Verifier struct {
	mu           sync.Mutex // of making what is in repositories; never held while anything is fetched or verified
	repositories *lru.Cache[identity, *repository]
	sums         *lru.Cache[verify.Digest, [64]byte] // SHA-512 by SHA-256
	flights      flight.Group                        // refreshes and fetches under way
	classifying  chan struct{}                       // holds a token for each file that is read to see whether it is metadata

	now      func() time.Time // by which requests are spaced out; not by the time of judgement, which may be any
	patience time.Duration    // how long an update waits for a refresh where there is something to go by
	oneFile  time.Duration    // how long a file is waited for
}

// New returns a Verifier that knows no repository yet.
func New() *Verifier {
	return &Verifier{
		repositories: lru.New[identity, *repository](repositoriesKept),
		sums:         lru.New[verify.Digest, [64]byte](sumsKept),
		classifying:  make(chan struct{}, classifyAtOnce),
		now:          time.Now,
		patience:     10 * time.Second,
		oneFile:      30 * time.Second,
	}
}

// Method returns "tuf".
func (*Verifier) Method() string { return method }

// Match reports whether a has a web address. Whether that is below an anchor's, Verify tells.
func (*Verifier) Match(a *verify.Artifact) bool {
	return !a.Inner && a.URL != nil && a.URL.Host != "" && (a.URL.Scheme == "https" || a.URL.Scheme == "http")
}

// Verify implements verify.Verifier. There is one finding for each anchor below whose URLs the artifact lies, and remarks.
func (v *Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	s := &session{v: v, ctx: ctx, env: withDefaults(env), artifact: a}
	var out []verify.Finding
	for i := range env.Trust.TUF {
		found, err := s.under(&env.Trust.TUF[i])
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// session is one call of Verify.
type session struct {
	v        *Verifier
	ctx      context.Context
	env      verify.Env
	artifact *verify.Artifact
}

func withDefaults(env verify.Env) verify.Env {
	if env.Memory == nil {
		env.Memory = forgetful{}
	}
	if env.Sidecars == nil {
		env.Sidecars = verify.NoSidecars{}
	}
	return env
}

// under returns what one anchor has to say: nothing, where the artifact lies elsewhere.
func (s *session) under(anchor *verify.TUFAnchor) ([]verify.Finding, error) {
	path, listed := targetPath(anchor.Targets, s.artifact.URL)
	repo, name := metadataName(anchor, s.artifact.URL)
	if repo != nil && listed && !s.v.isTUF(s.artifact) { // targets and metadata share a directory
		repo = nil
	}
	switch {
	case repo != nil:
		return s.offered(anchor, repo, name)
	case listed:
		found, err := s.target(anchor, path)
		if err != nil {
			return nil, err
		}
		return s.alsoAsked(anchor, path, found)
	}
	return s.alsoAsked(anchor, "", nil)
}
