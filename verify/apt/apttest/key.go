// Package apttest builds signed apt repositories in memory and serves them, for tests of everything that meets one:
// suites, components, flat repositories, by-hash, InRelease or Release.gpg, real (if tiny) packages.
package apttest

import (
	"bytes"
	"crypto"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Key is an OpenPGP key pair (Ed25519) that signs Releases.
type Key struct {
	entity *openpgp.Entity
}

// NewKey makes a key with this user id name, created at that moment, that expires after lifetime (0: never).
func NewKey(name string, created time.Time, lifetime time.Duration) (*Key, error) {
	e, err := openpgp.NewEntity(name, "", "archive@example.org", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return created },
		KeyLifetimeSecs: uint32(lifetime / time.Second), DefaultHash: crypto.SHA256,
	})
	if err != nil {
		return nil, fmt.Errorf("making key %q: %w", name, err)
	}
	return &Key{e}, nil
}

// Revoke revokes the key at that moment, as compromised.
func (k *Key) Revoke(at time.Time) error {
	return k.entity.Revoke(packet.KeyCompromised, "", signing(at))
}

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

// Fingerprint returns the fingerprint in upper-case hexadecimal.
func (k *Key) Fingerprint() string { return fmt.Sprintf("%X", k.entity.PrimaryKey.Fingerprint) }

func signing(at time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return at }, DefaultHash: crypto.SHA256}
}

// Clearsign returns text as a cleartext signed message by all the keys.
func Clearsign(text []byte, at time.Time, keys ...*Key) ([]byte, error) {
	var b bytes.Buffer
	var private []*packet.PrivateKey
	for _, k := range keys {
		private = append(private, k.entity.PrivateKey)
	}
	w, err := clearsign.EncodeMulti(&b, private, signing(at))
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// Detach returns an armoured detached signature over text by all the keys.
func Detach(text []byte, at time.Time, keys ...*Key) ([]byte, error) {
	var b bytes.Buffer
	var entities []*openpgp.Entity
	for _, k := range keys {
		entities = append(entities, k.entity)
	}
	err := openpgp.ArmoredDetachSign(&b, entities, bytes.NewReader(text), &openpgp.SignParams{Config: signing(at)})
	if err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
