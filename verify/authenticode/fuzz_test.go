package authenticode

import (
	"bytes"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
)

// FuzzVerify looks for files on which Verify panics, fails, keeps silent or says too much; and for files that are
// vouched for although they are not one of the signed seeds, the checksum aside.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	image := at.BuildPE(at.Image{Size: 512})
	known := map[string]bool{}
	for _, s := range []at.Signature{
		{Signer: w.vendor},
		{Signer: w.vendor, Timestamp: w.stamp(2022)},
		{Signer: w.vendor, Timestamp: &at.Timestamp{Authority: w.tsa, Time: now.AddDate(-2, 0, 0), Legacy: true}},
		{Signer: w.vendor, Nested: []at.Signature{{Signer: w.stranger}}},
		{Signer: w.stranger},
	} {
		signed := at.Sign(image, s)
		f.Add(signed)
		f.Add(at.Stuff(signed, noise(100)))
		known[string(covered(signed))] = true
	}
	f.Add(image)
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
			if finding.Status == verify.Valid && !finding.Signer.IsZero() && !known[string(covered(b))] {
				t.Fatalf("another program is vouched for: %+v", finding)
			}
		}
	})
}

// covered returns the part of an image that a signature covers.
func covered(image []byte) []byte {
	if len(image) < 256 {
		return image
	}
	checksum, directory, table, _ := at.Offsets(image)
	if directory+8 > len(image) || table > len(image) || table < directory {
		return image
	}
	return bytes.Join([][]byte{image[:checksum], image[checksum+4 : directory], image[directory+8 : table]}, nil)
}
