package reputation

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"time"
)

// Entry is one thing that a list names.
type Entry struct {
	Kind   Kind      `json:"kind"`
	Value  string    `json:"value"`            // hexadecimal digest, URL, name, "npm/left-pad"; normalised
	Label  string    `json:"label,omitempty"`  // what the list says of it: the name of malware, an advisory's id; chosen by the list
	Listed time.Time `json:"listed,omitzero"`  // since when, as the list claims
	Until  time.Time `json:"until,omitzero"`   // from when on it no longer counts
	Line   int       `json:"line,omitempty"`   // of the list, from 1
	Detail *Affected `json:"detail,omitempty"` // of packages: which versions
}

// key is what entries are sorted and found by: a digest, filled up with zeros or cut to 32 bytes, or the digest of the
// normalised text.
type key [32]byte

func digestKey(sum []byte) (k key) {
	copy(k[:], sum)
	return k
}

func textKey(kind Kind, text string) key {
	b := make([]byte, 0, 128)
	b = append(b, byte(kind))
	return sha256.Sum256(append(b, text...))
}

// entry is an Entry on its way from a parser into a set.
type entry struct {
	kind          Kind
	key           key
	value         string // empty where the key is the value
	label         string
	listed, until uint32 // seconds since 1970; 0 is unknown and never
	line          int
	detail        *Affected
}

// maxLabel is how much of a label is kept, in bytes.
const maxLabel = 200

// digestEntry makes an entry of a digest. The value is kept beside the key only where it is longer than one.
func digestEntry(kind Kind, sum []byte) entry {
	e := entry{kind: kind, key: digestKey(sum)}
	if len(sum) > len(e.key) {
		e.value = hex.EncodeToString(sum)
	}
	return e
}

func textEntry(kind Kind, value string) entry {
	return entry{kind: kind, key: textKey(kind, value), value: value}
}

// seconds returns a time as sets keep it; what they cannot hold is unknown.
func seconds(t time.Time) uint32 {
	if s := t.Unix(); s > 0 && s <= math.MaxUint32 {
		return uint32(s)
	}
	return 0
}

func moment(s uint32) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}

var timeLayouts = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 (MST)", "2006-01-02T15:04:05", "2006-01-02"}

// parseTime reads the times that lists carry, as UTC where they name no zone; zero if it cannot.
func parseTime(s string) time.Time {
	if len(s) > 40 || len(s) < 10 {
		return time.Time{}
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
