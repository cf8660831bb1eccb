package msi

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// world is a small public-key infrastructure and the moment in which it is looked at.
type world struct {
	root     *at.CA
	vendor   *at.Signer
	stranger *at.Signer
	tsa      *at.Signer
	env      verify.Env
}

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func newWorld() *world {
	w := &world{root: at.NewCA("Test Code Root")}
	stamps := at.NewCA("Test Stamp Root")
	w.vendor = w.root.Intermediate("Test Issuing CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{Organization: "3CX Ltd", RSA: true})
	w.stranger = at.NewCA("Other Root").Issue(at.Leaf{Organization: "3CX Ltd"})
	w.tsa = stamps.TSA("Test TSA")
	w.env = verify.Env{At: now, Trust: verify.Trust{
		CodeSigning:  []*x509.Certificate{w.root.Certificate},
		Timestamping: []*x509.Certificate{stamps.Certificate},
	}}
	return w
}

// want is a list of codes with their statuses, such as "valid:valid" or "invalid:padding-data".
func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent}
	var out []verifytest.Want
	for _, item := range list {
		status, code, _ := strings.Cut(item, ":")
		out = append(out, verifytest.Want{Status: statuses[status], Code: "authenticode/" + code})
	}
	return out
}

// sample is an installer with streams of all sizes, large ones and small ones, an empty one and a storage.
func sample(version4 bool) []byte {
	return msitest.Package{
		Version4: version4,
		Cabinet:  noise(10_000, 1),
		Files:    []msitest.File{{Key: "filA", Path: "bin/app.exe", Size: 5000}, {Key: "filB", Path: "bin/app.dll", Size: 5000}},
		Binaries: []msitest.Binary{{Name: "Helper", Data: noise(600, 2)}},
		More: []*msitest.Node{
			{Name: "Empty"},
			{Name: "Folder", Storage: true, CLSID: msidb.ClassTransform, State: 7, Created: 1 << 50, Modified: 1 << 51, Children: []*msitest.Node{
				msitest.Stream("Inner", noise(6000, 3)), msitest.Stream("Small", noise(100, 4)),
			}},
		},
	}.Build()
}

func noise(n int, seed byte) []byte {
	b := make([]byte, n)
	state := uint32(seed) + 1
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state >> 24)
	}
	return b
}

func TestSignatures(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	file := sample(false)
	expired := w.root.Issue(at.Leaf{Organization: "3CX Ltd", NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	stamp := &at.Timestamp{Authority: w.tsa, Time: time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC)}
	sign := func(s at.Signature) []byte { return msitest.Sign(file, s) }
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"with metadata digest":            {sign(at.Signature{Signer: w.vendor}), want("valid:valid")},
		"version 4, expired":              {msitest.Sign(sample(true), at.Signature{Signer: expired, Timestamp: stamp}), want("valid:valid")},
		"without metadata digest":         {msitest.SignContent(file, at.Signature{Signer: w.vendor}), want("valid:valid", "valid:no-metadata-digest")},
		"SHA-384":                         {sign(at.Signature{Signer: w.vendor, Hash: crypto.SHA384}), want("valid:valid")},
		"SHA-1 without a timestamp":       {sign(at.Signature{Signer: w.vendor, Hash: crypto.SHA1}), want("untrusted:weak-digest")},
		"two signatures, one hash":        {sign(at.Signature{Signer: w.vendor, Nested: []at.Signature{{Signer: w.stranger}}}), want("valid:valid", "untrusted:untrusted-root")},
		"two hashes, no metadata digest":  {msitest.SignContent(file, at.Signature{Signer: w.vendor, Nested: []at.Signature{{Signer: w.vendor, Hash: crypto.SHA512}}}), want("valid:valid", "valid:valid", "valid:no-metadata-digest")},
		"two hashes, one metadata digest": {sign(at.Signature{Signer: w.vendor, Nested: []at.Signature{{Signer: w.vendor, Hash: crypto.SHA512}}}), want("valid:valid", "invalid:digest-mismatch", "invalid:metadata-mismatch")},
		"by a stranger":                   {sign(at.Signature{Signer: w.stranger}), want("untrusted:untrusted-root")},
		"unsigned":                        {file, want("absent:unsigned")},
		"of a program":                    {sign(at.Signature{Signer: w.vendor, Kind: cms.OIDPEImageData}), want("invalid:malformed")},
		"of a script":                     {sign(at.Signature{Signer: w.vendor, Data: at.SubjectInfo(at.PowerShell.Subject)}), want("invalid:malformed")},
		"of another file":                 {sign(at.Signature{Signer: w.vendor, Digest: make([]byte, 32)}), want("invalid:digest-mismatch")},
		"with a wrong signature value":    {sign(at.Signature{Signer: w.vendor, Breaks: true}), want("invalid:bad-signature")},
	} {
		test := verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Uncovered: uncovered(c.data), Flips: 120}
		if strings.Contains(name, "metadata digest") && name != "with metadata digest" {
			test.Uncovered, test.Flips = nil, -1 // TestWithoutMetadataDigest says what may change
		}
		if hasNarrowSlack(c.data) {
			test.Uncovered, test.Flips = nil, -1 // the length of the signature is a matter of luck
		}
		verifytest.Run(t, New(), test)
	}
}

