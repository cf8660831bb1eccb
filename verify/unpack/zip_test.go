package unpack

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
)

// zipCollector is an Inside that reads everything.
type zipCollector struct {
	files map[string]string
	order []string
	fail  error
}

func (c *zipCollector) Offer(e verify.Entry) error {
	if c.fail != nil {
		return c.fail
	}
	what := ""
	switch {
	case e.Directory:
		what = "(folder)"
	case e.Link != "":
		what = "(link to " + e.Link + ")"
	case e.Unread != "":
		what = "(unread) " + e.Unread
	default:
		r := e.Reader
		if e.Content != nil {
			r = io.NewSectionReader(e.Content, 0, e.Size)
		}
		b, err := io.ReadAll(r)
		what = string(b)
		if errors.Is(err, verify.ErrBroken) {
			what = "(broken)"
		} else if err != nil {
			return err
		}
	}
	if c.files == nil {
		c.files = map[string]string{}
	}
	c.files[e.Name] = what
	c.order = append(c.order, e.Name)
	return nil
}

func zipArtifact(b []byte) *verify.Artifact {
	return &verify.Artifact{Name: "a.zip", Size: int64(len(b)), Content: bytes.NewReader(b)}
}

func openZipBytes(t *testing.T, b []byte) (*zipCollector, []verify.Finding) {
	t.Helper()
	c := &zipCollector{}
	found, err := NewZip().Open(t.Context(), zipArtifact(b), c)
	if err != nil {
		t.Fatal(err)
	}
	return c, found
}

func TestZipOffersWhatIsInside(t *testing.T) {
	b := zt.File{Entries: []zt.Entry{
		{Name: "bin/"},
		{Name: "bin/tool", Content: []byte("stored")},
		{Name: "doc", Content: []byte("deflated deflated deflated"), Deflate: true, Descriptor: true},
		{Name: "link", Content: []byte("bin/tool"), Creator: 3 << 8, External: 0xa1ff << 16},
		{Name: "secret", Content: []byte("x"), Flags: 1},
		{Name: "odd", Content: []byte("x"), Method: 98},
		{Name: "damaged", Content: []byte("x"), CRC32: 5},
		{Name: "damaged too", Content: []byte("x"), CRC32: 5, Deflate: true},
	}}.Bytes()
	c, found := openZipBytes(t, b)
	want := map[string]string{"bin/": "(folder)", "bin/tool": "stored", "doc": "deflated deflated deflated", "link": "(link to bin/tool)",
		"damaged": "(broken)", "damaged too": "(broken)"}
	for name, content := range want {
		if c.files[name] != content {
			t.Errorf("%s: %q, want %q", name, c.files[name], content)
		}
	}
	if !strings.HasPrefix(c.files["secret"], "(unread)") || !strings.HasPrefix(c.files["odd"], "(unread)") || len(found) > 0 {
		t.Errorf("%q, %q, findings %+v", c.files["secret"], c.files["odd"], found)
	}
}

