// Package signify reads and checks the signatures of OpenBSD's signify(1) and of minisign, which grew out of it: Ed25519
// (RFC 8032) in short text files. It knows
//
//	legacy      over the file itself: what signify makes, and what minisign made before version 0.10
//	prehashed   over the BLAKE2b-512 digest of the file (RFC 7693): what minisign makes
//	embedded    a signify signature followed by what it signs
//
// The formats: https://jedisct1.github.io/minisign/ ("Signature format"), and signify(1) with its source.
package signify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

// Sizes in bytes.
const (
	keySize       = 2 + 8 + 32
	signatureSize = 2 + 8 + 64
)

// KeyID names a key. Anybody can make a key with any id.
type KeyID [8]byte

// String returns the id as minisign prints it: 16 upper-case hexadecimal digits, the last byte first.
func (id KeyID) String() string {
	b := id
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return fmt.Sprintf("%X", b[:])
}

// Key is a public key.
type Key struct {
	ID    KeyID
	Point [32]byte
}

// ParseKey reads the 42 bytes of a public key: the algorithm Ed, the key id, the key.
func ParseKey(raw []byte) (Key, error) {
	var k Key
	if len(raw) != keySize || string(raw[:2]) != "Ed" {
		return Key{}, errors.New("it is no Ed25519 key of minisign or signify")
	}
	copy(k.ID[:], raw[2:10])
	copy(k.Point[:], raw[10:])
	if _, err := decodePoint(k.Point[:]); err != nil {
		return Key{}, err
	}
	return k, nil
}

// Fingerprint returns the SHA-256 of the bare Ed25519 key in lower-case hexadecimal: the same for one key under two ids.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(k.Point[:])
	return hex.EncodeToString(sum[:])
}

// decodeLine reads base64 of exactly n bytes, with nothing after it but one carriage return.
func decodeLine(line []byte, n int) ([]byte, error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) != base64.StdEncoding.EncodedLen(n) || bytes.ContainsAny(line, "\r\n") {
		return nil, fmt.Errorf("a line of %d characters stands where base64 of %d bytes is due", len(line), n)
	}
	out, err := base64.StdEncoding.Strict().DecodeString(string(line))
	if err != nil {
		return nil, fmt.Errorf("the base64 is broken: %w", err)
	}
	if len(out) != n { // three lengths have as many characters
		return nil, fmt.Errorf("%d bytes stand where %d are due", len(out), n)
	}
	return out, nil
}
