package signify

import (
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
)

// Holder is a key that anchors trust.
type Holder struct {
	Key     Key
	Anchors []string
}

// Holders returns the keys of a system ("minisign" or "signify") that anchors trust, each key once. It fails where one
// of them is no key.
func Holders(trust verify.Trust, system string) ([]Holder, error) {
	var out []Holder
next:
	for _, p := range trust.PublicKeys {
		if p.System != system {
			continue
		}
		k, err := ParseKey(p.Data)
		if err != nil {
			return nil, fmt.Errorf("anchor %s: reading %s key: %w", p.Anchor, system, err)
		}
		for i := range out {
			if out[i].Key == k {
				out[i].Anchors = append(out[i].Anchors, p.Anchor)
				continue next
			}
		}
		out = append(out, Holder{k, []string{p.Anchor}})
	}
	return out, nil
}

// WithID returns those of the keys that have an id.
func WithID(holders []Holder, id KeyID) []Holder {
	var out []Holder
	for _, h := range holders {
		if h.Key.ID == id {
			out = append(out, h)
		}
	}
	return out
}

// Identity names the key, as the signer that a finding has.
func (h Holder) Identity(system string) verify.Identity {
	return verify.Identity{Name: system + " key " + h.Key.ID.String(), Fingerprint: h.Key.Fingerprint()}
}
