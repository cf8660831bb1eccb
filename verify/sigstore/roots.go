package sigstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"

	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// What is kept of each repository from which trusted roots come, under an anchor of its own ("sigstore:" and a digest of pinned
// root and URL, so that anchors that name the same repository share it):
//
//	sigstore/trusted-root       the last trusted root
//	sigstore/tuf NAME           the state of the TUF client
const (
	rootKey    = "sigstore/trusted-root"
	targetName = "trusted_root.json"
)

// roots are the trusted roots that were fetched.
type roots struct {
	mu      sync.Mutex
	sources map[string]*source
}

// source is one repository that publishes a trusted root.
type source struct {
	id       string
	anchor   string // the first that names it, for messages
	root     []byte // TUF root metadata that is trusted from the beginning
	metadata []string
	targets  string

	// Of Refresh alone.
	client   *tufclient.Client
	every    time.Duration
	due      time.Time // when there is something to do
	failures int       // since it last worked

	mu      sync.Mutex
	loaded  bool
	trusted []byte // the newest trusted root; nil: none was fetched
}

const refreshEvery = 24 * time.Hour

// every returns how old what is known of an anchor's repository may become before it is asked again.
func every(a *verify.SigstoreAnchor) time.Duration {
	if a.RootSource != nil && a.RootSource.Refresh > 0 {
		return a.RootSource.Refresh
	}
	return refreshEvery
}

// sourceOf returns the repository of the trusted root of an anchor; false if it has none.
func sourceOf(a *verify.SigstoreAnchor) (*source, bool) {
	s := &source{anchor: a.Anchor}
	switch {
	case a.RootSource != nil && len(a.RootSource.Repositories) > 0:
		r := a.RootSource.Repositories[0]
		s.root, s.metadata, s.targets = r.Root, r.Metadata, a.RootSource.Targets
	case a.RootSource == nil && a.TrustedRoot == nil && len(a.Keys) == 0:
		s.root, s.metadata, s.targets = tuf.DefaultRoot(), []string{verify.PublicGoodTUF}, verify.PublicGoodTUF+"targets/"
	default:
		return nil, false
	}
	h := sha256.New()
	for _, part := range append([]string{string(s.root), s.targets}, s.metadata...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	s.id = "sigstore:" + hex.EncodeToString(h.Sum(nil)[:8])
	return s, true
}

// source returns the one source that stands for a's repository.
func (r *roots) source(a *verify.SigstoreAnchor) (*source, bool) {
	s, ok := sourceOf(a)
	if !ok {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.sources[s.id]; have != nil {
		return have, true
	}
	if r.sources == nil {
		r.sources = map[string]*source{}
	}
	r.sources[s.id] = s
	return s, true
}

// of returns the trusted root for an anchor, and where it was fetched ("" where it was given). It is nil for keys alone, and
// where one is to be fetched and none was yet.
func (r *roots) of(a *verify.SigstoreAnchor, memory verify.Memory) (trusted []byte, from string, err error) {
	s, ok := r.source(a)
	if !ok {
		return a.TrustedRoot, "", nil
	}
	trusted, err = s.current(memory)
	switch {
	case err != nil:
		return nil, "", err
	case trusted != nil:
		return trusted, s.targets + targetName, nil
	case a.RootSource != nil:
		return a.TrustedRoot, "", nil
	}
	return core.PublicGood(), "", nil
}

// current returns the newest trusted root that was fetched, in this process or before; nil if none was.
func (s *source) current(memory verify.Memory) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded || memory == nil {
		return s.trusted, nil
	}
	data, err := memory.Load(s.id, rootKey)
	if err != nil {
		return nil, fmt.Errorf("recalling a trusted root: %w", err)
	}
	if s.loaded = true; len(data) > 0 {
		s.trusted = data
	}
	return s.trusted, nil
}

// replace puts a trusted root in force, after it was remembered. It reports whether it is another one.
func (s *source) replace(memory verify.Memory, trusted []byte) (bool, error) {
	old, err := s.current(memory)
	if err != nil || bytes.Equal(old, trusted) {
		return false, err
	}
	if err := memory.Advance(s.id, rootKey, old, trusted); err != nil {
		return false, fmt.Errorf("remembering a trusted root: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = trusted
	return true, nil
}

// all returns the sources of all anchors, each once. It is for Refresh.
func (r *roots) all(anchors []verify.SigstoreAnchor) []*source {
	var out []*source
	for i := range anchors {
		s, ok := r.source(&anchors[i])
		if !ok {
			continue
		}
		if !slices.Contains(out, s) {
			s.every = every(&anchors[i])
			out = append(out, s)
		}
		s.every = min(s.every, every(&anchors[i]))
	}
	return out
}
