package tufclient

import (
	"context"
	"crypto/sha256"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Offer judges the metadata file called name below the metadata URL, which somebody is downloading, as of the time at. Good
// metadata advances the state as Refresh would. Names that are no metadata's are of unknown role.
func (c *Client) Offer(ctx context.Context, at time.Time, name string, data []byte) (Role, error) {
	if err := ctx.Err(); err != nil {
		return Role{}, err
	}
	s, err := c.now()
	if err != nil {
		return Role{}, err
	}
	if err := c.clock(s, at); err != nil {
		return Role{}, err
	}
	kind, version, ok := splitName(name, s.root.consistent)
	if !ok {
		return Role{}, failf(UnknownRole, "", "%s is not the name of a metadata file of this repository", shorten(name))
	}
	if r, ok := s.known(kind, version, data, at); ok {
		return r, nil
	}
	switch kind {
	case metadata.ROOT:
		return c.offerRoot(at, data, version)
	case metadata.TIMESTAMP:
		return c.offerTimestamp(at, data, false)
	case metadata.SNAPSHOT:
		return c.offerSnapshot(at, data, version)
	case metadata.TARGETS:
		return c.offerTargets(at, data, version)
	}
	return c.offerDelegated(s, at, data, kind, version)
}

// known recognizes a file that is in use byte for byte, as most are that clients download: large ones need not be read again.
func (s *state) known(name string, want int64, data []byte, at time.Time) (Role, bool) {
	var d *document
	var keys []string
	switch name {
	case metadata.ROOT, metadata.TIMESTAMP: // small, and with rules of their own
		return Role{}, false
	case metadata.SNAPSHOT:
		if current(s.timestamp, s.snapshot) {
			d, keys = s.snapshot.document, s.snapshot.keys
		}
	case metadata.TARGETS:
		if current(s.timestamp, s.snapshot) && currentTargets(s.snapshot, s.targets) {
			d, keys = s.targets.document, s.targets.keys
		}
	default:
		if s.complete == nil || s.behind() || s.complete.expired(at) != nil {
			break
		}
		if t := s.complete.roles.reached(s.complete.targets, name); t != nil {
			d, keys = t.document, t.keys
		}
	}
	if d == nil || want != 0 && want != d.version || d.sums.length != int64(len(data)) || s.reachable(at) != nil || d.expired(at) != nil {
		return Role{}, false
	}
	out := role(d)
	out.Keys = keys
	return out, sha256.Sum256(data) == d.sums.sha256
}

// splitName returns the role and the version that the name of a file stands for; the version is 0 where the name has none.
// Root always has one, the timestamp never, the others with consistent snapshots (section 6.2).
func splitName(name string, consistent bool) (role string, version int64, ok bool) {
	name, ok = strings.CutSuffix(name, ".json")
	if !ok {
		return "", 0, false
	}
	role, err := url.PathUnescape(name)
	if err != nil || role == "" {
		return "", 0, false
	}
	if role == metadata.TIMESTAMP || role == metadata.ROOT {
		return role, 0, true
	}
	number, rest, dotted := strings.Cut(role, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	numbered := dotted && err == nil && n > 0 && strconv.FormatInt(n, 10) == number
	switch {
	case numbered && rest == metadata.ROOT, numbered && consistent && rest != "":
		return rest, n, true
	case consistent:
		return "", 0, false
	}
	return role, 0, true
}

// offerDelegated judges version want of a delegated role, by the delegations to it that are loaded.
func (c *Client) offerDelegated(s *state, at time.Time, data []byte, name string, want int64) (Role, error) {
	t, err := c.limits.readTargets(data, name)
	if err != nil {
		return Role{}, err
	}
	if s.complete == nil {
		return Role{}, failf(UnknownRole, name, "%s cannot be judged: no complete set of metadata is there yet", t.what())
	}
	if err := s.complete.expired(at); err != nil {
		return Role{}, err
	}
	e, newest, err := s.expectDelegated(t.document, want, at)
	if err != nil {
		return Role{}, err
	}
	by, err := s.complete.grantedBy(t, &e, data)
	if err != nil {
		return Role{}, err
	}
	if err := t.expired(at); err != nil {
		return Role{}, err
	}
	out := role(t.document)
	out.Keys = t.keys
	if !newest || s.complete.roles.get(by.key()) != nil {
		return out, nil
	}
	t.trusted()
	kept, err := c.store.Load(storeName(name))
	if err != nil {
		return Role{}, err
	}
	out.Advanced = true
	return out, c.keepDelegated(s.complete, by, t, kept, data)
}

// grantedBy verifies a delegated role and returns the first delegation to it that it satisfies.
func (s *set) grantedBy(t *targets, e *listed, data []byte) (by *delegation, err error) {
	if err := t.matches(e, data); err != nil {
		return nil, err
	}
	err = failf(UnknownRole, t.role, "%s cannot be judged: no role that is loaded delegates to it", t.what())
	s.roles.delegators(s.targets, t.role, func(d *delegation) bool {
		keys, bad := d.verify(t.document, t.role)
		if bad != nil {
			err = bad
			return bad.Code == Threshold
		}
		by, t.keys, err = d, keys, nil
		return false
	})
	if err != nil {
		return nil, err
	}
	if bad := t.listedAs(e, data); bad != nil {
		return nil, bad
	}
	return by, nil
}
