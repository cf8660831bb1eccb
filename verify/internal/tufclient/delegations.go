package tufclient

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// delegations says which other roles a role trusts, and for what.
type delegations struct {
	roles    []delegation
	succinct *succinct
}

// delegation is one role that is delegated to.
type delegation struct {
	grant
	name        string
	terminating bool
	paths       []string // patterns
	prefixes    []string // of the hexadecimal SHA-256 of paths
}

// succinct is a set of hash bins (TAP 15).
type succinct struct {
	grant
	bits   int64
	prefix string
}

func readDelegations(b []byte, role string, l *Limits) (*delegations, error) {
	var keys, roles, bins []byte
	c := cursor{b: b}
	err := c.object(func(name string) (err error) {
		value, err := c.skip()
		switch name {
		case "keys":
			keys = value
		case "roles":
			roles = value
		case "succinct_roles":
			bins = value
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if roles != nil && bins != nil {
		return nil, errors.New("it has both roles and succinct_roles")
	}
	out := &delegations{}
	by := map[string]key{}
	if keys != nil {
		if by, err = readKeys(keys, role, l); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
	}
	switch {
	case roles != nil:
		err = out.readRoles(roles, by, role, l)
	case bins != nil:
		err = out.readBins(bins, by)
	}
	return out, err
}

func (ds *delegations) readRoles(b []byte, keys map[string]key, role string, l *Limits) error {
	seen := map[string][32]byte{}
	c := cursor{b: b}
	return c.array(func() error {
		if len(ds.roles) >= l.Delegations {
			return failf(Oversize, role, "%s delegates to more than %d roles", role, l.Delegations)
		}
		d := delegation{grant: grant{keys: keys}}
		if err := d.read(&c); err != nil {
			return fmt.Errorf("role %d: %w", len(ds.roles)+1, err)
		}
		d.identify(seen)
		ds.roles = append(ds.roles, d)
		return nil
	})
}

func (d *delegation) read(c *cursor) error {
	err := c.object(func(name string) error {
		switch name {
		case "name":
			return c.string(&d.name)
		case "terminating":
			return c.bool(&d.terminating)
		case "paths":
			return c.strings(&d.paths)
		case "path_hash_prefixes":
			return c.strings(&d.prefixes)
		}
		_, err := d.field(c, name)
		return err
	})
	switch {
	case err != nil:
		return err
	case d.paths != nil && d.prefixes != nil:
		return errors.New("it has both paths and path_hash_prefixes")
	}
	if err := checkName(d.name); err != nil {
		return err
	}
	return d.check()
}

// maxName bounds the name of a role, in bytes.
const maxName = 1024

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("it has no name")
	case topLevel(name):
		return fmt.Errorf("it has the name of the top-level role %s", name)
	case len(name) > maxName:
		return fmt.Errorf("its name has %d bytes, more than %d", len(name), maxName)
	}
	return nil
}

func (ds *delegations) readBins(b []byte, keys map[string]key) error {
	s := &succinct{grant: grant{keys: keys}}
	c := cursor{b: b}
	err := c.object(func(name string) error {
		switch name {
		case "bit_length":
			return c.int64(&s.bits)
		case "name_prefix":
			return c.string(&s.prefix)
		}
		_, err := s.field(&c, name)
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("succinct_roles: %w", err)
	case s.bits < 1 || s.bits > 32:
		return fmt.Errorf("succinct_roles: bit_length is %d, not 1 to 32", s.bits)
	case len(s.prefix) > maxName:
		return fmt.Errorf("succinct_roles: name_prefix has %d bytes, more than %d", len(s.prefix), maxName)
	}
	s.identify(map[string][32]byte{})
	ds.succinct = s
	return s.check()
}

// bin returns the name of the bin for a path.
func (s *succinct) bin(path string) string {
	roles := metadata.SuccinctRoles{BitLength: int(s.bits), NamePrefix: s.prefix}
	return roles.GetRolesForTarget(path)[0].Name
}

// has reports whether one of the bins has that name.
func (s *succinct) has(name string) bool {
	suffix, ok := strings.CutPrefix(name, s.prefix+"-")
	n, err := strconv.ParseUint(suffix, 16, 32)
	width := int(s.bits+3) / 4
	return ok && err == nil && n < 1<<s.bits && suffix == fmt.Sprintf("%0*x", width, n)
}

// delegation returns the delegation to one of the bins; all of them are terminating.
func (s *succinct) delegation(name string) *delegation {
	return &delegation{grant: s.grant, name: name, terminating: true}
}

// forPath returns the delegations that cover a path, in order, up to the first that is terminating. work is what the matching
// may cost; ok is false where it would cost more.
func (ds *delegations) forPath(path string, work *int) (out []*delegation, ok bool) {
	if ds == nil {
		return nil, true
	}
	if ds.succinct != nil {
		return []*delegation{ds.succinct.delegation(ds.succinct.bin(path))}, true
	}
	sum := sha256.Sum256([]byte(path))
	hash := hex.EncodeToString(sum[:])
	for i := range ds.roles {
		d := &ds.roles[i]
		if !d.covers(path, hash, work) {
			if *work < 0 {
				return nil, false
			}
			continue
		}
		if out = append(out, d); d.terminating {
			break
		}
	}
	return out, true
}

func (d *delegation) covers(path, hash string, work *int) bool {
	for _, p := range d.prefixes {
		if *work--; strings.HasPrefix(hash, p) {
			return true
		}
	}
	for _, p := range d.paths {
		if matchPath(p, path, work) {
			return true
		}
	}
	return false
}

// named returns the delegations to the role of a name.
func (ds *delegations) named(name string) (out []*delegation) {
	if ds == nil {
		return nil
	}
	if ds.succinct != nil && ds.succinct.has(name) {
		return []*delegation{ds.succinct.delegation(name)}
	}
	for i := range ds.roles {
		if ds.roles[i].name == name {
			out = append(out, &ds.roles[i])
		}
	}
	return out
}
