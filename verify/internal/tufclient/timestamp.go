package tufclient

import (
	"time"
)

// offerTimestamp judges a timestamp (section 5.4). With discard one of the trusted version is passed over whatever it says, as the
// specification has it; without, for somebody else who may not have seen that version yet, it has to say the same.
func (c *Client) offerTimestamp(at time.Time, data []byte, discard bool) (Role, error) {
	t, err := c.limits.readTimestamp(data)
	if err != nil {
		return Role{}, err
	}
	out := role(t.document)
	err = c.advance(func(s *state) (*state, error) {
		if err := s.root.expired(at); err != nil {
			return nil, err
		}
		if t.keys, err = s.root.vouch(t.document); err != nil {
			return nil, err
		}
		out.Keys = t.keys
		if s.timestamp != nil && t.version == s.timestamp.version {
			return nil, s.sameTimestamp(t, at, discard)
		}
		if err := s.newerTimestamp(t, at); err != nil {
			return nil, err
		}
		if err := c.begin(s); err != nil {
			return nil, err
		}
		if err := c.save(timestampFile, data); err != nil {
			return nil, err
		}
		next := *s
		next.fresh = false
		next.timestamp = t
		t.trusted()
		next.settle(at, &c.limits)
		out.Advanced = true
		return &next, nil
	})
	return out, err
}

// newerTimestamp is sections 5.4.3 and 5.4.4.
func (s *state) newerTimestamp(t *snapshot, at time.Time) error {
	if old := s.timestamp; old != nil {
		if t.version < old.version {
			return failf(Rollback, t.role, "%s is older than version %d, which was seen", t.what(), old.version)
		}
		if t.next.version < old.next.version {
			return failf(Rollback, t.role, "%s names version %d of snapshot, and version %d was named before", t.what(), t.next.version, old.next.version)
		}
	}
	if err := t.expired(at); err != nil {
		return err
	}
	return nil
}

// sameTimestamp judges a timestamp of the trusted version.
func (s *state) sameTimestamp(t *snapshot, at time.Time, discard bool) error {
	if discard {
		return nil
	}
	if t.next.version != s.timestamp.next.version || string(t.next.sha256) != string(s.timestamp.next.sha256) || string(t.next.sha512) != string(s.timestamp.next.sha512) {
		return failf(MixAndMatch, t.role, "%s says something else of snapshot than the one that was trusted", t.what())
	}
	if err := t.expired(at); err != nil {
		return err
	}
	return nil
}
