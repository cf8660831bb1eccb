package tufclient

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Client follows one repository. It is shared by all goroutines for the life of the process.
type Client struct {
	pin    []byte
	store  Store
	limits Limits

	state   atomic.Pointer[state]
	mu      sync.Mutex          // held while the state advances, never while something is fetched
	kept    map[string][32]byte // under mu: digests of what the Store had, of the files that must not go backwards
	flights flights
	first   State // under mu: what was trusted when the Client was first used
}

// New returns a Client that trusts root, root metadata, from the beginning. Nothing is read before it is first used; a root
// that is not signed by itself then is an *Error.
func New(root []byte, store Store, limits Limits) *Client {
	return &Client{pin: root, store: store, limits: limits.withDefaults()}
}

// State returns what is trusted.
func (c *Client) State() (State, error) {
	s, err := c.now()
	if err != nil {
		return State{}, err
	}
	return s.summary(), nil
}

// Remembered returns what was trusted when the Client was first used: what the Store had, or else the pinned root. Before that
// it is empty.
func (c *Client) Remembered() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

func (s *state) summary() State {
	out := State{Root: s.root.version, Usable: s.complete != nil, Behind: s.behind(), Refreshed: s.refreshed}
	if s.timestamp != nil {
		out.Timestamp = s.timestamp.version
	}
	if s.snapshot != nil {
		out.Snapshot = s.snapshot.version
	}
	if s.targets != nil {
		out.Targets = s.targets.version
	}
	if s.complete != nil {
		out.NotAfter = s.complete.notAfter()
	}
	return out
}

