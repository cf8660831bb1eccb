package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of what is fetched to examine one artifact.
const (
	sidecarsEach  = 64               // fetches
	sidecarTime   = time.Minute      // for one of them
	sidecarFresh  = 15 * time.Second // an answer younger than this is used without asking again
	sidecarMemory = 32 << 20         // bytes kept in memory for that
)

// sidecars fetches what is published beside one artifact, from the artifact's own origin only.
type sidecars struct {
	transit transit // as it was when they were asked for
	base    *url.URL
	count   atomic.Int32
}

// sidecarsOf returns the sidecars of an artifact for x: none, if the policy asks for no check that needs any.
func (g *Gate) sidecarsOf(x *transit, a *verify.Artifact) verify.Sidecars {
	if !x.plan.Sidecars {
		return verify.NoSidecars{}
	}
	return &sidecars{transit: *x, base: a.URL}
}

// Fetch implements verify.Sidecars.
func (s *sidecars) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	base := s.base
	u, err := base.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("reading the address of a sidecar: %w", err)
	}
	if !strings.EqualFold(u.Scheme, base.Scheme) || !strings.EqualFold(u.Host, base.Host) || u.User != nil {
		return nil, fmt.Errorf("sidecar %s is not on the update's own origin", redactedURL(u))
	}
	if s.count.Add(1) > sidecarsEach {
		return nil, fmt.Errorf("more than %d sidecars for one update", sidecarsEach)
	}
	if b, ok := s.fromVault(u, limit); ok {
		return b, nil
	}
	g := s.transit.gate
	return g.sidecars.get(ctx, g, u, s.transit.req.Header.Get("User-Agent"), limit)
}

// fromVault returns what a client has just fetched from u.
func (s *sidecars) fromVault(u *url.URL, limit int64) ([]byte, bool) {
	x := s.transit
	vault, now := x.gate.Vault, x.gate.Now()
	x.req = x.req.Clone(context.Background())
	x.req.URL = u
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

// sidecarCache keeps the last sidecars for some seconds: the packages of one update share them.
type sidecarCache struct {
	once  singleflight.Group
	mu    sync.Mutex
	by    map[string]sidecar
	bytes int
}

type sidecar struct {
	body     []byte
	err      error // verify.ErrNotExist
	etag     string
	modified string
	fetched  time.Time
}

func newSidecarCache() *sidecarCache { return &sidecarCache{by: map[string]sidecar{}} }

// get returns the sidecar at u. All who want the same at the same time wait for one fetch, which no single one of
// them can cancel.
func (c *sidecarCache) get(ctx context.Context, g *Gate, u *url.URL, agent string, limit int64) ([]byte, error) {
	key := canonicalURL(u) + "\n" + agent
	c.mu.Lock()
	kept, ok := c.by[key]
	c.mu.Unlock()
	if ok && g.Now().Sub(kept.fetched) < sidecarFresh {
		return kept.within(limit)
	}
	result := c.once.DoChan(fmt.Sprintf("%s\n%d", key, limit), func() (any, error) {
		ctx, cancel := context.WithTimeout(g.closing, sidecarTime)
		defer cancel()
		got, err := g.fetchSidecar(ctx, u, agent, limit, kept)
		if err == nil {
			c.keep(key, got)
		}
		return got, err
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(sidecar).within(limit)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s sidecar) within(limit int64) ([]byte, error) {
	if s.err == nil && int64(len(s.body)) > limit {
		return nil, verify.ErrTooLarge
	}
	return s.body, s.err
}

func (c *sidecarCache) keep(key string, s sidecar) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += len(s.body) - len(c.by[key].body)
	c.by[key] = s
	for k, old := range c.by {
		if c.bytes <= sidecarMemory && len(c.by) <= 1024 {
			break
		}
		if k != key || c.bytes > sidecarMemory && len(c.by) == 1 {
			delete(c.by, k)
			c.bytes -= len(old.body)
		}
	}
}

// fetchSidecar asks the origin, whether it still is what is kept if anything is.
func (g *Gate) fetchSidecar(ctx context.Context, u *url.URL, agent string, limit int64, kept sidecar) (sidecar, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return sidecar{}, fmt.Errorf("asking for a sidecar: %w", err)
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Cache-Control", "max-age=0")
	if kept.etag != "" {
		req.Header.Set("If-None-Match", kept.etag)
	}
	if kept.modified != "" {
		req.Header.Set("If-Modified-Since", kept.modified)
	}
	resp, err := g.Upstream.RoundTrip(req)
	if err != nil {
		return sidecar{}, fmt.Errorf("fetching sidecar %s: %w", redactedURL(u), err)
	}
	defer resp.Body.Close()
	got := sidecar{etag: resp.Header.Get("Etag"), modified: resp.Header.Get("Last-Modified"), fetched: g.Now()}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if kept.etag == "" && kept.modified == "" {
			return sidecar{}, fmt.Errorf("fetching sidecar %s: the origin answered 304, although it was not asked whether anything has changed", redactedURL(u))
		}
		kept.fetched = got.fetched
		return kept, nil
	case http.StatusNotFound, http.StatusGone, http.StatusForbidden:
		got.err, got.etag, got.modified = verify.ErrNotExist, "", ""
		return got, nil
	default:
		return sidecar{}, fmt.Errorf("fetching sidecar %s: the origin answered %d", redactedURL(u), resp.StatusCode)
	}
	if err := decode(resp, artifactName(resp.Header, u)); err != nil {
		return sidecar{}, err
	}
	if resp.ContentLength < 0 && !EndKnown(resp) {
		return sidecar{}, errors.New("fetching a sidecar: the origin sends neither a length nor an end mark")
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return sidecar{}, fmt.Errorf("fetching sidecar %s: %w", redactedURL(u), err)
	}
	if int64(len(got.body)) > limit {
		return sidecar{}, verify.ErrTooLarge
	}
	return got, nil
}
