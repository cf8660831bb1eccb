package tuftest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
)

// Scheme is a signature scheme (specification section 4.2).
type Scheme string

// The schemes that a Key may have.
const (
	Ed25519 Scheme = "ed25519"
	ECDSA   Scheme = "ecdsa-sha2-nistp256"
	RSAPSS  Scheme = "rsassa-pss-sha256"
)

// Key is a signing key.
type Key struct {
	ID     string // hexadecimal SHA-256 of its canonical form
	Scheme Scheme
	Type   string // keytype
	Public string // keyval.public

	signer crypto.Signer
}

// NewKey returns a key made from seed, or, with the scheme RSAPSS, a random one of 2048 bits.
func NewKey(scheme Scheme, seed string) (*Key, error) {
	sum := sha256.Sum256([]byte("tuftest " + seed))
	k := &Key{Scheme: scheme}
	switch scheme {
	case Ed25519:
		private := ed25519.NewKeyFromSeed(sum[:])
		k.Type, k.signer, k.Public = "ed25519", private, hex.EncodeToString(private.Public().(ed25519.PublicKey))
	case ECDSA:
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:])
		if err != nil {
			return nil, fmt.Errorf("making a key: %w", err)
		}
		k.Type, k.signer = "ecdsa", private
	case RSAPSS:
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("making a key: %w", err)
		}
		k.Type, k.signer = "rsa", private
	default:
		return nil, fmt.Errorf("making a key: no scheme %q", scheme)
	}
	if k.Public == "" {
		der, err := x509.MarshalPKIXPublicKey(k.signer.Public())
		if err != nil {
			return nil, fmt.Errorf("making a key: %w", err)
		}
		k.Public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	id := sha256.Sum256(k.appendTo(nil))
	k.ID = hex.EncodeToString(id[:])
	return k, nil
}

// Sign returns the signature over message.
func (k *Key) Sign(message []byte) ([]byte, error) {
	if k.Scheme == Ed25519 {
		return k.signer.Sign(nil, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	var opts crypto.SignerOpts = crypto.SHA256
	if k.Scheme == RSAPSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	}
	return k.signer.Sign(rand.Reader, sum[:], opts)
}

// appendTo appends the key's canonical form.
func (k *Key) appendTo(b []byte) []byte {
	b = append(b, `{"keytype":`...)
	b = appendString(b, k.Type)
	b = append(b, `,"keyval":{"public":`...)
	b = appendString(b, k.Public)
	b = append(b, `},"scheme":`...)
	b = appendString(b, string(k.Scheme))
	return append(b, '}')
}
