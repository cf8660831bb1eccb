package openpgp

import (
	"bytes"
	"context"
	"testing"

	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
)

// Whatever a signature file holds, it vouches for the file that was signed and for no other.
func FuzzSignature(f *testing.F) {
	four, six := newKey(f, "Four"), newKey(f, "Six", v6)
	ring := keyring(f, "acme", four, six)
	good := sign(f, four.PrivateKey, content, now)
	f.Add(good)
	f.Add(sign(f, six.PrivateKey, content, now))
	f.Add(armoured(f, pgp.SignatureType, good))
	f.Add(armoured(f, pgp.SignatureType, append(bytes.Clone(good), good...)))
	f.Add([]byte("<html>"))
	other := append(bytes.Clone(content), 0)
	f.Fuzz(func(t *testing.T, sig []byte) {
		dir := besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": sig})
		for i, data := range [][]byte{content, other} {
			found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", data), env(dir, ring))
			if err != nil || len(found) == 0 {
				t.Fatalf("%v, %d findings", err, len(found))
			}
			for _, one := range found {
				if one.Status == verify.Valid && (i == 1 || len(one.Anchors) != 1 || one.Signer.IsZero()) {
					t.Errorf("file %d: %+v", i, one)
				}
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key := newKey(b, "Acme")
	data := make([]byte, 64<<20)
	dir := besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": sign(b, key.PrivateKey, data, now)})
	a := besidetest.Artifact("tool.tar.gz", data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		found, err := New().Verify(context.Background(), a, env(dir, keyring(b, "acme", key)))
		if err != nil || besidetest.Codes(found) != "valid:openpgp/valid" {
			b.Fatal(err, found)
		}
	}
}
