package tuftest

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Metadata is written in the canonical form that its signatures are over (http://wiki.laptop.org/go/Canonical_JSON):
// names in order, no space, and of all characters only quotation mark and backslash escaped. So names and paths must not
// hold control characters, except that a line feed, which a PEM key has, is raw in what is signed and escaped in the
// file.

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// readable makes the canonical form a JSON text (RFC 8259): a raw line feed stands within strings only.
func readable(canonical []byte) []byte {
	out := make([]byte, 0, len(canonical)+64)
	for _, c := range canonical {
		if c == '\n' {
			out = append(out, '\\', 'n')
		} else {
			out = append(out, c)
		}
	}
	return out
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendMap appends a map, its names in order.
func appendMap[V any](b []byte, m map[string]V, value func([]byte, V) []byte) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = value(b, m[name])
	}
	return append(b, '}')
}

func appendHex(b []byte, name string, sum []byte) []byte {
	b = append(appendString(b, name), ':', '"')
	b = hex.AppendEncode(b, sum)
	return append(b, '"')
}

func appendHashes(b []byte, sum256, sum512 []byte) []byte {
	b = append(b, '{')
	if sum256 != nil {
		b = appendHex(b, "sha256", sum256)
	}
	if sum512 != nil {
		if sum256 != nil {
			b = append(b, ',')
		}
		b = appendHex(b, "sha512", sum512)
	}
	return append(b, '}')
}

func appendTarget(b []byte, t Target) []byte {
	b = append(b, `{"hashes":`...)
	b = appendHashes(b, t.SHA256, t.SHA512)
	b = append(b, `,"length":`...)
	return append(strconv.AppendInt(b, t.Length, 10), '}')
}

func ids(keys []*Key) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.ID)
	}
	return out
}

func appendKeys(b []byte, keys []*Key) []byte {
	by := map[string]*Key{}
	for _, k := range keys {
		by[k.ID] = k
	}
	return appendMap(b, by, func(b []byte, k *Key) []byte { return k.appendTo(b) })
}

func appendKeyIDs(b []byte, keys []*Key) []byte {
	b = append(b, `"keyids":`...)
	return appendStrings(b, ids(keys))
}

func appendThreshold(b []byte, n int) []byte {
	return strconv.AppendInt(append(b, `,"threshold":`...), int64(n), 10)
}

func appendDelegation(b []byte, d *Delegation) []byte {
	b = append(b, '{')
	b = appendKeyIDs(b, d.Keys)
	b = append(b, `,"name":`...)
	b = appendString(b, d.Role)
	if d.PathHashPrefixes != nil {
		b = append(b, `,"path_hash_prefixes":`...)
		b = appendStrings(b, d.PathHashPrefixes)
	} else {
		b = append(b, `,"paths":`...)
		b = appendStrings(b, d.Paths)
	}
	b = append(b, `,"terminating":`...)
	b = strconv.AppendBool(b, d.Terminating)
	return append(appendThreshold(b, d.Threshold), '}')
}

// appendDelegations appends the member "delegations", with a comma behind, where the role delegates.
func appendDelegations(b []byte, role *Role) []byte {
	switch {
	case role.Bins != nil:
		b = append(b, `"delegations":{"keys":`...)
		b = appendKeys(b, role.Bins.Keys)
		b = append(b, `,"succinct_roles":{"bit_length":`...)
		b = append(strconv.AppendInt(b, int64(role.Bins.BitLength), 10), ',')
		b = appendKeyIDs(b, role.Bins.Keys)
		b = append(b, `,"name_prefix":`...)
		b = appendString(b, role.Bins.Prefix)
		return append(appendThreshold(b, role.Bins.Threshold), "}},"...)
	case role.Delegations != nil:
		var keys []*Key
		for _, d := range role.Delegations {
			keys = append(keys, d.Keys...)
		}
		b = append(b, `"delegations":{"keys":`...)
		b = appendKeys(b, keys)
		b = append(b, `,"roles":[`...)
		for i, d := range role.Delegations {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendDelegation(b, d)
		}
		return append(b, "]},"...)
	}
	return b
}

func appendHead(b []byte, kind string) []byte {
	return append(appendString(append(b, `"_type":`...), kind), ',')
}

func appendExpires(b []byte, at time.Time) []byte {
	return append(appendString(append(b, `"expires":`...), at.UTC().Format(time.RFC3339)), ',')
}

func appendSpecVersion(b []byte) []byte { return append(b, `"spec_version":"1.0.33",`...) }

func appendEnd(b []byte, v int64) []byte {
	return append(strconv.AppendInt(append(b, `"version":`...), v, 10), '}')
}

// targetsMetadata returns the signed part of a targets role.
func targetsMetadata(role *Role) []byte {
	b := appendHead(append(make([]byte, 0, 512+160*len(role.Files)), '{'), "targets")
	b = appendDelegations(b, role)
	b = appendExpires(b, role.Expires)
	b = appendSpecVersion(b)
	b = append(b, `"targets":`...)
	b = append(appendMap(b, role.Files, appendTarget), ',')
	return appendEnd(b, role.Version)
}

// meta is what timestamp and snapshot say of a file.
type meta struct {
	version int64
	length  int64  // 0: not given
	sha256  []byte // nil: not given
}

func appendMeta(b []byte, m meta) []byte {
	b = append(b, '{')
	if m.sha256 != nil {
		b = append(appendHashes(append(b, `"hashes":`...), m.sha256, nil), ',')
	}
	if m.length > 0 {
		b = append(strconv.AppendInt(append(b, `"length":`...), m.length, 10), ',')
	}
	return appendEnd(b, m.version)
}

// listMetadata returns the signed part of a timestamp or snapshot.
func listMetadata(role *Role, files map[string]meta) []byte {
	b := appendHead([]byte{'{'}, role.Name)
	b = appendExpires(b, role.Expires)
	b = append(appendMap(append(b, `"meta":`...), files, appendMeta), ',')
	b = appendSpecVersion(b)
	return appendEnd(b, role.Version)
}

// rootMetadata returns the signed part of the root.
func (r *Repository) rootMetadata() []byte {
	tops := map[string]*Role{}
	var keys []*Key
	for _, role := range []*Role{r.Root, r.Timestamp, r.Snapshot, r.Targets} {
		tops[role.Name] = role
		keys = append(keys, role.Keys...)
	}
	b := appendHead([]byte{'{'}, "root")
	b = fmt.Appendf(b, `"consistent_snapshot":%t,`, !r.Plain)
	b = appendExpires(b, r.Root.Expires)
	b = append(appendKeys(append(b, `"keys":`...), keys), ',')
	b = append(appendMap(append(b, `"roles":`...), tops, func(b []byte, role *Role) []byte {
		b = appendKeyIDs(append(b, '{'), role.Keys)
		return append(appendThreshold(b, role.Threshold), '}')
	}), ',')
	b = appendSpecVersion(b)
	return appendEnd(b, r.Root.Version)
}
