package msi

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
)

// FuzzVerify looks for files on which Verify panics, fails, keeps silent or says too much; and for files that are
// vouched for without reserve although their streams are not those of a signed seed.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	for _, version4 := range []bool{false, true} {
		small := msitest.Package{Version4: version4, More: []*msitest.Node{msitest.Stream("Large", noise(4100, 1))}}.Build()
		for _, file := range [][]byte{
			msitest.Sign(small, at.Signature{Signer: w.vendor}),
			msitest.SignContent(small, at.Signature{Signer: w.vendor}),
			msitest.Sign(small, at.Signature{Signer: w.stranger}),
		} {
			f.Add(file)
			f.Add(append(bytes.Clone(file), noise(100, 3)...))
			known[content(file)] = true
		}
		f.Add(small)
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
		vouched := false
		for _, finding := range found {
			if finding.Status == verify.Invalid {
				return
			}
			vouched = vouched || finding.Status == verify.Valid && !finding.Signer.IsZero()
		}
		if vouched && !known[content(b)] {
			t.Fatalf("another installer is vouched for: %+v", found)
		}
	})
}

// content is everything of an installer that a signature with metadata digest covers, apart from the signature.
func content(file []byte) string {
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return ""
	}
	_, root := msitest.Parse(file)
	extended := false
	for _, n := range root.Children {
		extended = extended || n.Name == "\x05MsiDigitalSignatureEx"
	}
	var out bytes.Buffer
	describe(&out, root, extended)
	return fmt.Sprintf("%d %s", f.Version, out.String())
}

func describe(out *bytes.Buffer, n *msitest.Node, extended bool) {
	if extended {
		fmt.Fprintf(out, "%q %d ", n.Name, n.State)
	}
	fmt.Fprintf(out, "%x %x\n", n.CLSID, n.Data)
	for _, c := range n.Children {
		if c.Name[0] != 5 || c.Name == "\x05SummaryInformation" {
			describe(out, c, extended)
		}
	}
}
