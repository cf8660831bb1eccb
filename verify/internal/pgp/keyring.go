// Package pgp verifies OpenPGP signatures (RFC 9580) against keyrings that an operator chose, and splits cleartext
// signed messages more strictly than the RFC asks for. Signatures that rest on MD5, SHA-1 or RIPEMD-160, on DSA or on
// RSA keys under 2047 bits prove nothing here.
package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Limits of a keyring.
const (
	MaxKeyring = 8 << 20 // bytes
	maxKeys    = 4096
)

// Keyring is a set of transferable public keys. It holds their bytes rather than their parsed form: the library writes
// to parsed keys while it verifies and caches outcomes that depend on the time, so every verification parses its own.
// A Keyring does not change and may be used concurrently.
type Keyring struct {
	binary []byte
	count  int
}

// ParseKeyring reads one or more transferable public keys (RFC 9580 section 10.1), binary or as any number of armoured
// blocks one after another. It fails if there is not one usable key among them.
func ParseKeyring(data []byte) (*Keyring, error) {
	if len(data) > MaxKeyring {
		return nil, fmt.Errorf("reading keyring: %d bytes are more than %d", len(data), MaxKeyring)
	}
	bin, err := dearmour(data)
	if err != nil {
		return nil, fmt.Errorf("reading keyring: %w", err)
	}
	k := &Keyring{binary: bin}
	entities, err := k.entities()
	if err != nil {
		return nil, fmt.Errorf("reading keyring: %w", err)
	}
	k.count = len(entities)
	if k.count == 0 {
		return nil, errors.New("reading keyring: it holds no usable key")
	}
	return k, nil
}

// Len returns the number of keys, subkeys not counted.
func (k *Keyring) Len() int { return k.count }

// Fingerprints returns the fingerprints of the primary keys in upper-case hexadecimal, sorted.
func (k *Keyring) Fingerprints() ([]string, error) {
	entities, err := k.entities()
	if err != nil {
		return nil, fmt.Errorf("reading keyring: %w", err)
	}
	var out []string
	for _, e := range entities {
		out = append(out, fingerprint(e.PrimaryKey))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (k *Keyring) entities() (openpgp.EntityList, error) {
	list, err := openpgp.ReadKeyRing(bytes.NewReader(k.binary))
	if err != nil {
		return nil, err
	}
	if len(list) > maxKeys {
		return nil, fmt.Errorf("%d keys are more than %d", len(list), maxKeys)
	}
	return list, nil
}

var armourBegin = []byte("-----BEGIN PGP ")

// dearmour returns the binary form of data, which may be armoured in several blocks.
func dearmour(data []byte) ([]byte, error) {
	if !bytes.Contains(data, armourBegin) || len(data) > 0 && data[0]&0x80 != 0 {
		return data, nil
	}
	var out bytes.Buffer
	for rest := data; ; {
		start := bytes.Index(rest, armourBegin)
		if start < 0 {
			return out.Bytes(), nil
		}
		rest = rest[start:]
		next := bytes.Index(rest[len(armourBegin):], armourBegin)
		one := rest
		if next >= 0 {
			one = rest[:len(armourBegin)+next]
		}
		block, err := armor.Decode(bytes.NewReader(one))
		if err != nil {
			return nil, err
		}
		if block.Type != openpgp.PublicKeyType {
			return nil, fmt.Errorf("an armoured block is a %s, not a public key", block.Type)
		}
		if _, err := io.Copy(&out, block.Body); err != nil {
			return nil, err
		}
		rest = rest[len(one):]
	}
}

// userID returns the primary user id of e at that moment, else the first of all by name.
func userID(e *openpgp.Entity, at time.Time) string {
	if _, id := e.PrimaryIdentity(at, nil); id != nil {
		return id.Name
	}
	var names []string
	for name := range e.Identities {
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

func fingerprint(k *packet.PublicKey) string {
	return strings.ToUpper(fmt.Sprintf("%x", k.Fingerprint))
}
