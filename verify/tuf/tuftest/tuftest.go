// Package tuftest makes TUF repositories (https://theupdateframework.github.io/specification/v1.0.33/) for tests, drills
// and benchmarks, changes them as an attacker would, and serves them. It writes and signs metadata by itself, so that
// what reads it is not tested against its own library.
//
// The vocabulary:
//
//	Repository  the roles with their keys, and what they say; the only place where signing keys are
//	Files       what is published at one moment, by URL path: metadata/... and targets/...
//	Attack      what somebody between repository and client, or in it, does to the files
//	Server      serves Files by HTTP and as verify.Sidecars; a test replaces them while clients ask
//
// No clock is asked: times are passed in. With the scheme Ed25519, one seed gives the same bytes each time.
package tuftest

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Options say what a Repository is like.
type Options struct {
	At         time.Time // when it is made; the roles expire some time after
	Seed       string    // what the keys are made from
	Scheme     Scheme    // of the keys; "" means Ed25519
	Plain      bool      // no consistent snapshots: files bear neither versions nor digests in their names
	Keys       int       // of each top-level role; 0 means 1
	Threshold  int       // of each top-level role; 0 means 1
	MetaHashes bool      // timestamp and snapshot give lengths and hashes besides versions
	SHA512     bool      // targets are listed with SHA-512 besides SHA-256
	OnlySHA512 bool      // targets are listed with SHA-512 only
}

// How long after Options.At the roles expire.
const (
	RootLife      = 365 * 24 * time.Hour
	TargetsLife   = 90 * 24 * time.Hour
	SnapshotLife  = 7 * 24 * time.Hour
	TimestampLife = 24 * time.Hour
)

// Repository is a TUF repository with its keys. It is used by one goroutine.
type Repository struct {
	Options
	Root, Timestamp, Snapshot, Targets *Role
	Delegated                          map[string]*Role // by name, those of hash bins included

	files  Files
	former []byte // timestamp before the last one
	made   int    // keys, so that each is another one
}

// Role is one role: what it says in its next version, and who signs that.
type Role struct {
	Name      string
	Version   int64 // of what was published last; 0 before
	Expires   time.Time
	Keys      []*Key
	Threshold int
	Signers   []*Key // who signs; nil means Keys

	Files       map[string]Target // targets by path
	Delegations []*Delegation
	Bins        *Bins

	changed bool
}

// Target is what a role lists of one file.
type Target struct {
	Length         int64
	SHA256, SHA512 []byte // nil: not listed
}

// Delegation is that a role trusts another one for some paths (specification section 4.5).
type Delegation struct {
	Role             string
	Keys             []*Key
	Threshold        int
	Paths            []string // patterns
	PathHashPrefixes []string // hexadecimal; instead of Paths
	Terminating      bool
}

// Bins is a delegation to hash bins (specification section 4.5, succinct_roles; TAP 15).
type Bins struct {
	Prefix    string
	BitLength int // 1 to 32
	Keys      []*Key
	Threshold int
}

// New returns a repository without targets, which is not published yet.
func New(o Options) (*Repository, error) {
	if o.Scheme == "" {
		o.Scheme = Ed25519
	}
	o.Keys, o.Threshold = max(o.Keys, 1), max(o.Threshold, 1)
	r := &Repository{Options: o, Delegated: map[string]*Role{}, files: Files{}}
	for _, top := range []struct {
		role **Role
		name string
		life time.Duration
	}{
		{&r.Root, "root", RootLife}, {&r.Timestamp, "timestamp", TimestampLife},
		{&r.Snapshot, "snapshot", SnapshotLife}, {&r.Targets, "targets", TargetsLife},
	} {
		keys, err := r.newKeys(top.name, o.Keys)
		if err != nil {
			return nil, err
		}
		*top.role = &Role{Name: top.name, Expires: o.At.Add(top.life), Keys: keys, Threshold: o.Threshold, Files: map[string]Target{}}
	}
	return r, nil
}

