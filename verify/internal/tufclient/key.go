package tufclient

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// key is a public key with the one scheme that its metadata allows it.
type key struct {
	public      crypto.PublicKey // nil: of a kind that is not known here, so that its signatures never count
	hash        crypto.Hash      // 0 for Ed25519
	fingerprint [32]byte         // SHA-256 of the key as SubjectPublicKeyInfo: two ids of one key are one key
}

// limits of RSA keys, in bits: the specification asks for the lower one, the upper one bounds the time of a verification.
const minRSA, maxRSA = 2048, 8192

func readKey(c *cursor) (key, error) {
	var k metadata.Key
	err := c.object(func(name string) error {
		switch name {
		case "keytype":
			return c.string(&k.Type)
		case "scheme":
			return c.string(&k.Scheme)
		case "keyval":
			return c.object(func(name string) error {
				if name == "public" && c.peek() == '"' {
					return c.string(&k.Value.PublicKey)
				}
				_, err := c.skip()
				return err
			})
		}
		_, err := c.skip()
		return err
	})
	if err != nil {
		return key{}, err
	}
	return newKey(&k), nil
}

// newKey returns the key that k describes, or one without a public key.
func newKey(k *metadata.Key) key {
	public, err := k.ToPublicKey()
	if err != nil {
		public, err = pointKey(k)
	}
	if err != nil {
		return key{}
	}
	hash, ok := scheme(k.Scheme, public)
	if !ok {
		return key{}
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return key{}
	}
	return key{public: public, hash: hash, fingerprint: sha256.Sum256(der)}
}

// pointKey reads a P-256 key that is given as the bare point in hexadecimal digits, as the first roots of Sigstore have it.
func pointKey(k *metadata.Key) (crypto.PublicKey, error) {
	point, err := hex.DecodeString(k.Value.PublicKey)
	if err != nil {
		return nil, err
	}
	if k.Type != metadata.KeyTypeECDSA_SHA2_P256_COMPAT && k.Type != metadata.KeyTypeECDSA_SHA2_P256 {
		return nil, fmt.Errorf("a key of type %q is no point", k.Type)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

// scheme returns the hash of a scheme, if it is one for that key.
func scheme(name string, public crypto.PublicKey) (crypto.Hash, bool) {
	switch p := public.(type) {
	case ed25519.PublicKey:
		return 0, name == metadata.KeySchemeEd25519 && len(p) == ed25519.PublicKeySize
	case *ecdsa.PublicKey:
		switch bits := p.Curve.Params().BitSize; {
		case name == metadata.KeySchemeECDSA_SHA2_P256 && bits == 256:
			return crypto.SHA256, true
		case name == metadata.KeySchemeECDSA_SHA2_P384 && bits == 384:
			return crypto.SHA384, true
		}
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= minRSA && bits <= maxRSA {
			return crypto.SHA256, name == metadata.KeySchemeRSASSA_PSS_SHA256
		}
	}
	return 0, false
}

// verify reports whether sig is the key's signature over the document's signed part.
func (k *key) verify(d *document, sig []byte) bool {
	switch p := k.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(p, d.signed, sig)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(p, d.digest(k.hash), sig)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(p, k.hash, d.digest(k.hash), sig, nil) == nil
	}
	return false
}

// grant is what a delegator says of a role: whose signatures count, and how many keys it takes.
type grant struct {
	keys      map[string]key // of the delegator, by id
	ids       []string
	threshold int64
	sum       [32]byte // of a delegation: identifies keys and threshold, however they are named
}

func (g *grant) read(c *cursor) error {
	return c.object(func(name string) error {
		_, err := g.field(c, name)
		return err
	})
}

// field reads a member of an object that says of a role what root.json does, or skips it and says so.
func (g *grant) field(c *cursor, name string) (known bool, err error) {
	switch name {
	case "keyids":
		return true, c.strings(&g.ids)
	case "threshold":
		return true, c.int64(&g.threshold)
	}
	_, err = c.skip()
	return false, err
}

// check reports what no delegation may be like.
func (g *grant) check() error {
	if g.threshold < 1 {
		return fmt.Errorf("its threshold is %d", g.threshold)
	}
	if g.ids == nil {
		return fmt.Errorf("it has no keyids")
	}
	return nil
}

// maxCovered bounds the bytes that the signatures of one file may cover together, under all delegations that they are tried under, so
// that large files with very many signatures do not cost the time of a large file very many times. A signature costs as much time
// as perSignature bytes: the slowest keys are RSA of 8,192 bits and P-384.
const (
	maxCovered   = 1 << 30
	perSignature = 256 << 10
)

// verify returns the ids of the keys that vouch for the document, as many as the threshold asks for, each key once
// (section 5.3.4 and where else signatures are checked).
func (g *grant) verify(d *document, role string) ([]string, *Error) {
	granted := make(map[string]bool, len(g.ids))
	for _, id := range g.ids {
		granted[id] = true
	}
	seen := map[[32]byte]bool{}
	var ids []string
	for _, s := range d.signatures {
		k, ok := g.keys[s.id]
		if !ok || !granted[s.id] || k.public == nil || seen[k.fingerprint] {
			continue
		}
		if d.covered += len(d.signed) + perSignature; d.covered > maxCovered {
			return nil, failf(Oversize, role, "%s has more signatures than there is time for", d.what())
		}
		if !k.verify(d, s.sig) {
			continue
		}
		seen[k.fingerprint] = true
		if ids = append(ids, s.id); int64(len(ids)) >= g.threshold {
			return ids, nil
		}
	}
	return nil, failf(Threshold, role, "%s is signed by %d of the %d keys that it takes", d.what(), len(ids), g.threshold)
}

// lowest returns the lowest fingerprint of the keys that may sign. Their ids are whatever the delegator calls them, and which of them
// are found to have signed depends on the order of signatures, which nothing covers.
func (g *grant) lowest() (out [32]byte) {
	found := false
	for _, id := range g.ids {
		k := g.keys[id]
		if k.public != nil && (!found || bytes.Compare(k.fingerprint[:], out[:]) < 0) {
			out, found = k.fingerprint, true
		}
	}
	return out
}

// identify fills in sum. Many delegations of one file say the same: seen keeps what was computed for the file.
func (g *grant) identify(seen map[string][32]byte) {
	said := fmt.Sprintf("%d %q", g.threshold, g.ids)
	sum, ok := seen[said]
	if !ok {
		sum = g.digest()
		seen[said] = sum
	}
	g.sum = sum
}

func (g *grant) digest() [32]byte {
	var lines []string
	seen := make(map[string]bool, len(g.ids))
	for _, id := range g.ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if k := g.keys[id]; k.public != nil {
			lines = append(lines, fmt.Sprintf("%q %x %d", id, k.fingerprint, k.hash))
		}
	}
	sortUnique(&lines)
	return sha256.Sum256(fmt.Appendf(nil, "%d\n%s", g.threshold, strings.Join(lines, "\n")))
}
