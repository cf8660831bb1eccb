package tufclient

import (
	"fmt"
	"maps"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// offerRoot judges version want of root (sections 5.3.4 to 5.3.8); 0 means whichever version data is.
func (c *Client) offerRoot(at time.Time, data []byte, want int64) (Role, error) {
	r, err := c.limits.readRoot(data)
	if err != nil {
		return Role{}, err
	}
	out := role(r.document)
	err = c.advance(func(s *state) (*state, error) {
		if want != 0 && r.version != want {
			return nil, failf(MixAndMatch, metadata.ROOT, "%s was served as version %d", r.what(), want)
		}
		if r.version <= s.root.version {
			out.Keys, err = s.passed(r)
			return nil, err
		}
		if r.version > s.root.version+1 {
			return nil, failf(UnknownVersion, metadata.ROOT, "%s cannot be judged: version %d is trusted, and what lies between has not been seen", r.what(), s.root.version)
		}
		if out.Keys, err = s.root.vouch(r.document); err != nil {
			return nil, err
		}
		if _, err := r.vouch(r.document); err != nil {
			return nil, err
		}
		next, err := c.rotate(s, r, data, at)
		out.Advanced = err == nil
		return next, err
	})
	return out, err
}

func role(d *document) Role { return Role{Name: d.role, Version: d.version, Expires: d.expires} }

// passed judges a root of a version that is trusted or older: it has to mean what the one that was proved then meant.
func (s *state) passed(r *root) ([]string, error) {
	meaning, ok := s.history[r.version]
	switch {
	case !ok:
		return nil, failf(UnknownVersion, metadata.ROOT, "%s cannot be judged: it is older than the roots that were seen", r.what())
	case meaning != r.meaning:
		return nil, failf(MixAndMatch, metadata.ROOT, "%s says something else than the one that was trusted", r.what())
	}
	return r.vouch(r.document)
}

// rotate trusts a root, and forgets what it no longer vouches for.
func (c *Client) rotate(s *state, r *root, data []byte, at time.Time) (*state, error) {
	next := *s
	next.fresh = false
	next.root, next.history, next.complete = r, maps.Clone(s.history), nil
	next.history[r.version] = r.meaning
	if err := c.begin(s); err != nil {
		return nil, err
	}
	if err := c.save(rootFile, data); err != nil {
		return nil, err
	}
	if err := c.recover(&next, s.root); err != nil {
		return nil, err
	}
	if err := c.save(recordFile, c.record(&next)); err != nil {
		return nil, err
	}
	r.trusted()
	switch same := sameGrants(s.root, r); {
	case s.complete == nil || !same && s.behind():
		// Whatever the last complete set was, it cannot be verified again.
	case same && s.behind():
		older := *s.complete
		older.root = r
		next.complete = &older
	default:
		next.complete = s.complete
		next.settle(at, &c.limits)
		if next.complete.root != r {
			next.complete = nil
		}
	}
	return &next, nil
}

// sameGrants reports whether two roots say the same of timestamp, snapshot and targets.
func sameGrants(a, b *root) bool {
	for _, role := range []string{metadata.TIMESTAMP, metadata.SNAPSHOT, metadata.TARGETS} {
		if a.grants[role].digest() != b.grants[role].digest() {
			return false
		}
	}
	return true
}

// recover forgets timestamp and snapshot if the new root does not vouch for both of them (section 5.3.11), and targets likewise.
func (c *Client) recover(next *state, old *root) error {
	timestamp, err := c.stillVouched(next.root, old, metadata.TIMESTAMP, timestampFile, next.timestamp != nil)
	if err != nil {
		return err
	}
	snap, err := c.stillVouched(next.root, old, metadata.SNAPSHOT, snapshotFile, next.snapshot != nil)
	if err != nil {
		return err
	}
	if !timestamp || !snap {
		next.recovered++
		next.timestamp, next.snapshot = nil, nil
		for _, name := range []string{timestampFile, snapshotFile} {
			if err := c.save(name, nil); err != nil {
				return err
			}
		}
	}
	targets, err := c.stillVouched(next.root, old, metadata.TARGETS, targetsFile, next.targets != nil)
	if err == nil && !targets {
		next.targets = nil
	}
	return err
}

// stillVouched reports whether what the Store has of a role, if anything is trusted of it, is signed as the new root asks.
func (c *Client) stillVouched(r, old *root, role, name string, have bool) (bool, error) {
	if !have || old.grants[role].digest() == r.grants[role].digest() {
		return true, nil
	}
	data, err := c.store.Load(name)
	if err != nil {
		return false, fmt.Errorf("loading trusted TUF metadata: %s: %w", name, err)
	}
	size := map[string]int64{metadata.TIMESTAMP: c.limits.Timestamp, metadata.SNAPSHOT: c.limits.Snapshot, metadata.TARGETS: c.limits.Targets}[role]
	d, err := readDocument(data, role, role, size, &c.limits)
	if err != nil {
		return false, nil
	}
	_, err = r.vouch(d)
	return err == nil, nil
}
