package policy

import (
	"crypto/sha256"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
)

// Trust returns base with the policy's keyrings, keys, roots, repositories, identities, revocation lists and pins added, and an Epoch that changes with base's and with them.
// It shares no slice or map with base.
func (p *Policy) Trust(base verify.Trust) verify.Trust {
	t := base
	t.Keyrings = append(append([]verify.Keyring(nil), base.Keyrings...), p.keyrings...)
	t.PublicKeys = append(append([]verify.PublicKey(nil), base.PublicKeys...), p.publicKeys...)
	t.Authorities = append(append([]verify.Authority(nil), base.Authorities...), p.authorities...)
	t.Publishers = append(append([]verify.Authority(nil), base.Publishers...), p.publishers...)
	t.TUF = append(append([]verify.TUFAnchor(nil), base.TUF...), p.tuf...)
	t.Sigstore = append(append([]verify.SigstoreAnchor(nil), base.Sigstore...), p.sigstore...)
	t.Revocation = p.revocation.trust(base.Revocation)
	t.Pins = make(map[verify.Digest][]string, len(base.Pins)+len(p.pins))
	for _, pins := range []map[verify.Digest][]string{base.Pins, p.pins} {
		for d, names := range pins {
			t.Pins[d] = append(append([]string(nil), t.Pins[d]...), names...)
		}
	}
	h := sha256.New()
	writePart(h, []byte(base.Epoch))
	writePart(h, p.epoch[:])
	p.revocation.epoch(h)
	t.Epoch = fmt.Sprintf("%x", h.Sum(nil))
	return t
}
