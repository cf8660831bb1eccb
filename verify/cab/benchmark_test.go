package cab

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// BenchmarkVerifyCAB verifies a signed cabinet of 100 MB.
func BenchmarkVerifyCAB(b *testing.B) {
	w := newWorld()
	data := make([]byte, 100<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	signed := cabtest.Sign(cabtest.Build(cabtest.Cabinet{Reserve: cabtest.Reserve(), NoChecksums: true,
		Folders: []cabtest.Folder{{Files: []cabtest.File{{Name: "a", Data: data}}}}}), at.Signature{Signer: w.vendor})
	v := New()
	b.SetBytes(int64(len(signed)))
	b.ReportAllocs()
	for b.Loop() {
		found, err := v.Verify(b.Context(), &verify.Artifact{Size: int64(len(signed)), Content: bytes.NewReader(signed)}, w.env)
		if err != nil || found[0].Status != verify.Valid {
			b.Fatal(found, err)
		}
	}
}