func (r *Repository) newKeys(role string, n int) ([]*Key, error) {
	var keys []*Key
	for range n {
		r.made++
		k, err := NewKey(r.Scheme, fmt.Sprintf("%s/%s/%d", r.Seed, role, r.made))
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// Role returns the role of that name, top-level or delegated; nil if there is none.
func (r *Repository) Role(name string) *Role {
	for _, top := range []*Role{r.Root, r.Timestamp, r.Snapshot, r.Targets} {
		if top.Name == name {
			return top
		}
	}
	return r.Delegated[name]
}

// Change says that the role's next version differs, after its fields were set.
func (role *Role) Change() { role.changed = true }

// Add has a role list content under path, and publishes the file with the next version.
func (r *Repository) Add(role *Role, path string, content []byte) {
	sum, long := sha256.Sum256(content), sha512.Sum512(content)
	t := Target{Length: int64(len(content)), SHA256: sum[:]}
	if r.SHA512 || r.OnlySHA512 {
		t.SHA512 = long[:]
	}
	if r.OnlySHA512 {
		t.SHA256 = nil
	}
	role.List(path, t)
	for _, name := range r.TargetNames(path, t) {
		r.files[name] = content
	}
}

// List has the role list a file that is not published here.
func (role *Role) List(path string, t Target) {
	if role.Files == nil {
		role.Files = map[string]Target{}
	}
	role.Files[path], role.changed = t, true
}

// Remove has the role list path no longer. The file stays where it is.
func (role *Role) Remove(path string) {
	delete(role.Files, path)
	role.changed = true
}

// Delegate has a role trust a new one, with a key of its own, for paths that match any of the patterns, and returns both.
func (r *Repository) Delegate(from *Role, name string, patterns ...string) (*Role, *Delegation, error) {
	keys, err := r.newKeys(name, 1)
	if err != nil {
		return nil, nil, err
	}
	to := &Role{Name: name, Expires: r.At.Add(TargetsLife), Keys: keys, Threshold: 1, Files: map[string]Target{}, changed: true}
	d := &Delegation{Role: name, Keys: keys, Threshold: 1, Paths: patterns}
	r.Delegated[name] = to
	from.Delegations = append(from.Delegations, d)
	from.changed = true
	return to, d, nil
}

// Undelegate has a role no longer trust the one of that name.
func (role *Role) Undelegate(name string) {
	before := len(role.Delegations)
	role.Delegations = slices.DeleteFunc(role.Delegations, func(d *Delegation) bool { return d.Role == name })
	role.changed = role.changed || len(role.Delegations) < before
}

// Rotate gives a role a new key instead of those it had, and has the roles that name its keys name the new one. A root's
// next version is signed with the old keys as well (specification section 6.1).
func (r *Repository) Rotate(role *Role) error {
	keys, err := r.newKeys(role.Name, len(role.Keys))
	if err != nil {
		return err
	}
	if role == r.Root {
		role.Signers = append(slices.Clone(role.Keys), keys...)
	}
	role.Keys, role.changed = keys, true
	switch role {
	case r.Root, r.Timestamp, r.Snapshot, r.Targets:
		r.Root.changed = true
		return nil
	}
	for _, from := range append(slices.Collect(maps.Values(r.Delegated)), r.Targets) {
		for _, d := range from.Delegations {
			if d.Role == role.Name {
				d.Keys, from.changed = keys, true
			}
		}
	}
	return nil
}

// Renew moves the end of every role, as if the repository were made at a time, and has all of them published again.
func (r *Repository) Renew(at time.Time) {
	later := at.Sub(r.At)
	r.At = at
	for _, role := range r.all() {
		role.Expires, role.changed = role.Expires.Add(later), true
	}
}

func (r *Repository) all() []*Role {
	return append(slices.Collect(maps.Values(r.Delegated)), r.Root, r.Timestamp, r.Snapshot, r.Targets)
}

// TargetNames returns the names, among Files, under which a target's file is published.
func (r *Repository) TargetNames(path string, t Target) []string {
	names := []string{"targets/" + path}
	if r.Plain {
		return names
	}
	dir, base := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i+1], path[i+1:]
	}
	for _, sum := range [][]byte{t.SHA256, t.SHA512} {
		if sum != nil {
			names = append(names, fmt.Sprintf("targets/%s%x.%s", dir, sum, base))
		}
	}
	return names
}
