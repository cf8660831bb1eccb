package tufclient

import (
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// offerSnapshot judges version want of snapshot (section 5.5); 0 means whichever version data is.
func (c *Client) offerSnapshot(at time.Time, data []byte, want int64) (Role, error) {
	snap, err := c.limits.readSnapshot(data)
	if err != nil {
		return Role{}, err
	}
	out := role(snap.document)
	err = c.advance(func(s *state) (*state, error) {
		e, newest, err := s.expectSnapshot(snap.document, want, at)
		if err != nil {
			return nil, err
		}
		if snap.keys, err = s.judge(snap.document, &e, data); err != nil {
			return nil, err
		}
		out.Keys = snap.keys
		newest = newest && !current(s.timestamp, s.snapshot)
		if newest {
			if err := s.noRollback(snap); err != nil {
				return nil, err
			}
		}
		if err := snap.expired(at); err != nil {
			return nil, err
		}
		if !newest {
			return nil, nil
		}
		if err := c.save(snapshotFile, data); err != nil {
			return nil, err
		}
		next := *s
		next.fresh = false
		next.snapshot = snap
		snap.trusted()
		next.settle(at, &c.limits)
		out.Advanced = true
		return &next, nil
	})
	return out, err
}

// judge verifies snapshot or targets against their listing and the root, in the order of sections 5.5 and 5.6.
func (s *state) judge(d *document, e *listed, data []byte) ([]string, error) {
	if err := d.matches(e, data); err != nil {
		return nil, err
	}
	keys, err := s.root.vouch(d)
	if err != nil {
		return nil, err
	}
	if err := d.listedAs(e, data); err != nil {
		return nil, err
	}
	return keys, nil
}

// noRollback is section 5.5.5.
func (s *state) noRollback(snap *snapshot) error {
	if s.snapshot == nil {
		return nil
	}
	old := &s.snapshot.meta
	for _, offset := range old.at {
		name := string(old.nameAt(offset))
		was := old.record(offset)
		is, ok := snap.meta.get(name)
		switch {
		case !ok:
			return failf(Rollback, snap.role, "%s no longer lists %s, which was listed with version %d", snap.what(), shorten(name), was.version)
		case is.version < was.version:
			return failf(Rollback, snap.role, "%s lists version %d of %s, and version %d was listed before", snap.what(), is.version, shorten(name), was.version)
		}
	}
	return nil
}

// offerTargets judges version want of the top-level targets (section 5.6); 0 means whichever version data is.
func (c *Client) offerTargets(at time.Time, data []byte, want int64) (Role, error) {
	t, err := c.limits.readTargets(data, metadata.TARGETS)
	if err != nil {
		return Role{}, err
	}
	out := role(t.document)
	err = c.advance(func(s *state) (*state, error) {
		e, newest, err := s.expectTargets(t.document, want, at)
		if err != nil {
			return nil, err
		}
		if t.keys, err = s.judge(t.document, &e, data); err != nil {
			return nil, err
		}
		out.Keys = t.keys
		if err := t.expired(at); err != nil {
			return nil, err
		}
		if !newest || currentTargets(s.snapshot, s.targets) {
			return nil, nil
		}
		if err := c.save(targetsFile, data); err != nil {
			return nil, err
		}
		next := *s
		next.fresh = false
		next.targets = t
		t.trusted()
		next.settle(at, &c.limits)
		out.Advanced = true
		return &next, nil
	})
	return out, err
}
