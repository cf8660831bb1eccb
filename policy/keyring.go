package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/sallyport-project/sallyport/verify"
)

// keyring reads and parses the keys of an openpgp anchor.
func (b *builder) keyring(a *anchor, n node) verify.Keyring {
	k := verify.Keyring{Anchor: a.name, Suites: n.get("suites").texts()}
	k.Lag, _ = parseDuration(n.get("lag").text())
	name := n.get("keyring")
	if name.text() == "" {
		return k
	}
	data, err := b.open(name.text())
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "file names are relative to the policy file"
		}
		b.add(name, hint, "the keyring %s cannot be read: %v", quote(name.text()), err)
		return k
	}
	switch keys, err := countKeys(data); {
	case err != nil:
		b.add(name, "", "the keyring %s cannot be parsed: %v", quote(name.text()), err)
		return k
	case keys == 0:
		b.add(name, "", "the keyring %s has no OpenPGP public keys in it", quote(name.text()))
		return k
	}
	k.Data = data
	return k
}

// countKeys returns how many public keys a keyring has.
func countKeys(data []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("it cannot be parsed (%v)", r)
		}
	}()
	read := openpgp.ReadKeyRing
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN PGP")) {
		read = openpgp.ReadArmoredKeyRing
	}
	keys, err := read(bytes.NewReader(data))
	for _, k := range keys {
		if k.PrimaryKey != nil && k.PrivateKey == nil {
			n++
		}
	}
	return n, err
}