// now returns the state, which is read from the Store at first use.
func (c *Client) now() (*state, error) {
	if s := c.state.Load(); s != nil {
		return s, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.state.Load(); s != nil {
		return s, nil
	}
	s, err := c.reload()
	if err == nil {
		c.first = s.summary()
	}
	return s, err
}

// clock returns an error if the time at lies before one that it has certainly been.
func (c *Client) clock(s *state, at time.Time) error {
	if s.clock.past.Sub(at) <= c.limits.ClockSlack {
		return nil
	}
	return failf(Clock, "", "it is said to be %s, but metadata was fresh at %s: the clock was set back, and nothing can be said of expiry", stamp(at), stamp(s.clock.past))
}

// Refresh brings root, timestamp, snapshot and top-level targets up to date (sections 5.3 to 5.6) as of the time at. When the
// timestamp is unchanged nothing more is fetched or parsed. Callers see to it that one refresh runs for all who wait. What
// was proved before an error stays.
func (c *Client) Refresh(ctx context.Context, fetch Fetch, at time.Time) (Changed, error) {
	before, err := c.now()
	if err != nil {
		return Changed{}, err
	}
	if err = c.clock(before, at); err == nil {
		err = c.refresh(ctx, fetch, at)
	}
	if err == nil {
		err = c.refreshed(at)
	}
	return changed(before, c.state.Load()), err
}

// refresh walks until no other walk overtakes it: while it waits for a file, metadata in passing may advance the state, and what then
// no longer fits is nothing that the repository has done.
func (c *Client) refresh(ctx context.Context, fetch Fetch, at time.Time) error {
	for range tries {
		overtaken, err := c.walk(ctx, fetch, at)
		if problem := (*Error)(nil); !overtaken || !errors.As(err, &problem) || ctx.Err() != nil {
			return err
		}
	}
	return failf(Unavailable, "", "the repository was advanced %d times while it was being refreshed", tries)
}

// walk is one pass from the root to the targets. overtaken says that somebody else has advanced root or timestamp meanwhile.
func (c *Client) walk(ctx context.Context, fetch Fetch, at time.Time) (overtaken bool, err error) {
	if err := c.refreshRoot(ctx, fetch, at); err != nil {
		return false, err
	}
	s := c.state.Load()
	if err := s.root.expired(at); err != nil {
		return false, err
	}
	if err := c.refreshTimestamp(ctx, fetch, at); err != nil {
		return c.overtook(s), err
	}
	s = c.state.Load()
	if s.timestamp == nil {
		return true, failf(Unavailable, metadata.TIMESTAMP, "the timestamp was forgotten while it was being refreshed")
	}
	if err := s.timestamp.expired(at); err != nil {
		return c.overtook(s), err
	}
	if err := c.refreshSnapshot(ctx, fetch, at, s); err != nil {
		return c.overtook(s), err
	}
	if err := c.refreshTargets(ctx, fetch, at); err != nil {
		return c.overtook(s), err
	}
	return false, nil
}

// overtook reports whether the state has another root or timestamp than s.
func (c *Client) overtook(s *state) bool {
	now := c.state.Load()
	return now.root != s.root || now.timestamp != s.timestamp
}

// refreshTimestamp fetches the timestamp (section 5.4).
func (c *Client) refreshTimestamp(ctx context.Context, fetch Fetch, at time.Time) error {
	data, err := get(ctx, fetch, metadata.TIMESTAMP, "timestamp.json", c.limits.Timestamp)
	if err != nil {
		return err
	}
	_, err = c.offerTimestamp(at, data, true)
	return err
}

// refreshRoot follows the chain of roots (section 5.3).
func (c *Client) refreshRoot(ctx context.Context, fetch Fetch, at time.Time) error {
	for range c.limits.RootRotations {
		next := c.state.Load().root.version + 1
		data, err := get(ctx, fetch, metadata.ROOT, fileName(metadata.ROOT, next, true), c.limits.Root)
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := c.offerRoot(at, data, next); err != nil {
			return err
		}
	}
	return nil
}

// refreshSnapshot fetches the snapshot that the timestamp of s names, unless it is there (section 5.5).
func (c *Client) refreshSnapshot(ctx context.Context, fetch Fetch, at time.Time, s *state) error {
	if !current(s.timestamp, s.snapshot) {
		e := &s.timestamp.next
		data, err := c.getListed(ctx, fetch, metadata.SNAPSHOT, e, s.root.consistent, c.limits.Snapshot)
		if err != nil {
			return err
		}
		if _, err := c.offerSnapshot(at, data, e.version); err != nil {
			return err
		}
		if s = c.state.Load(); !current(s.timestamp, s.snapshot) {
			return failf(MixAndMatch, metadata.SNAPSHOT, "the timestamp changed while the snapshot was being fetched")
		}
	}
	if err := s.snapshot.expired(at); err != nil {
		return err
	}
	return nil
}

// refreshTargets fetches the top-level targets that the snapshot names, unless they are there (section 5.6).
func (c *Client) refreshTargets(ctx context.Context, fetch Fetch, at time.Time) error {
	s := c.state.Load()
	if s.snapshot == nil {
		return failf(Unavailable, metadata.SNAPSHOT, "the snapshot was forgotten while it was being refreshed")
	}
	if !currentTargets(s.snapshot, s.targets) {
		e, ok := s.snapshot.meta.get("targets.json")
		if !ok {
			return failf(MixAndMatch, metadata.TARGETS, "%s does not list targets", s.snapshot.what())
		}
		data, err := c.getListed(ctx, fetch, metadata.TARGETS, &e, s.root.consistent, c.limits.Targets)
		if err != nil {
			return err
		}
		if _, err := c.offerTargets(at, data, e.version); err != nil {
			return err
		}
		if s = c.state.Load(); !currentTargets(s.snapshot, s.targets) {
			return failf(MixAndMatch, metadata.TARGETS, "the snapshot changed while the targets were being fetched")
		}
	}
	if err := s.targets.expired(at); err != nil {
		return err
	}
	return nil
}

func changed(before, after *state) Changed {
	v := func(d *document) int64 { return d.version }
	out := Changed{Roots: int(after.root.version - before.root.version), RootVersion: v(after.root.document)}
	if after.timestamp != nil {
		out.TimestampVersion, out.Timestamp = after.timestamp.version, after.timestamp != before.timestamp
	}
	if after.snapshot != nil {
		out.SnapshotVersion, out.Snapshot = after.snapshot.version, after.snapshot != before.snapshot
	}
	if after.targets != nil {
		out.TargetsVersion, out.Targets = after.targets.version, after.targets != before.targets
	}
	out.Recovered = after.recovered != before.recovered
	return out
}
