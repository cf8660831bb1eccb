package msi

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
)

// BenchmarkVerifyMSI verifies an installer of 64 MiB, in sectors of both sizes, and says how many times as long that
// takes as SHA-256 of the file alone.
func BenchmarkVerifyMSI(b *testing.B) {
	w := newWorld()
	for name, version4 := range map[string]bool{"512": false, "4096": true} {
		file := msitest.Package{Version4: version4, Cabinet: noise(64<<20, 1), Files: []msitest.File{{Key: "a", Path: "a.exe", Size: 1}}}.Build()
		file = msitest.Sign(file, at.Signature{Signer: w.vendor})
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			v := New()
			for b.Loop() {
				a := &verify.Artifact{Size: int64(len(file)), Content: bytes.NewReader(file)}
				if !v.Match(a) {
					b.Fatal("no installer")
				}
				found, err := v.Verify(b.Context(), a, w.env)
				if err != nil || len(found) != 1 || found[0].Status != verify.Valid {
					b.Fatal(found, err)
				}
			}
			each := b.Elapsed() / time.Duration(b.N)
			start := time.Now()
			sha256.Sum256(file)
			b.ReportMetric(float64(each)/float64(time.Since(start)), "x-sha256")
		})
	}
}
