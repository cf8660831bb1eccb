package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/sallyport-project/sallyport/verify/internal/lru"
)

var errNoKey = errors.New("no key is trusted")

// publicKey is a key that signatures are checked with.
type publicKey struct {
	key         crypto.PublicKey
	hashes      []hashing // by which it signs, the usual one first
	fingerprint string    // SHA-256 of the SubjectPublicKeyInfo
	managed     bool      // it was named by the operator, not by a certificate
}

type hashing struct {
	name string
	hash crypto.Hash
}

var (
	byName = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

	keyHashes = map[elliptic.Curve][]hashing{
		elliptic.P256(): {{"sha256", crypto.SHA256}},
		// Old clients signed with SHA-256 by whatever key.
		elliptic.P384(): {{"sha384", crypto.SHA384}, {"sha256", crypto.SHA256}},
		elliptic.P521(): {{"sha512", crypto.SHA512}, {"sha256", crypto.SHA256}},
	}
)

// keys holds those that were read lately.
var keys = lru.New[[sha256.Size]byte, *publicKey](256)

// CheckKey says whether a public key (SubjectPublicKeyInfo, DER) can be used in a Demand.
func CheckKey(der []byte) error {
	_, err := readKey(der)
	return err
}

// readKey reads a key that the operator trusts.
func readKey(der []byte) (*publicKey, error) {
	id := sha256.Sum256(der)
	if k, ok := keys.Get(id); ok {
		return k, nil
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	k, err := newKey(key)
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	k.fingerprint, k.managed = hex.EncodeToString(id[:]), true
	keys.Put(id, k, 1)
	return k, nil
}

func newKey(key crypto.PublicKey) (*publicKey, error) {
	switch pub := key.(type) {
	case *rsa.PublicKey:
		if n := pub.N.BitLen(); n < 2048 || n > maxRSABits {
			return nil, fmt.Errorf("RSA keys have 2048 to %d bits, this has %d", maxRSABits, n)
		}
		return &publicKey{key: key, hashes: []hashing{{"sha256", crypto.SHA256}}}, nil
	case *ecdsa.PublicKey:
		if h := keyHashes[pub.Curve]; h != nil {
			return &publicKey{key: key, hashes: h}, nil
		}
		return nil, fmt.Errorf("the curve %s is not known", pub.Params().Name)
	case ed25519.PublicKey:
		if err := checkPoint(pub); err != nil {
			return nil, err
		}
		return &publicKey{key: key, hashes: []hashing{{"sha512", crypto.SHA512}}}, nil
	}
	return nil, fmt.Errorf("keys of type %T are not known", key)
}

// verifier returns the key as sigstore-go compares it with the entries of logs.
func (k *publicKey) verifier() (signature.Verifier, error) {
	return signature.LoadVerifier(k.key, k.hashes[0].hash)
}

// signsMessage reports whether sig is a signature over the message; Ed25519 is pure.
func (k *publicKey) signsMessage(sig, message []byte) bool {
	if pub, ok := k.key.(ed25519.PublicKey); ok {
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(pub, message, sig)
	}
	for _, h := range k.hashes {
		w := h.hash.New()
		w.Write(message)
		if k.signsDigest(sig, h.hash, w.Sum(nil)) {
			return true
		}
	}
	return false
}

// signsDigest reports whether sig is a signature over what has the digest. Ed25519 is Ed25519ph here (RFC 8032 section 5.1), since
// a pure signature is over the bytes themselves.
func (k *publicKey) signsDigest(sig []byte, h crypto.Hash, digest []byte) bool {
	if len(digest) != h.Size() {
		return false
	}
	if pub, ok := k.key.(ed25519.PublicKey); ok {
		return h == crypto.SHA512 && len(sig) == ed25519.SignatureSize &&
			ed25519.VerifyWithOptions(pub, digest, sig, &ed25519.Options{Hash: crypto.SHA512}) == nil
	}
	v, err := signature.LoadVerifier(k.key, h)
	if err != nil {
		return false
	}
	return v.VerifySignature(reader(sig), reader(nil), options.WithDigest(digest)) == nil
}
