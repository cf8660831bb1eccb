package nuget

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
	nt "github.com/sallyport-project/sallyport/verify/nuget/nugettest"
)

// FuzzVerify looks for packages that make the verifier panic, fail or keep silent, and for those that it vouches for
// although what was signed is not one of the seeds.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	for _, p := range []nt.Package{
		{Signature: &nt.Signature{Signer: w.author}},
		{Signature: &nt.Signature{Signer: w.repo, Repository: true, Owners: []string{"a"}}},
		{Signature: &nt.Signature{Signer: w.author, Counter: []nt.Signature{{Signer: w.repo, Repository: true}}}},
	} {
		signed := p.Bytes()
		p.Signature = nil
		f.Add(p.Bytes())
		f.Add(signed)
		known[covered(signed)] = true
	}
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "nuget", "*"))
		for _, name := range files {
			if b, err := os.ReadFile(name); err == nil && len(b) < 16<<10 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a := &verify.Artifact{Format: "nupkg", Size: int64(len(b)), Content: bytes.NewReader(b)}
		found, err := New().Verify(t.Context(), a, w.env)
		if err != nil || len(found) == 0 {
			t.Fatalf("%d findings, %v", len(found), err)
		}
		for _, x := range found {
			if x.Status == verify.Valid && !x.Signer.IsZero() && !known[covered(b)] {
				t.Fatalf("another package is vouched for: %+v", x)
			}
		}
	})
}

// covered is everything before the signature's entry.
func covered(b []byte) string { return string(b[:max(0, bytes.Index(b, []byte(signatureName))-30)]) }

func FuzzParseContent(f *testing.F) {
	f.Add([]byte("Version:1\r\n\r\n2.16.840.1.101.3.4.2.1-Hash:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, sum, err := parseContent(&cms.SignedData{ContentType: cms.OIDData, Octets: true, Content: b})
		if err == nil && len(sum) != h.Size() {
			t.Fatalf("%d bytes of %v", len(sum), h)
		}
	})
}

// BenchmarkVerifyNuget verifies a signed package of 32 MiB.
func BenchmarkVerifyNuget(b *testing.B) {
	w := newWorld()
	p := nt.Package{Signature: &nt.Signature{Signer: w.author}, Entries: []zt.Entry{
		{Name: "a.nuspec", Content: []byte(nt.Nuspec)}, {Name: "lib/a.dll", Content: make([]byte, 32<<20)}}}
	data := p.Bytes()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		found, err := New().Verify(b.Context(), &verify.Artifact{Size: int64(len(data)), Content: bytes.NewReader(data)}, w.env)
		if err != nil || found[0].Status != verify.Valid {
			b.Fatal(found, err)
		}
	}
}
