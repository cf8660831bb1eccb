// Package signifytest makes keys and signatures of minisign and signify for tests.
package signifytest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/blake2b"

	"github.com/sallyport-project/sallyport/verify"
)

// Key is a key pair.
type Key struct {
	id      [8]byte
	private ed25519.PrivateKey
}

// NewKey makes a key with an id.
func NewKey(t testing.TB, id uint64) *Key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &Key{private: private}
	binary.LittleEndian.PutUint64(k.id[:], id)
	return k
}

// Public returns the public key as an anchor has it.
func (k *Key) Public(system, anchor string) verify.PublicKey {
	data := append(append([]byte("Ed"), k.id[:]...), k.private.Public().(ed25519.PublicKey)...)
	return verify.PublicKey{Anchor: anchor, System: system, Data: data}
}

func (k *Key) line(algorithm string, value []byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Join([][]byte{[]byte(algorithm), k.id[:], value}, nil)) + "\n"
}

// Minisign returns a signature file of minisign.
func (k *Key) Minisign(content []byte, prehashed bool, comment string) []byte {
	algorithm := "Ed"
	if prehashed {
		sum := blake2b.Sum512(content)
		algorithm, content = "ED", sum[:]
	}
	value := ed25519.Sign(k.private, content)
	global := ed25519.Sign(k.private, append(bytes.Clone(value), comment...))
	return []byte("untrusted comment: made by a test\n" + k.line(algorithm, value) + "trusted comment: " + comment + "\n" +
		base64.StdEncoding.EncodeToString(global) + "\n")
}

// Signify returns a signature file of signify.
func (k *Key) Signify(content []byte) []byte {
	return []byte("untrusted comment: verify with test.pub\n" + k.line("Ed", ed25519.Sign(k.private, content)))
}

// Embedded returns a signature of signify with what it signs.
func (k *Key) Embedded(content []byte) []byte { return append(k.Signify(content), content...) }
