package appx

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	ax "github.com/sallyport-project/sallyport/verify/appx/appxtest"
)

// FuzzVerify looks for packages that make the verifier panic, fail or keep silent, and for those that it vouches for
// although their covered bytes are not those of a signed seed.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	for _, p := range []ax.Package{
		{Files: []ax.File{{Name: "a", Content: []byte("aaaa")}}},
		{Files: []ax.File{{Name: "a b", Content: []byte("b"), Stored: true}}, Catalogue: true},
		{Inner: []ax.Inner{{Name: "x.msix", Version: "1.2.3.4", Content: ax.Package{Files: []ax.File{{Name: "a"}}}.Bytes()}}},
	} {
		f.Add(p.Bytes())
		p.Signer = w.vendor
		b := p.Bytes()
		f.Add(b)
		known[covered(b)] = true
	}
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "appx", "*.msix"))
		for _, name := range files {
			if b, err := os.ReadFile(name); err == nil {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := New().Verify(t.Context(), artifact(b), w.env)
		if err != nil || len(found) == 0 {
			t.Fatalf("%d findings, %v", len(found), err)
		}
		vouched := false
		for _, x := range found {
			if x.Status == verify.Invalid && x.Subject == "" {
				return
			}
			vouched = vouched || x.Status == verify.Valid && !x.Signer.IsZero() && x.Subject == ""
		}
		if vouched && !known[covered(b)] {
			t.Fatalf("another package is vouched for: %+v", found)
		}
	})
}

// covered is everything before the signature.
func covered(b []byte) string {
	at := bytes.LastIndex(b, []byte("AppxSignature.p7xPKCX"))
	return string(b[:max(0, at-30)])
}

func FuzzParseBlockMap(f *testing.F) {
	f.Add([]byte(`<BlockMap xmlns="http://schemas.microsoft.com/appx/2010/blockmap" HashMethod="http://www.w3.org/2001/04/xmlenc#sha256"><File Name="a" Size="1" LfhSize="31"><Block Hash="ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=" Size="3"/></File></BlockMap>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseBlockMap(b)
		if err != nil {
			return
		}
		for _, file := range m.files {
			for _, block := range file.blocks {
				if len(block.sum) != m.hash.Size() || file.size < 0 {
					t.Fatalf("%+v", file)
				}
			}
		}
	})
}

func FuzzComparePublisher(f *testing.F) {
	subject := newWorld().vendor.Certificate.RawSubject
	f.Add(`CN="Test Publisher", O=Test\ Publisher, C=DE`)
	f.Add("C=DE;O=a+CN=b")
	f.Fuzz(func(t *testing.T, text string) {
		if comparePublisher(text, subject) == "" && !bytes.Contains([]byte(text), []byte("Publisher")) {
			t.Fatalf("%q is taken for the publisher", text)
		}
	})
}

// BenchmarkVerifyAppx verifies a signed package of 32 MiB in 200 files.
func BenchmarkVerifyAppx(b *testing.B) {
	w := newWorld()
	p := ax.Package{Signer: w.vendor}
	for i := range 200 {
		p.Files = append(p.Files, ax.File{Name: "dir/file" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Content: bytes.Repeat([]byte{byte(i), 1, 2, 3, 5, 8, 13}, 24000), Stored: i%2 == 0})
	}
	data := p.Bytes()
	b.SetBytes(200 * 168000)
	b.ReportAllocs()
	for b.Loop() {
		found, err := New().Verify(b.Context(), artifact(data), w.env)
		if err != nil || found[0].Status != verify.Valid || len(found) != 2 {
			b.Fatal(found, err)
		}
	}
}