func TestZipFindingsAboutTheContainer(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"cut off":    {[]byte("PK\x03\x04 and no more"), "invalid zip/truncated "},
		"broken":     {append([]byte("PK\x03\x04"), zt.File{Entries: []zt.Entry{{Name: "a"}}}.Bytes()[4:]...), ""},
		"ambiguous":  {zt.File{Entries: []zt.Entry{{Name: "a", Content: []byte("x")}, {Name: "a"}}}.Bytes(), "invalid zip/duplicate a"},
		"overlap":    {zt.File{Entries: []zt.Entry{{Name: "a"}, {Name: "a", SameAs: 1}}}.Bytes(), "invalid zip/overlap a"},
		"not a zip":  {zt.File{Entries: []zt.Entry{{Name: "a"}}, Count: 7}.Bytes(), "invalid zip/malformed "},
		"after it":   {zt.File{Entries: []zt.Entry{{Name: "a"}}, Trailing: []byte("x")}.Bytes(), "invalid zip/trailing-data "},
		"hidden one": {zt.File{Entries: []zt.Entry{{Name: "a", Unlisted: true}, {Name: "b"}}}.Bytes(), "invalid zip/hidden-entry "},
	} {
		_, found := openZipBytes(t, c.data)
		var got []string
		for _, f := range found {
			got = append(got, f.Status.String()+" "+f.Code+" "+f.Subject)
		}
		if c.want != "" && !slices.Contains(got, c.want) || c.want == "" && len(got) > 0 {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestZipMatches(t *testing.T) {
	good := zt.File{Entries: []zt.Entry{{Name: "a"}}}
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"zip":               {good.Bytes(), true},
		"empty zip":         {zt.File{}.Bytes(), true},
		"behind something":  {zt.File{Prefix: []byte("MZ"), Entries: good.Entries}.Bytes(), false},
		"too short":         {[]byte("PK"), false},
		"something else":    {[]byte("#!/bin/sh\n"), false},
		"a split archive's": {[]byte("PK\x07\x08PK\x03\x04"), false},
	} {
		if got := NewZip().Match(zipArtifact(c.data)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestZipReturnsWhatInsideReturns(t *testing.T) {
	stop := errors.New("enough")
	b := zt.File{Entries: []zt.Entry{{Name: "a", Content: []byte("x")}}}.Bytes()
	if _, err := NewZip().Open(t.Context(), zipArtifact(b), &zipCollector{fail: stop}); err != stop {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewZip().Open(ctx, zipArtifact(b), &zipCollector{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestZipAgreesWithOtherWriters makes archives with the writers of Go, Python, Info-ZIP, 7-Zip and libarchive, and reads them.
func TestZipAgreesWithOtherWriters(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("the quick brown fox ", 500)
	for i := range 5 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file %d.txt", i)), []byte(content[:i*1999]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made := map[string][]byte{"go": goZip(t, content)}
	for name, args := range map[string][]string{
		"python":         {"python3", "-c", "import zipfile,glob\nz=zipfile.ZipFile('python.zip','w',zipfile.ZIP_DEFLATED)\nfor f in sorted(glob.glob('*.txt')): z.write(f)\nz.close()"},
		"python-bzip2":   {"python3", "-c", "import zipfile,glob\nz=zipfile.ZipFile('python-bzip2.zip','w',zipfile.ZIP_BZIP2)\nfor f in sorted(glob.glob('*.txt')): z.write(f)\nz.close()"},
		"python-zip64":   {"python3", "-c", "import zipfile,glob\nz=zipfile.ZipFile('python-zip64.zip','w')\nfor f in sorted(glob.glob('*.txt')):\n  with z.open(f,'w',force_zip64=True) as o: o.write(open(f,'rb').read())\nz.close()"},
		"info-zip":       {"zip", "-q", "info-zip.zip", "-r", "."},
		"info-zip-piped": {"sh", "-c", "zip -q - *.txt | cat > info-zip-piped.zip"},
		"7z":             {"7z", "a", "-bso0", "-bd", "7z.zip", "*.txt"},
		"bsdtar":         {"sh", "-c", "bsdtar -a -cf bsdtar.zip *.txt"},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Logf("%s is not installed: its archives are left out", args[0])
			continue
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s: %v %s: left out", name, err, out)
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		made[name] = b
	}
	for name, b := range made {
		c, found := openZipBytes(t, b)
		for _, f := range found {
			if f.Status != verify.Valid {
				t.Errorf("%s: %+v", name, f)
			}
		}
		n := 0
		for file, got := range c.files {
			if i := strings.Index(file, "file "); i >= 0 && len(got) > 0 && !strings.HasPrefix(content, got) {
				t.Errorf("%s: %s has other content", name, file)
			} else if i >= 0 {
				n++
			}
		}
		if n != 5 {
			t.Errorf("%s: %d of 5 files", name, n)
		}
	}
}

func goZip(t *testing.T, content string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range 5 {
		f, err := w.Create(fmt.Sprintf("file %d.txt", i))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, content[:i*1999])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestZipRealSamples demands that no archive that a vendor ships is Invalid. Samples that are made to be wrong are listed.
func TestZipRealSamples(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real samples are left out; .ci/test fetches them")
	}
	wrong := map[string]string{
		"v2-only-wrong-apk-sig-block-magic.apk":                              "zip/gap",
		"v3-only-with-ecdsa-sha512-p384-wrong-apk-sig-block-magic.apk":       "zip/gap",
		"v2-only-apk-sig-block-size-mismatch.apk":                            "zip/gap",
		"v3-only-with-rsa-pkcs1-sha512-4096-apk-sig-block-size-mismatch.apk": "zip/gap",
		"v3-only-with-rsa-pkcs1-sha512-8192-digest-mismatch.apk":             "zip/local-mismatch",
		"v1-only-with-nul-in-entry-name.apk":                                 "zip/ambiguous-name",
		"mismatched-compression-method.apk":                                  "zip/local-mismatch",
		"v1v2v3-with-rsa-2048-lineage-3-signers-invalid-zip.apk":             "zip/malformed",
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !NewZip().Match(zipArtifact(b)) {
			return nil
		}
		n++
		c, found := openZipBytes(t, b)
		code := ""
		for _, f := range found {
			if f.Status == verify.Invalid {
				code = f.Code
			}
		}
		for name, what := range c.files {
			if what == "(broken)" {
				code = "broken: " + name
			}
		}
		if code != wrong[filepath.Base(path)] {
			t.Errorf("%s: %q, want %q; %+v", path, code, wrong[filepath.Base(path)], found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d archives", n)
}

func FuzzOpenZip(f *testing.F) {
	f.Add(zt.File{Entries: []zt.Entry{{Name: "a", Content: []byte("x")}, {Name: "l", Content: []byte("a"), Creator: 3 << 8, External: 0xa1ff << 16}}}.Bytes())
	f.Add(zt.File{Entries: []zt.Entry{{Name: "a", Content: []byte("xxxxxxxxx"), Deflate: true, Descriptor: true, Wide: true}}, Zip64: true}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &zipLimited{}
		found, err := NewZip().Open(t.Context(), zipArtifact(b), c)
		if err != nil || len(found) > 200 {
			t.Fatalf("%d findings, %v", len(found), err)
		}
		for _, x := range found {
			if x.Method != "zip" || !strings.HasPrefix(x.Code, "zip/") || x.Detail == "" || !x.Signer.IsZero() {
				t.Fatalf("%+v", x)
			}
		}
	})
}

// zipLimited reads at most a MiB of each entry.
type zipLimited struct{}

func (zipLimited) Offer(e verify.Entry) error {
	if e.Reader != nil {
		n, err := io.Copy(io.Discard, io.LimitReader(e.Reader, 1<<20))
		if err != nil && !errors.Is(err, verify.ErrBroken) || n > e.Size {
			return fmt.Errorf("%d bytes of %d: %w", n, e.Size, err)
		}
	}
	return nil
}

// BenchmarkOpenZip opens an archive of 2,000 files and 64 MiB.
func BenchmarkOpenZip(b *testing.B) {
	var f zt.File
	for i := range 2000 {
		f.Entries = append(f.Entries, zt.Entry{Name: fmt.Sprintf("dir/file-%04d.bin", i), Content: bytes.Repeat([]byte{byte(i), byte(i >> 3), 7}, 11000), Deflate: i%2 == 0, Descriptor: true})
	}
	data := f.Bytes()
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if found, err := NewZip().Open(b.Context(), zipArtifact(data), zipLimited{}); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}
