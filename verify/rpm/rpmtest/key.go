// Package rpmtest builds signed rpm packages and repositories in memory, for tests of everything that meets one.
package rpmtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Key is an OpenPGP key pair.
type Key struct{ entity *openpgp.Entity }

// NewKey makes an Ed25519 key with this user id name, created at that moment, that expires after lifetime (0: never).
func NewKey(name string, created time.Time, lifetime time.Duration) (*Key, error) {
	return newKey(name, created, lifetime, &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
}

// NewRSAKey makes an RSA key of 2048 bits.
func NewRSAKey(name string, created time.Time) (*Key, error) {
	return newKey(name, created, 0, &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048})
}

func newKey(name string, created time.Time, lifetime time.Duration, c *packet.Config) (*Key, error) {
	c.Time, c.DefaultHash = func() time.Time { return created }, crypto.SHA256
	c.KeyLifetimeSecs = uint32(lifetime / time.Second)
	e, err := openpgp.NewEntity(name, "", "packages@example.org", c)
	if err != nil {
		return nil, fmt.Errorf("making key %q: %w", name, err)
	}
	return &Key{e}, nil
}

// Revoke revokes the key at that moment, as compromised.
func (k *Key) Revoke(at time.Time) error { return k.entity.Revoke(packet.KeyCompromised, "", as(at)) }

// Retire revokes the key at that moment, as no longer used.
func (k *Key) Retire(at time.Time) error { return k.entity.Revoke(packet.KeyRetired, "", as(at)) }

// ID returns the 16 hexadecimal digits of the key id.
func (k *Key) ID() string { return fmt.Sprintf("%016X", k.entity.PrimaryKey.KeyId) }

// Public returns the armoured public key.
func (k *Key) Public() ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := k.entity.Serialize(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func as(at time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return at }, DefaultHash: crypto.SHA256}
}

// Sign returns a binary signature of version 4 over message, resting on hash.
func (k *Key) Sign(message []byte, at time.Time, hash crypto.Hash) ([]byte, error) {
	key := k.entity.PrivateKey
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: key.PubKeyAlgo, Hash: hash, CreationTime: at,
		IssuerKeyId: &key.KeyId, IssuerFingerprint: key.Fingerprint,
	}
	h := hash.New()
	h.Write(message)
	if err := sig.Sign(h, key, as(at)); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err := sig.Serialize(&b)
	return b.Bytes(), err
}

// SignV3 returns an RSA signature of version 3 (RFC 4880 section 5.2.2) over message, resting on SHA-1 or SHA-256.
func (k *Key) SignV3(message []byte, at time.Time, hash crypto.Hash) ([]byte, error) {
	key := k.entity.PrivateKey.PrivateKey.(*rsa.PrivateKey)
	trailer := binary.BigEndian.AppendUint32([]byte{byte(packet.SigTypeBinary)}, uint32(at.Unix()))
	h := hash.New()
	h.Write(message)
	h.Write(trailer)
	sum := h.Sum(nil)
	value, err := rsa.SignPKCS1v15(rand.Reader, key, hash, sum)
	if err != nil {
		return nil, err
	}
	n := new(big.Int).SetBytes(value)
	body := append([]byte{3, 5}, trailer...)
	body = binary.BigEndian.AppendUint64(body, k.entity.PrimaryKey.KeyId)
	body = append(body, 1, map[crypto.Hash]byte{crypto.SHA1: 2, crypto.SHA256: 8}[hash], sum[0], sum[1])
	body = append(binary.BigEndian.AppendUint16(body, uint16(n.BitLen())), n.Bytes()...)
	return append(binary.BigEndian.AppendUint16([]byte{0x89}, uint16(len(body))), body...), nil
}

// Armour returns signature packets in ASCII armour.
func Armour(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.SignatureType, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
