package tufclient

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
)

// loaded holds the delegated roles that were loaded under one snapshot. A role is known by its name and the grant under which it
// was verified: what satisfied one delegator says nothing under another.
type loaded struct {
	limit int64
	count atomic.Int64
	roles sync.Map // of loadedKey to *targets
	files sync.Map // of names to SHA-256 of the file
}

type loadedKey struct {
	name  string
	grant [32]byte
}

func newLoaded(limit int) *loaded { return &loaded{limit: int64(limit)} }

func (l *loaded) get(k loadedKey) *targets {
	v, _ := l.roles.Load(k)
	t, _ := v.(*targets)
	return t
}

// put keeps a role. When there is no more room everything else is forgotten, to be loaded again when it is needed.
func (l *loaded) put(k loadedKey, t *targets) {
	if l.count.Add(1) > l.limit {
		l.roles.Clear()
		l.files.Clear()
		l.count.Store(1)
	}
	l.roles.Store(k, t)
	l.files.Store(k.name, t.sums.sha256)
}

// has reports whether data is the file of a role that is loaded, under whatever grant.
func (l *loaded) has(name string, data []byte) bool {
	sum, ok := l.files.Load(name)
	return ok && sum == sha256.Sum256(data)
}

// under returns those of the roles that another snapshot lists as they are.
func (l *loaded) under(s *snapshot) *loaded {
	out := newLoaded(int(l.limit))
	l.roles.Range(func(k, v any) bool {
		if e, ok := s.meta.get(k.(loadedKey).name + ".json"); ok && v.(*targets).listedAs(&e, nil) == nil {
			out.put(k.(loadedKey), v.(*targets))
		}
		return true
	})
	return out
}

// delegators calls visit for the delegations to the role of a name, by all roles that are loaded and can be reached from t, until visit
// returns false.
func (l *loaded) delegators(t *targets, name string, visit func(*delegation) bool) {
	seen := map[*targets]bool{t: true}
	for queue := []*targets{t}; len(queue) > 0; queue = queue[1:] {
		ds := queue[0].delegations
		for _, d := range ds.named(name) {
			if !visit(d) {
				return
			}
		}
		l.children(ds, func(child *targets) {
			if !seen[child] {
				seen[child] = true
				queue = append(queue, child)
			}
		})
	}
}

// reached returns the role of a name if it is loaded under a delegation that can be reached from t.
func (l *loaded) reached(t *targets, name string) (found *targets) {
	if _, ok := l.files.Load(name); !ok {
		return nil
	}
	l.delegators(t, name, func(d *delegation) bool {
		found = l.get(d.key())
		return found == nil
	})
	return found
}

// children calls visit for each loaded role that is delegated to and delegates further.
func (l *loaded) children(ds *delegations, visit func(*targets)) {
	if ds == nil {
		return
	}
	for i := range ds.roles {
		if t := l.get(ds.roles[i].key()); t != nil && t.delegations != nil {
			visit(t)
		}
	}
	if ds.succinct == nil {
		return
	}
	l.roles.Range(func(k, v any) bool {
		if k := k.(loadedKey); v.(*targets).delegations != nil && k.grant == ds.succinct.sum && ds.succinct.has(k.name) {
			visit(v.(*targets))
		}
		return true
	})
}

// key returns under what the role is kept when it is loaded by this delegation.
func (d *delegation) key() loadedKey { return loadedKey{name: d.name, grant: d.sum} }
