package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of what is fetched to examine one artifact.
const (
	sidecarsEach  = 64               // fetches from the artifact's own origin
	sourcesEach   = 512              // fetches from where anchors say: metadata of a whole repository at most
	sidecarTime   = time.Minute      // for one of them
	sidecarFresh  = 15 * time.Second // an answer younger than this is used without asking again
	sidecarMemory = 32 << 20         // bytes kept in memory for that
)

// sidecars fetches what is published beside one artifact, on the artifact's own origin, and what is below the sources
// that the anchors name.
type sidecars struct {
	transit   transit  // as it was when they were asked for
	base      *url.URL // of the artifact
	other     *url.URL // the other end of the redirect that led to the artifact; nil if there was none
	sources   Sources
	count     atomic.Int32
	elsewhere atomic.Int32
}

// sidecarsOf returns the sidecars of an artifact for x: none, if the policy asks for no check that needs any.
func (g *Gate) sidecarsOf(x *transit, a *verify.Artifact, trust verify.Trust) verify.Sidecars {
	if !x.plan.Sidecars {
		return verify.NoSidecars{}
	}
	return &sidecars{transit: *x, base: a.URL, other: x.place.other, sources: NewSources(trust.Sources())}
}

// Fetch implements verify.Sidecars. An absolute URL below a source is asked for anew each time: whoever names it knows
// best how old an answer may be.
func (s *sidecars) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	r, err := url.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("reading the address of a sidecar: %w", err)
	}
	u := s.base.ResolveReference(r)
	if r.IsAbs() && s.sources.Hold(u) {
		return s.fromSource(ctx, u, limit)
	}
	if !webAddress(u) || originOf(u) != originOf(s.base) {
		return nil, fmt.Errorf("sidecar %s is neither on the update's own origin nor where an anchor of the channel says", redactedURL(u))
	}
	body, err := s.fromOrigin(ctx, u, limit)
	if beside, ok := besideOther(u, s.base, s.other); ok && errors.Is(err, verify.ErrNotExist) {
		return s.fromOrigin(ctx, beside, limit)
	}
	return body, err
}

// fromOrigin fetches what is on the artifact's own origin.
func (s *sidecars) fromOrigin(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	if s.count.Add(1) > sidecarsEach {
		return nil, fmt.Errorf("more than %d sidecars for one update", sidecarsEach)
	}
	if b, ok := s.fromVault(u, limit); ok {
		return b, nil
	}
	x := &s.transit
	return x.gate.sidecars.get(ctx, x.gate, s.evidence(u, x.req.Header.Get("User-Agent")), u, limit)
}

// fromSource fetches what an anchor names. Nothing in the request tells who asks.
func (s *sidecars) fromSource(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	if s.elsewhere.Add(1) > sourcesEach {
		return nil, fmt.Errorf("more than %d fetches from where anchors say for one update", sourcesEach)
	}
	g := s.transit.gate
	return g.sidecars.anew(ctx, g, s.evidence(u, AgentName), u, limit)
}

func (s *sidecars) evidence(u *url.URL, agent string) Evidence {
	x := &s.transit
	return Evidence{Upstream: x.gate.Upstream, UserAgent: agent, Follow: FollowUnder(x.policy, u, s.sources)}
}

// besideOther returns where the sidecar that is at u, in the folder of base, would be in the folder of other: called as
// the file at other where it is called as that at base.
func besideOther(u, base, other *url.URL) (*url.URL, bool) {
	if other == nil {
		return nil, false
	}
	dir, name := path.Split(u.EscapedPath())
	baseDir, baseName := path.Split(base.EscapedPath())
	otherDir, otherName := path.Split(other.EscapedPath())
	if dir != baseDir || name == "" || baseName == "" || otherName == "" {
		return nil, false
	}
	if suffix, ok := strings.CutPrefix(name, baseName); ok {
		name = otherName + suffix
	}
	out, err := other.Parse(originOf(other) + otherDir + name)
	return out, err == nil && webAddress(out) && canonicalURL(out) != canonicalURL(u)
}

// fromVault returns what a client has just fetched from u.
func (s *sidecars) fromVault(u *url.URL, limit int64) ([]byte, bool) {
	x := s.transit
	vault, now := x.gate.Vault, x.gate.Now()
	x.req = x.req.Clone(context.Background())
	x.req.URL, x.place = u, place{}
	key, shared := x.flightKey()
	if !shared {
		return nil, false
	}
	obj, ok := vault.Recall(key)
	if !ok || now.Sub(obj.Stored) > sidecarFresh && !now.Before(obj.FreshUntil) {
		return nil, false
	}
	item, ok := vault.Get(obj.SHA256)
	if !ok {
		return nil, false
	}
	defer item.Close()
	if item.Size > limit {
		return nil, false
	}
	b := make([]byte, item.Size)
	if _, err := io.ReadFull(io.NewSectionReader(item.Content(), 0, item.Size), b); err != nil {
		return nil, false
	}
	return b, true
}
