package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sallyport-project/sallyport/verify"
)

// sidecarCache keeps the last sidecars for some seconds: the packages of one update share them.
type sidecarCache struct {
	once  singleflight.Group
	mu    sync.Mutex
	by    map[string]sidecar
	bytes int
}

// sidecar is what was at a URL: the bytes, or that there was nothing.
type sidecar struct {
	EvidenceAnswer
	err     error // verify.ErrNotExist
	fetched time.Time
}

func newSidecarCache() *sidecarCache { return &sidecarCache{by: map[string]sidecar{}} }

// get returns the sidecar at u, as it was some seconds ago at most.
func (c *sidecarCache) get(ctx context.Context, g *Gate, e Evidence, u *url.URL, limit int64) ([]byte, error) {
	key := canonicalURL(u) + "\n" + e.UserAgent
	c.mu.Lock()
	kept, ok := c.by[key]
	c.mu.Unlock()
	if age := g.Now().Sub(kept.fetched); ok && age >= 0 && age < sidecarFresh {
		return kept.within(limit)
	}
	return c.wait(ctx, g, fmt.Sprintf("%s\n%d", key, limit), limit, func(ctx context.Context) (sidecar, error) {
		got, err := fetchSidecar(ctx, g, e, u, limit, kept)
		if err == nil {
			c.keep(key, got)
		}
		return got, err
	})
}

// anew returns what is at u now.
func (c *sidecarCache) anew(ctx context.Context, g *Gate, e Evidence, u *url.URL, limit int64) ([]byte, error) {
	key := fmt.Sprintf("anew\n%s\n%s\n%d", canonicalURL(u), e.UserAgent, limit)
	return c.wait(ctx, g, key, limit, func(ctx context.Context) (sidecar, error) {
		return fetchSidecar(ctx, g, e, u, limit, sidecar{})
	})
}

// wait has fetch run. All who want the same at the same time wait for one fetch, which no single one of them can cancel.
func (c *sidecarCache) wait(ctx context.Context, g *Gate, key string, limit int64, fetch func(context.Context) (sidecar, error)) ([]byte, error) {
	result := c.once.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(g.closing, sidecarTime)
		defer cancel()
		return fetch(ctx)
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
	if s.err == nil && int64(len(s.Body)) > limit {
		return nil, verify.ErrTooLarge
	}
	return s.Body, s.err
}

func (c *sidecarCache) keep(key string, s sidecar) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += len(s.Body) - len(c.by[key].Body)
	c.by[key] = s
	for k, old := range c.by {
		if c.bytes <= sidecarMemory && len(c.by) <= 1024 {
			break
		}
		if k != key || c.bytes > sidecarMemory && len(c.by) == 1 {
			delete(c.by, k)
			c.bytes -= len(old.Body)
		}
	}
}

// fetchSidecar asks for what is at u, whether it still is what is kept if anything is.
func fetchSidecar(ctx context.Context, g *Gate, e Evidence, u *url.URL, limit int64, kept sidecar) (sidecar, error) {
	now := g.Now()
	answer, err := e.Get(ctx, u, limit, kept.EvidenceAnswer)
	switch {
	case errors.Is(err, verify.ErrNotExist):
		return sidecar{err: verify.ErrNotExist, fetched: now}, nil
	case err != nil:
		return sidecar{}, err
	case answer.Unchanged:
		kept.fetched = now
		return kept, nil
	}
	return sidecar{EvidenceAnswer: answer, fetched: now}, nil
}
