package policy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/edwards25519"

	"github.com/sallyport-project/sallyport/verify"
)

// bareKeySize is that of a public key of minisign or signify: the algorithm Ed, eight bytes of id, an Ed25519 key.
const bareKeySize = 42

const maxBareKeys = 64 // in one file

// parseBareKey reads the line of a public key file that holds the key.
func parseBareKey(s string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != bareKeySize || string(raw[:2]) != "Ed" {
		return nil, fmt.Errorf("%s is no public key of minisign or signify, which has 56 characters and begins with RW", quote(s))
	}
	p, err := new(edwards25519.Point).SetBytes(raw[bareKeySize-32:])
	if err != nil || new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, fmt.Errorf("the key in %s cannot be one: no signature under it would prove anything", quote(s))
	}
	return raw, nil
}

// bareKeys reads the keys of a minisign or signify anchor.
func (b *builder) bareKeys(a *anchor, n node) []verify.PublicKey {
	var out []verify.PublicKey
	add := func(raw []byte) { out = append(out, verify.PublicKey{Anchor: a.name, System: a.kind, Data: raw}) }
	for _, item := range append([]node{n.get("key")}, n.get("keys").items()...) {
		if raw, err := parseBareKey(item.text()); err == nil {
			add(raw)
		}
	}
	if f := n.get("file"); f.present() {
		data, ok := b.named(f, "key file")
		keys, err := bareKeyFile(data)
		if ok && err != nil {
			b.add(f, "", "the key file %s cannot be parsed: %v", quote(f.text()), err)
		}
		for _, raw := range keys {
			add(raw)
		}
	}
	if n.present() && !n.get("key").present() && !n.get("keys").present() && !n.get("file").present() {
		b.add(n, "", "a %s anchor needs key, keys or file", a.kind)
	}
	return out
}

// bareKeyFile reads public key files, one or several after one another: comment lines and keys.
func bareKeyFile(data []byte) ([][]byte, error) {
	var out [][]byte
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" || strings.HasPrefix(text, "untrusted comment:") {
			continue
		}
		raw, err := parseBareKey(text)
		if err != nil {
			return nil, err
		}
		if out = append(out, raw); len(out) > maxBareKeys {
			return nil, fmt.Errorf("it has more than %d keys", maxBareKeys)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it has no key in it")
	}
	return out, nil
}
