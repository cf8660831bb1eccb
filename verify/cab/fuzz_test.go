package cab

import (
	"bytes"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// FuzzVerify looks for files on which Verify panics, fails, keeps silent or says too much; and for files that are
// vouched for although their covered bytes are not those of a signed seed.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	set := func(c *cabtest.Cabinet) { c.Next = [2]string{"b.cab", "two"} }
	for _, base := range [][]byte{unsigned(), unsigned(set)} {
		signed := cabtest.Sign(base, at.Signature{Signer: w.vendor})
		f.Add(signed)
		f.Add(append(bytes.Clone(signed), 1, 2, 3))
		f.Add(cabtest.Sign(base, at.Signature{Signer: w.stranger}))
		f.Add(base)
		known[signedPart(base)] = true
	}
	v := New()
	f.Fuzz(func(t *testing.T, b []byte) {
		a := &verify.Artifact{Size: int64(len(b)), Content: bytes.NewReader(b)}
		if !v.Match(a) {
			return
		}
		found, err := v.Verify(t.Context(), a, w.env)
		if err != nil || len(found) == 0 || len(found) > authenticode.MaxFindings {
			t.Fatalf("%d findings, error %v", len(found), err)
		}
		for _, finding := range found {
			if finding.Status == verify.Valid && !finding.Signer.IsZero() && !known[signedPart(b)] {
				t.Fatalf("another cabinet is vouched for: %+v", finding)
			}
		}
	})
}

// signedPart returns what a signature of a cabinet covers, up to the end that the cabinet declares, and the fields that
// have to be zero.
func signedPart(b []byte) string {
	end := min(len(b), int(b[8])|int(b[9])<<8|int(b[10])<<16)
	return string(b[:34]) + string(b[36:44]) + string(b[52:end])
}
