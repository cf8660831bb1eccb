package quarantine

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Entry is what an item is on one scope.
type Entry struct {
	SHA256 verify.Digest `json:"sha256"`
	ID     string        `json:"id"`   // the first 16 hexadecimal digits of SHA256
	Size   int64         `json:"size"` // bytes
	Scope  string        `json:"scope"`
	State  State         `json:"state"`
	Record string        `json:"record"` // of the log record that settled it
	Origin Origin        `json:"origin"` // where it came from when it was settled
	Time   time.Time     `json:"time"`   // when it was settled
}

// Filter picks entries; the zero Filter picks all.
type Filter struct {
	State  State         // Held: any
	SHA256 verify.Digest // zero: any
	Scopes []string      // nil: any
	Limit  int           // 0: no limit
}

func (f Filter) picks(scope string, m mark) bool {
	return (f.State == Held || f.State == m.state) && (f.Scopes == nil || slices.Contains(f.Scopes, scope))
}

// List returns what is settled, the latest first.
func (v *Vault) List(f Filter) []Entry {
	out := v.pick(f)
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(b.Time.Compare(a.Time), slices.Compare(a.SHA256[:], b.SHA256[:]), cmp.Compare(a.Scope, b.Scope))
	})
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	var last document
	for i := range out {
		e := &out[i]
		if last.SHA256 != e.SHA256 {
			last, _, _ = v.readState(e.SHA256) // gone meanwhile: listed without its origin
		}
		if s := last.Scopes[e.Scope]; s.State == e.State {
			e.Origin, e.Record = s.Origin, s.Origin.Record
		}
	}
	return out
}

// pick returns the entries that memory knows of.
func (v *Vault) pick(f Filter) (out []Entry) {
	v.lock()
	defer v.unlock()
	if !f.SHA256.IsZero() {
		return f.of(v.blobs[f.SHA256], nil)
	}
	for _, b := range v.blobs {
		out = f.of(b, out)
	}
	return out
}

// of appends the entries of a blob, if there is one, that the filter picks.
func (f Filter) of(b *blob, out []Entry) []Entry {
	if b == nil {
		return out
	}
	for _, m := range b.marks {
		if scope := m.scope.Value(); f.picks(scope, m) {
			out = append(out, Entry{
				SHA256: b.digest, ID: b.digest.String()[:16], Size: b.size,
				Scope: scope, State: m.state, Time: m.since,
			})
		}
	}
	return out
}

// ErrAmbiguous is returned by Find where several items begin with the same digits.
var ErrAmbiguous = errors.New("several items begin with these digits")

// minID is how many digits Find asks for.
const minID = 4

// Find returns the item whose SHA-256 begins with the given hexadecimal digits, at least 4 of them, with or without
// "sha256:" before them. The error is fs.ErrNotExist or ErrAmbiguous where there is not exactly one.
func (v *Vault) Find(id string) (verify.Digest, error) {
	digits := strings.ToLower(strings.TrimPrefix(id, "sha256:"))
	if len(digits) < minID || strings.Trim(digits, "0123456789abcdef") != "" {
		return verify.Digest{}, fmt.Errorf("an id is at least %d hexadecimal digits", minID)
	}
	v.lock()
	defer v.unlock()
	var found verify.Digest
	for d, b := range v.blobs {
		if len(b.marks) == 0 || !strings.HasPrefix(d.String(), digits) {
			continue
		}
		if !found.IsZero() {
			return verify.Digest{}, fmt.Errorf("item %s: %w", digits, ErrAmbiguous)
		}
		found = d
	}
	if found.IsZero() {
		return verify.Digest{}, fmt.Errorf("item %s: %w", digits, fs.ErrNotExist)
	}
	return found, nil
}
