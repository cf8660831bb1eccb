package tufclient

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// tries is how often an advance begins anew because another process has advanced the Store meanwhile.
const tries = 8

// errOtherPin is found by whoever is still at work when the operator has pinned another root. What is kept is that one's then, and
// is replaced only by those who begin anew.
var errOtherPin = errors.New("keeping trusted TUF metadata: it is kept under another pinned root by now")

// advance replaces the state by what step makes of it. step saves what it proves before it returns, and may be called again
// with what another process has saved. When it returns nil nothing has changed.
func (c *Client) advance(step func(*state) (*state, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range tries {
		s := c.state.Load()
		next, err := step(s)
		if errors.Is(err, errMoved) {
			again, err := c.reload()
			if err != nil {
				return err
			}
			if again.fresh && !s.fresh {
				return errOtherPin
			}
			continue
		}
		if next != nil && err == nil {
			c.state.Store(next)
		}
		return err
	}
	return fmt.Errorf("keeping trusted TUF metadata: another process advanced it %d times meanwhile", tries)
}

// begin records under which pin everything else was gathered, before anything else is kept. What was gathered under another
// is gone by then, so that at no moment it could pass for this pin's, nor this pin's for the other's.
func (c *Client) begin(s *state) error {
	if !s.fresh {
		return c.save(recordFile, c.record(s))
	}
	for _, name := range []string{timestampFile, snapshotFile, targetsFile, rootFile} {
		if name == rootFile && c.kept[rootFile] == sha256.Sum256(c.pin) {
			continue
		}
		if err := c.save(name, nil); err != nil {
			return err
		}
	}
	if err := c.save(recordFile, c.record(s)); err != nil {
		return err
	}
	return c.save(rootFile, c.pin)
}

// refreshed records that a refresh succeeded at the time at.
func (c *Client) refreshed(at time.Time) error {
	return c.advance(func(s *state) (*state, error) {
		if since := at.Sub(s.refreshed); since >= 0 && since < time.Minute {
			return nil, nil
		}
		next := *s
		next.fresh = false
		next.refreshed = at
		next.clock = s.clock.tick(at)
		if err := c.begin(s); err != nil {
			return nil, err
		}
		if err := c.save(recordFile, c.record(&next)); err != nil {
			return nil, err
		}
		return &next, nil
	})
}
