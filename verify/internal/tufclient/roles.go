package tufclient

import (
	"errors"
	"fmt"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// root is root metadata.
type root struct {
	*document
	consistent bool
	grants     map[string]*grant // of the four top-level roles, at least
}

func (l *Limits) readRoot(data []byte) (*root, error) {
	d, err := readDocument(data, metadata.ROOT, metadata.ROOT, l.Root, l)
	if err != nil {
		return nil, err
	}
	r := &root{document: d, grants: map[string]*grant{}}
	if err := r.read(l); err != nil {
		return nil, asError(err, metadata.ROOT, "root is no metadata: %v", err)
	}
	return r, nil
}

func (r *root) read(l *Limits) error {
	keys, err := readKeys(r.fields["keys"], metadata.ROOT, l)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if b := r.fields["consistent_snapshot"]; b != nil {
		if err := (&cursor{b: b}).bool(&r.consistent); err != nil {
			return fmt.Errorf("consistent_snapshot: %w", err)
		}
	}
	c := cursor{b: r.fields["roles"]}
	err = c.object(func(name string) error {
		if len(r.grants) >= l.Signatures {
			return failf(Oversize, metadata.ROOT, "root names more than %d roles", l.Signatures)
		}
		g := &grant{keys: keys}
		r.grants[name] = g
		if err := g.read(&c); err != nil {
			return err
		}
		return g.check()
	})
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		if r.grants[role] == nil {
			return fmt.Errorf("it names no keys of %s", role)
		}
	}
	return nil
}

// readKeys reads an object of keys by id. Ids are names: they are not compared with the key, as in neither reference client, since real
// repositories have others (GitHub's root of attestations, root 11 of Sigstore); that a key counts once is seen to by its fingerprint.
func readKeys(b []byte, role string, l *Limits) (map[string]key, error) {
	keys := map[string]key{}
	c := cursor{b: b}
	return keys, c.object(func(id string) error {
		if len(keys) >= l.Keys {
			return failf(Oversize, role, "%s has more than %d keys", role, l.Keys)
		}
		k, err := readKey(&c)
		keys[id] = k
		return err
	})
}

// snapshot is timestamp or snapshot metadata: versions of other metadata.
type snapshot struct {
	*document
	meta index
	keys []string // that vouched for it
	next listed   // of a timestamp: the snapshot
}

func (l *Limits) readTimestamp(data []byte) (*snapshot, error) {
	t, err := l.readMeta(data, metadata.TIMESTAMP, l.Timestamp)
	if err != nil {
		return nil, err
	}
	var ok bool
	if t.next, ok = t.meta.get("snapshot.json"); !ok {
		return nil, failf(Malformed, metadata.TIMESTAMP, "timestamp does not name the snapshot")
	}
	return t, nil
}

func (l *Limits) readSnapshot(data []byte) (*snapshot, error) {
	return l.readMeta(data, metadata.SNAPSHOT, l.Snapshot)
}

func (l *Limits) readMeta(data []byte, role string, size int64) (*snapshot, error) {
	d, err := readDocument(data, role, role, size, l)
	if err != nil {
		return nil, err
	}
	s := &snapshot{document: d}
	c := cursor{b: d.fields["meta"]}
	err = c.entries(func(name []byte) error {
		var e listed
		if err := e.read(&c, true); err != nil {
			return err
		}
		if e.version > maxVersion {
			return failf(FastForward, role, "%s lists the version %d of %s, after which there would be no other", role, e.version, shorten(string(name)))
		}
		s.meta.add(name, &e)
		return nil
	})
	if err != nil {
		return nil, asError(err, role, "%s is no metadata: meta: %v", role, err)
	}
	s.meta.seal()
	return s, nil
}

// targets is targets metadata, of the top-level role or of one delegated to.
type targets struct {
	*document
	files       index
	delegations *delegations // nil: none
	keys        []string     // that vouched for it
}

func (l *Limits) readTargets(data []byte, role string) (*targets, error) {
	d, err := readDocument(data, role, metadata.TARGETS, l.Targets, l)
	if err != nil {
		return nil, err
	}
	t := &targets{document: d}
	if err := t.read(l); err != nil {
		return nil, asError(err, role, "%s is no metadata: %v", role, err)
	}
	return t, nil
}

func (t *targets) read(l *Limits) error {
	b := t.fields["targets"]
	if b == nil {
		return errors.New("it has no targets")
	}
	c := cursor{b: b}
	err := c.entries(func(path []byte) error {
		var e listed
		if err := e.read(&c, false); err != nil {
			return err
		}
		t.files.add(path, &e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("targets: %w", err)
	}
	t.files.seal()
	if b := t.fields["delegations"]; b != nil {
		if t.delegations, err = readDelegations(b, t.role, l); err != nil {
			return fmt.Errorf("delegations: %w", err)
		}
	}
	return nil
}
