package authenticode

import (
	"bytes"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

// BenchmarkVerify verifies a program of 100 MB, alone and with what its Tap computed, and runs the Tap.
func BenchmarkVerify(b *testing.B) {
	w := newWorld()
	image := at.Sign(at.BuildPE(at.Image{Size: 100 << 20}), at.Signature{Signer: w.vendor, Timestamp: w.stamp(2022)})
	v := New()
	tapped := func() map[string][]byte {
		sums := map[string][]byte{}
		tap := v.Tap(image[:verify.SniffLen])
		for at := 0; at < len(image); at += 32 << 10 {
			tap.Write(image[at:min(at+32<<10, len(image))])
		}
		tap.Sum(sums)
		return sums
	}
	run := func(b *testing.B, sums map[string][]byte) {
		b.SetBytes(int64(len(image)))
		for b.Loop() {
			a := &verify.Artifact{Size: int64(len(image)), Content: bytes.NewReader(image), Digests: verify.Digests{Taps: sums}}
			found, err := v.Verify(b.Context(), a, w.env)
			if err != nil || found[0].Status != verify.Valid {
				b.Fatal(found, err)
			}
		}
	}
	b.Run("alone", func(b *testing.B) { run(b, nil) })
	b.Run("tapped", func(b *testing.B) { run(b, tapped()) })
	b.Run("tap", func(b *testing.B) {
		b.SetBytes(int64(len(image)))
		for b.Loop() {
			if len(tapped()) != 1 {
				b.Fatal("the tap left nothing")
			}
		}
	})
}
