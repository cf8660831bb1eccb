package catalog

import (
	"bytes"
	"crypto/sha1"
	"hash"

	"github.com/sallyport-project/sallyport/verify"
)

// Tap returns a Tap that computes the SHA-1 digest of a driver's description (.inf), by which catalogues of version 1 list
// it. It knows one by the section that every description must have.
func (*Verifier) Tap(head []byte) verify.Tap {
	if len(head) < 2 || head[0] == 'M' && head[1] == 'Z' {
		return nil
	}
	plain := bytes.ToLower(bytes.ReplaceAll(head, []byte{0}, nil)) // UTF-16 as well
	if !bytes.Contains(plain, []byte("[version]")) {
		return nil
	}
	return &tap{Hash: sha1.New()}
}

type tap struct{ hash.Hash }

// Sum implements verify.Tap.
func (t *tap) Sum(m map[string][]byte) { m[fileSHA1] = t.Hash.Sum(nil) }
