package tufclient

import (
	"errors"
	"fmt"
	"time"
)

// tries is how often an advance begins anew because another process has advanced the Store meanwhile.
const tries = 8

// advance replaces the state by what step makes of it. step saves what it proves before it returns, and may be called again
// with what another process has saved. When it returns nil nothing has changed.
func (c *Client) advance(step func(*state) (*state, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range tries {
		s := c.state.Load()
		next, err := step(s)
		if errors.Is(err, errMoved) {
			if _, err := c.reload(); err != nil {
				return err
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
// is gone by then, so that at no moment it could pass for this pin's.
func (c *Client) begin(s *state) error {
	if s.fresh {
		for _, name := range []string{timestampFile, snapshotFile, targetsFile} {
			if err := c.save(name, nil); err != nil {
				return err
			}
		}
		if err := c.save(rootFile, c.pin); err != nil {
			return err
		}
	}
	return c.save(recordFile, c.record(s))
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