// uncovered are the bytes of a signed installer that may change while it stays valid.
func uncovered(file []byte) []verifytest.Range {
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil
	}
	minis := (f.Root.Size + 63) / 64
	fillers := (f.Root.Size+f.SectorSize-1)/f.SectorSize*f.SectorSize/64 - minis
	var out []verifytest.Range
	for n := range f.Sectors() {
		if f.Owner(n) == "the mini FAT" && fillers > 0 {
			at := int64(n+1)*f.SectorSize + 4*minis
			out = append(out, verifytest.Range{From: at, To: at + 4*fillers, Why: "the mini sectors after the mini stream's end may be marked as free or as an end"})
			fillers = 0
		}
	}
	out = append(out, []verifytest.Range{
		{From: 24, To: 26, Why: "the minor version means nothing"},
		{From: 52, To: 56, Why: "the number of the last transaction means nothing"},
	}...)
	for n := range f.Sectors() {
		if f.Owner(n) != "the directory" {
			continue
		}
		for e := range f.SectorSize / 128 {
			at := int64(n+1)*f.SectorSize + e*128
			if file[at+66] == 0 {
				continue
			}
			out = append(out, verifytest.Range{From: at + 67, To: at + 68, Why: "the colour only balances the directory's tree"})
			if n := utf16Name(file[at:]); strings.HasPrefix(n, "\x05DigitalS") || strings.HasPrefix(n, "\x05MsiDigital") {
				out = append(out, verifytest.Range{From: at + 96, To: at + 116, Why: "state bits and times of the signature's own streams are not covered"})
			} else if file[at+66] == 5 {
				out = append(out, verifytest.Range{From: at + 100, To: at + 116, Why: "the times of the root are not covered"},
					verifytest.Range{From: at, To: at + 20, Why: "the name of the root means nothing"})
			}
			if file[at+66] == 5 && f.Root.Size%f.SectorSize != 0 {
				out = append(out, verifytest.Range{From: at + 120, To: at + 122, Why: "the mini stream may end anywhere in its last sector, behind the last small stream"})
			}
		}
	}
	return out
}

// hasNarrowSlack reports whether a stream has so few bytes behind its end that a change there can be a copy of others in
// the installer, which leaves a remark only.
func hasNarrowSlack(file []byte) bool {
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	return err == nil && slices.ContainsFunc(f.Entries, func(e *cfb.Entry) bool {
		_, n := f.Slack(e)
		return n > 0 && n < 16
	})
}

func utf16Name(b []byte) string {
	var out []byte
	for i := 0; b[i] != 0 && i < 62; i += 2 {
		out = append(out, b[i])
	}
	return string(out)
}

func TestOtherCompoundFilesAreNotMatched(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	document := msitest.WriteCompound(3, &msitest.Node{Storage: true, CLSID: [16]byte{6, 9, 2}, Children: []*msitest.Node{msitest.Stream("WordDocument", noise(5000, 1))}})
	patch := msitest.WriteCompound(3, &msitest.Node{Storage: true, CLSID: msidb.ClassPatch, Children: []*msitest.Node{msitest.Stream("PCW_CAB", noise(5000, 1))}})
	verifytest.Run(t, New(),
		verifytest.Case{Name: "a document", Data: document},
		verifytest.Case{Name: "text", Data: []byte(strings.Repeat("text ", 200))},
		verifytest.Case{Name: "a magic and no more", Data: []byte(cfb.Magic)},
		verifytest.Case{Name: "a patch", Data: patch, Want: want("absent:unsigned")},
		verifytest.Case{Name: "a broken one", Data: append([]byte(cfb.Magic), make([]byte, 600)...), Want: want("invalid:malformed")},
	)
}

// TestRealSamples has the verdicts on real installers, with the embedded roots.
func TestRealSamples(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real installers are left out")
	}
	for _, c := range []struct {
		file string
		want []verifytest.Want
	}{
		{"putty-0.83.msi", want("untrusted:weak-digest", "valid:valid", "valid:no-metadata-digest")},
		{"jsign-minimal-signed-with-signtool.msi", want("untrusted:untrusted-root")},
		{"relic-dummy.msi", want("absent:unsigned")},
	} {
		path := filepath.Join(dir, "msi", c.file)
		if _, err := os.Stat(path); err != nil {
			t.Logf("%s is not there: left out", c.file)
			continue
		}
		verifytest.Run(t, New(), verifytest.Case{Name: c.file, File: path, Want: c.want, Flips: -1,
			Env: verify.Env{At: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}})
	}
}
