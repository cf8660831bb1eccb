package sigstore_test

import (
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// BenchmarkVerify verifies an update by its digest, with everything that Verify does besides.
func BenchmarkVerify(b *testing.B) {
	for name, bundle := range map[string][]byte{
		"message":     instance.Sign(update, signer),
		"attestation": provenance(signer, sigstoretest.Of("app", update)),
	} {
		v := sigstore.New()
		a := artifactAt(b, defaultURL, update)
		env := verify.Env{
			Sidecars: &quiet{defaultURL + ".sigstore.json", bundle}, Memory: &memory{}, At: at.AddDate(0, 0, 1),
			Trust: verify.Trust{Sigstore: []verify.SigstoreAnchor{acme()}},
		}
		run := func(b *testing.B) {
			found, err := v.Verify(b.Context(), a, env)
			if err != nil || len(found) != 1 || found[0].Status != verify.Valid {
				b.Fatalf("%v, %v", found, err)
			}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run(b)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					run(b)
				}
			})
		})
	}
}
