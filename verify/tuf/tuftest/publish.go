package tuftest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
)

// Files is what is published at one moment, by URL path below the repository: "metadata/timestamp.json",
// "targets/app/1.0.exe". Names are unescaped, but that a role's name is escaped within its file's name. Whoever has
// Files does not change them, nor the bytes.
type Files map[string][]byte

// Clone returns a copy that may be changed. The bytes are shared.
func (f Files) Clone() Files { return maps.Clone(f) }

// Publish signs what has changed since the last time, snapshot and timestamp on top of it, and returns all that is
// published now: as a mirror would have it, with the former versions.
func (r *Repository) Publish() (Files, error) {
	if r.Root.changed || r.Root.Version == 0 {
		if err := r.issue(r.Root, func() []byte { return r.rootMetadata() }); err != nil {
			return nil, err
		}
	}
	news := r.Snapshot.changed || r.Snapshot.Version == 0
	for _, role := range append(slices.Collect(maps.Values(r.Delegated)), r.Targets) {
		if role.changed || role.Version == 0 {
			news = true
			if err := r.issue(role, func() []byte { return targetsMetadata(role) }); err != nil {
				return nil, err
			}
		}
	}
	if news {
		if err := r.issue(r.Snapshot, func() []byte { return listMetadata(r.Snapshot, r.listed()) }); err != nil {
			return nil, err
		}
	}
	r.former = r.files[timestamp]
	of := map[string]meta{"snapshot.json": r.metaOf(r.Snapshot)}
	if err := r.issue(r.Timestamp, func() []byte { return listMetadata(r.Timestamp, of) }); err != nil {
		return nil, err
	}
	return r.files.Clone(), nil
}

// listed returns what the snapshot lists.
func (r *Repository) listed() map[string]meta {
	out := make(map[string]meta, 1+len(r.Delegated))
	out["targets.json"] = r.metaOf(r.Targets)
	for name, role := range r.Delegated {
		out[name+".json"] = r.metaOf(role)
	}
	return out
}

func (r *Repository) metaOf(role *Role) meta {
	m := meta{version: role.Version}
	if r.MetaHashes {
		body := r.files[r.FileName(role)]
		sum := sha256.Sum256(body)
		m.length, m.sha256 = int64(len(body)), sum[:]
	}
	return m
}

// FileName returns the name, among Files, of the version of a role that was published last.
func (r *Repository) FileName(role *Role) string {
	base := url.PathEscape(role.Name) + ".json"
	if role == r.Root || !r.Plain && role != r.Timestamp {
		base = strconv.FormatInt(role.Version, 10) + "." + base
	}
	return "metadata/" + base
}

// issue makes and signs the next version of a role.
func (r *Repository) issue(role *Role, signed func() []byte) error {
	role.Version++
	role.changed = false
	signers := role.Signers
	if signers == nil {
		signers = role.Keys
	}
	body, err := Envelope(signed(), signers...)
	if err != nil {
		return fmt.Errorf("signing %s: %w", role.Name, err)
	}
	r.files[r.FileName(role)] = body
	if role == r.Root {
		r.files["metadata/root.json"] = body
		role.Signers = nil // the old keys have signed the one that replaces them
	}
	return nil
}

// Envelope returns a metadata file: the signed part, in canonical form, with signatures by keys.
func Envelope(signed []byte, keys ...*Key) ([]byte, error) {
	b := []byte(`{"signatures":[`)
	for i, k := range keys {
		sig, err := k.Sign(signed)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"keyid":`...), k.ID)
		b = append(b, `,"sig":"`...)
		b = append(hex.AppendEncode(b, sig), `"}`...)
	}
	b = append(append(b, `],"signed":`...), readable(signed)...)
	return append(b, '}'), nil
}

// TrustedRoot returns a version of the root as it was published, for a client to begin with; nil if there is none.
func (r *Repository) TrustedRoot(version int64) []byte {
	return r.files["metadata/"+strconv.FormatInt(version, 10)+".root.json"]
}

// clone returns a repository that can be changed and published without an effect on r. It shares the keys.
func (r *Repository) clone() *Repository {
	c := *r
	copied := func(role *Role) *Role {
		n := *role
		n.Files, n.Delegations = maps.Clone(role.Files), make([]*Delegation, 0, len(role.Delegations))
		for _, d := range role.Delegations {
			own := *d
			n.Delegations = append(n.Delegations, &own)
		}
		if role.Delegations == nil {
			n.Delegations = nil
		}
		return &n
	}
	c.Root, c.Timestamp, c.Snapshot, c.Targets = copied(r.Root), copied(r.Timestamp), copied(r.Snapshot), copied(r.Targets)
	c.Delegated = map[string]*Role{}
	for name, role := range r.Delegated {
		c.Delegated[name] = copied(role)
	}
	c.files = r.files.Clone()
	return &c
}

// outdo has the next version of every role but the root, whose versions have no gaps, be newer than c's.
func (r *Repository) outdo(c *Repository) {
	for _, role := range r.all() {
		if other := c.Role(role.Name); role != r.Root && other != nil && other.Version > role.Version && other.Version < forward {
			role.Version, role.changed = other.Version, true
		}
	}
}
