package tufclient

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// delegated returns the role of a delegation as the set's snapshot lists it, verified under that delegation: what is loaded, what
// the Store has, or what get fetches.
func (c *Client) delegated(ctx context.Context, s *set, by *delegation, get func(context.Context, string, *listed) ([]byte, error)) (*targets, error) {
	if t := s.roles.get(by.key()); t != nil {
		return t, nil
	}
	e, ok := s.snapshot.meta.get(by.name + ".json")
	if !ok {
		return nil, failf(MixAndMatch, by.name, "the role %s is delegated to, but %s does not list it", shorten(by.name), s.snapshot.what())
	}
	return c.flights.do(ctx, flightKey{s.roles, by.key()}, func() (*targets, error) {
		if t := s.roles.get(by.key()); t != nil {
			return t, nil
		}
		kept, err := c.store.Load(storeName(by.name))
		if err != nil {
			return nil, fmt.Errorf("loading trusted TUF metadata: %s: %w", storeName(by.name), err)
		}
		if len(kept) > 0 {
			t, err := c.readDelegated(by, &e, kept)
			if err == nil {
				s.roles.put(by.key(), t)
				return t, nil
			}
			if s.roles.has(by.name, kept) { // it is what the repository serves, and good under another delegation only
				return nil, err
			}
		}
		data, err := get(ctx, by.name, &e)
		if err != nil {
			return nil, err
		}
		t, err := c.readDelegated(by, &e, data)
		if err != nil {
			return nil, err
		}
		return t, c.keepDelegated(s, by, t, kept, data)
	})
}

// readDelegated verifies the file of a role against its listing and the delegation (section 5.6).
func (c *Client) readDelegated(by *delegation, e *listed, data []byte) (*targets, error) {
	t, err := c.limits.readTargets(data, by.name)
	if err != nil {
		return nil, err
	}
	if err := t.matches(e, data); err != nil {
		return nil, err
	}
	keys, bad := by.verify(t.document, by.name)
	if bad != nil {
		return nil, bad
	}
	if err := t.listedAs(e, data); err != nil {
		return nil, err
	}
	t.keys = keys
	t.trusted()
	return t, nil
}

// keepDelegated keeps a verified role. Another process that keeps it meanwhile is no conflict: what is kept of delegated roles is verified again
// whenever it is read, and which version they must have is the snapshot's to remember.
func (c *Client) keepDelegated(s *set, by *delegation, t *targets, old, data []byte) error {
	err := c.store.Advance(storeName(by.name), old, data)
	if err != nil && !errors.Is(err, verify.ErrConflict) {
		return fmt.Errorf("keeping trusted TUF metadata: %s: %w", storeName(by.name), err)
	}
	s.roles.put(by.key(), t)
	return nil
}

// storeName is the name of a delegated role's file in the Store.
func storeName(role string) string { return url.PathEscape(role) + ".json" }

// flights are loads of delegated roles under way: of those who want the same, one loads it and the others wait.
type flights struct {
	mu    sync.Mutex
	under map[flightKey]*flight
}

type flightKey struct {
	in *loaded
	loadedKey
}

type flight struct {
	done chan struct{}
	role *targets
	err  error
}

// do returns what load returns, called by one of those who ask for the same meanwhile. When that one's context ended, another takes its place.
func (f *flights) do(ctx context.Context, k flightKey, load func() (*targets, error)) (*targets, error) {
	for {
		f.mu.Lock()
		fl, ok := f.under[k]
		if !ok {
			fl = &flight{done: make(chan struct{}), err: errors.New("loading a delegated role crashed")}
			if f.under == nil {
				f.under = map[flightKey]*flight{}
			}
			f.under[k] = fl
		}
		f.mu.Unlock()
		if !ok {
			f.lead(k, fl, load)
			return fl.role, fl.err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-fl.done:
		}
		if !errors.Is(fl.err, context.Canceled) && !errors.Is(fl.err, context.DeadlineExceeded) {
			return fl.role, fl.err
		}
	}
}

func (f *flights) lead(k flightKey, fl *flight, load func() (*targets, error)) {
	defer func() {
		f.mu.Lock()
		delete(f.under, k)
		f.mu.Unlock()
		close(fl.done)
	}()
	fl.role, fl.err = load()
}
