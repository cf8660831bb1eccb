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
	keys, err := primaryKeys(data)
	switch {
	case err != nil:
		b.add(name, "", "the keyring %s cannot be parsed: %v", quote(name.text()), err)
		return k
	case len(keys) == 0:
		b.add(name, "", "the keyring %s has no OpenPGP public keys in it", quote(name.text()))
		return k
	}
	k.Data, a.keys = data, keys
	return k
}

// primaryKeys returns the fingerprints of the public keys in a keyring, upper-case hexadecimal: binary, or any number of
// armoured blocks.
func primaryKeys(data []byte) (found map[string]bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			found, err = nil, fmt.Errorf("it cannot be parsed (%v)", r)
		}
	}()
	found = map[string]bool{}
	add := func(keys openpgp.EntityList, err error) error {
		for _, k := range keys {
			if k.PrimaryKey != nil && k.PrivateKey == nil {
				found[fmt.Sprintf("%X", k.PrimaryKey.Fingerprint)] = true
			}
		}
		return err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN PGP")) {
		return found, add(openpgp.ReadKeyRing(bytes.NewReader(data)))
	}
	err = add(openpgp.ReadArmoredKeyRing(bytes.NewReader(data)))
	for rest := data; err == nil; {
		next := bytes.Index(rest[1:], []byte("\n-----BEGIN PGP"))
		if next < 0 {
			break
		}
		rest = rest[1+next:]
		err = add(openpgp.ReadArmoredKeyRing(bytes.NewReader(rest)))
	}
	return found, err
}
