package anomaly

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
)

var now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func artifact(name string, data []byte) *verify.Artifact {
	return &verify.Artifact{
		Name: name, Format: verify.Sniff(data[:min(len(data), verify.SniffLen)], name), Size: int64(len(data)),
		Content: bytes.NewReader(data), Digests: verify.Digests{SHA256: sha256.Sum256(data)},
	}
}

func zipped(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte("content"))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// linkedAt sets the time in a program's file header.
func linkedAt(image []byte, at time.Time) []byte {
	image = bytes.Clone(image)
	header := binary.LittleEndian.Uint32(image[60:])
	binary.LittleEndian.PutUint32(image[header+8:], uint32(at.Unix()))
	return image
}

func TestOneFile(t *testing.T) {
	image := at.BuildPE(at.Image{})
	signed := func(at time.Time) []verify.Finding {
		return []verify.Finding{{Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid", SignedAt: at}}
	}
	with := func(overlay []byte) []byte { return at.BuildPE(at.Image{Overlay: overlay}) }
	for name, c := range map[string]struct {
		file  string
		data  []byte
		found []verify.Finding
		want  string // codes
	}{
		"a program":                    {"setup.exe", image, nil, ""},
		"a text":                       {"notes.txt", []byte("text"), nil, ""},
		"a program called a document":  {"report.pdf.exe", image, nil, "double-extension"},
		"dots are not endings":         {"python3.12.exe", image, nil, ""},
		"an archive of a document":     {"report.pdf.zip", zipped(t, "a"), nil, ""},
		"right to left":                {"report\u202efdp.exe", image, nil, "misleading-name"},
		"spaces":                       {"report.pdf           .exe", image, nil, "double-extension misleading-name"},
		"a program called a picture":   {"logo.png", image, nil, "disguised"},
		"a picture":                    {"logo.png", []byte("\x89PNG\r\n\x1a\n"), nil, ""},
		"a Java archive behind":        {"setup.exe", with(zipped(t, "META-INF/MANIFEST.MF", "A.class")), nil, "polyglot"},
		"a zip file behind":            {"setup.exe", with(zipped(t, "a.txt")), nil, "polyglot"},
		"a zip file is one":            {"a.zip", zipped(t, "META-INF/MANIFEST.MF"), nil, ""},
		"a zip behind an installer":    {"a.msi", append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 pretends"), zipped(t, "META-INF/MANIFEST.MF")...), nil, "polyglot"},
		"the mark alone":               {"setup.exe", with(append([]byte("PK\x05\x06"), make([]byte, 40)...)), nil, ""},
		"noise behind":                 {"setup.exe", with(noise(100_000)), nil, "opaque-overlay"},
		"little noise behind":          {"setup.exe", with(noise(1000)), nil, ""},
		"text behind":                  {"setup.exe", with(bytes.Repeat([]byte("text "), 50_000)), nil, ""},
		"a cabinet behind":             {"setup.exe", with(append([]byte("MSCF\x00\x00\x00\x00"), noise(100_000)...)), nil, ""},
		"signed before it was linked":  {"a.dll", linkedAt(image, now.AddDate(0, -1, 0)), signed(now.AddDate(-1, 0, 0)), "signed-before-linked"},
		"signed when it was linked":    {"a.dll", linkedAt(image, now.AddDate(-1, 0, 0)), signed(now.AddDate(-1, 0, 1)), ""},
		"signed long after":            {"a.dll", linkedAt(image, now.AddDate(-9, 0, 0)), signed(now), "signed-long-after"},
		"a hash in place of a time":    {"a.dll", linkedAt(image, now.AddDate(20, 0, 0)), signed(now), ""},
		"the time of an untrusted one": {"a.dll", linkedAt(image, now.AddDate(0, -1, 0)), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			remarks, err := New().Review(t.Context(), artifact(c.file, c.data), c.found, verify.Env{At: now})
			if err != nil {
				t.Fatal(err)
			}
			if got := codes(t, remarks.Findings); got != c.want {
				t.Errorf("%q want %q: %+v", got, c.want, remarks.Findings)
			}
		})
	}
}

func TestAnInstallerSaysWhatItInstalls(t *testing.T) {
	data := msitest.Package{Name: "Desktop App", Version: "18.12.416", Manufacturer: "3CX Ltd"}.Build()
	remarks, err := New().Review(t.Context(), artifact("a.msi", data), nil, verify.Env{At: now})
	want := map[string]string{"product": "Desktop App", "version": "18.12.416", "company": "3CX Ltd"}
	if err != nil || !maps.Equal(remarks.Facts, want) {
		t.Errorf("%v, %v", remarks.Facts, err)
	}
	if remarks, err := New().Review(t.Context(), artifact("a.msi", data[:len(data)/2]), nil, verify.Env{At: now}); err != nil || remarks.Facts != nil {
		t.Errorf("half of it: %v, %v", remarks.Facts, err)
	}
}

// overlapping is a program with many resources that share the bytes of one.
func overlapping(many int) []byte {
	le := binary.LittleEndian
	large := bytes.Repeat([]byte("0123456789abcdef"), 2*opaqueSample/16)
	p := petest.Program{Resources: []petest.Resource{{Type: "10", Name: "1", Data: large}}}
	for i := range many {
		p.Resources = append(p.Resources, petest.Resource{Type: "10", Name: fmt.Sprint(2 + i), Data: fmt.Appendf(nil, "resource %07d", i)})
	}
	image := petest.Build(p)
	address := le.Uint32(image[bytes.Index(image, large)-16:]) // the entry before the bytes: where they are, and how many
	for i := range many {
		entry := image[bytes.Index(image, fmt.Appendf(nil, "resource %07d", i))-16:]
		le.PutUint32(entry, address+uint32(i))
		le.PutUint32(entry[4:], opaqueSample)
	}
	return image
}

func TestSharedResourcesAreLookedAtWithinBounds(t *testing.T) {
	for many, want := range map[int]string{1: "", 2000: "overlapping-resources"} {
		remarks, err := New().Review(t.Context(), artifact("a.exe", overlapping(many)), nil, verify.Env{At: now})
		if got := codes(t, remarks.Findings); err != nil || got != want {
			t.Errorf("%d resources: %q want %q, %v", many, got, want, err)
		}
	}
}

// codes returns the codes of findings, without the method, and checks what all of them have in common.
func codes(t *testing.T, findings []verify.Finding) string {
	t.Helper()
	var out []string
	for _, f := range findings {
		if f.Method != method || !f.Signer.IsZero() || len(f.Anchors) > 0 || f.Detail == "" || f.Status != verify.Untrusted && f.Status != verify.Valid {
			t.Errorf("a finding that is more than a remark: %+v", f)
		}
		out = append(out, strings.TrimPrefix(f.Code, method+"/"))
	}
	return strings.Join(out, " ")
}

// update is a report about an update with files that are each "path signer [company]".
func update(files ...string) (*verify.Artifact, *verify.Report) {
	r := &verify.Report{Facts: map[string]string{"product": "Desktop App", "version": "18.12.416"}, Contents: &verify.Contents{}}
	for _, f := range files {
		parts := strings.Split(f, "|")
		in := verify.Inner{Path: parts[0], Format: "pe", SHA256: sha256.Sum256([]byte(f)), Facts: map[string]string{}}
		if parts[1] != "" {
			r.Findings = append(r.Findings, verify.Finding{Subject: parts[0], Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid",
				Signer: verify.Identity{Name: parts[1], Organization: parts[1]}})
		}
		for _, fact := range parts[2:] {
			key, value, _ := strings.Cut(fact, "=")
			switch key {
			case "image":
				in.Taps = map[string][]byte{imageDigest: []byte(value + "-------")}
			case "wrong":
				r.Findings = append(r.Findings, verify.Finding{Subject: parts[0], Method: "authenticode", Status: verify.Invalid, Code: "authenticode/padding-data"})
			default:
				in.Facts[key] = value
			}
		}
		r.Contents.Inner = append(r.Contents.Inner, in)
	}
	return &verify.Artifact{Name: "app.msi", Format: "msi"}, r
}

func TestWholeUpdate(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"all signed":                             {[]string{"x/app.exe|3CX Ltd", "x/d3d.dll|Microsoft Corporation"}, "x/d3d.dll foreign-neighbour"},
		"a library that nobody signed":           {[]string{"x/app.exe|3CX Ltd", "x/ffmpeg.dll|"}, "x/ffmpeg.dll unsigned-neighbour"},
		"in another folder":                      {[]string{"x/app.exe|3CX Ltd", "y/ffmpeg.dll|"}, ""},
		"nobody signed anything":                 {[]string{"x/app.exe|", "x/ffmpeg.dll|"}, ""},
		"by who did not sign it":                 {[]string{"a.exe|3CX Ltd", "b/c.dll|Microsoft Corporation", "c/d.dll|3CX Ltd|company=Microsoft Corporation"}, "c/d.dll claims-publisher"},
		"by who did not sign it, as nobody did":  {[]string{"a.exe|3CX Ltd", "c/d.dll||company=3CX Limited."}, "c/d.dll claims-publisher"},
		"by who signed it, in other words":       {[]string{"a.exe|3CX Ltd|company=3CX, Ltd."}, ""},
		"by somebody who signed nothing here":    {[]string{"a.exe|3CX Ltd|company=FFmpeg Project"}, ""},
		"another version":                        {[]string{"a.exe|3CX Ltd|product=Desktop App|version=17.1.0"}, "a.exe other-version"},
		"the same version, further on":           {[]string{"a.exe|3CX Ltd|product=Desktop App|version=18.12.407"}, ""},
		"the same version with zeros":            {[]string{"a.exe|3CX Ltd|product=Desktop App|version=018.12"}, ""},
		"another version of something else":      {[]string{"a.exe|3CX Ltd|product=Helper|version=1.2"}, ""},
		"the same program with something hidden": {[]string{"a.dll|M|image=1", "b.dll|M|image=1|wrong"}, "b.dll same-program-other-bytes"},
		"a changed program that came first":      {[]string{"b.dll|M|image=1|wrong", "a.dll|M|image=1"}, ""},
		"a program that nobody signed, twice":    {[]string{"a.dll||image=1", "b.dll||image=1"}, ""},
		"two programs":                           {[]string{"a.dll|M|image=1", "b.dll|M|image=2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, r := update(c.files...)
			found, err := New().ReviewContents(t.Context(), a, r, verify.Env{At: now})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				if (f.Status == verify.Valid) != (f.Code == "anomaly/foreign-neighbour") {
					t.Errorf("%+v", f)
				}
				got = append(got, f.Subject+" "+codes(t, []verify.Finding{f}))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%q want %q", got, c.want)
			}
		})
	}
}

func TestSignedAgainIsNoFault(t *testing.T) {
	r := New()
	a, first := update("a.dll|M|image=1")
	b, second := update("other.dll|M|image=1")
	if found, _ := r.ReviewContents(t.Context(), a, first, verify.Env{}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	found, _ := r.ReviewContents(t.Context(), b, second, verify.Env{})
	if len(found) != 1 || found[0].Status != verify.Valid || found[0].Code != "anomaly/same-program-other-bytes" {
		t.Errorf("%+v", found)
	}
	if found, _ := r.ReviewContents(t.Context(), a, first, verify.Env{}); len(found) > 0 {
		t.Errorf("the same file again: %+v", found)
	}
}

func TestMuchOfOneKindIsCutShort(t *testing.T) {
	files := []string{"app.exe|3CX Ltd"}
	for i := range 500 {
		files = append(files, fmt.Sprintf("lib%d.dll|", i))
	}
	a, r := update(files...)
	found, err := New().ReviewContents(t.Context(), a, r, verify.Env{})
	if err != nil || len(found) != maxSaid || !strings.HasPrefix(found[maxSaid-1].Detail, "481 more") {
		t.Errorf("%d findings, %v, the last: %s", len(found), err, found[len(found)-1].Detail)
	}
}

func TestMemoryOfProgramsIsBounded(t *testing.T) {
	s := newPrograms()
	for i := range 3 * maxPrograms {
		s.remember(fmt.Sprint(i), seenProgram{})
	}
	if n := len(s.new) + len(s.old); n > maxPrograms {
		t.Errorf("%d programs are remembered", n)
	}
}

// TestRealPrograms: real signed programs say who made them, and nothing about them stands out.
func TestRealPrograms(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real programs are left out; .ci/test fetches them")
	}
	files, err := filepath.Glob(filepath.Join(dir, "authenticode-pe", "*", "*"))
	if err != nil || len(files) == 0 {
		t.Skip("no real programs in SALLYPORT_SAMPLES")
	}
	named := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		remarks, err := New().Review(t.Context(), artifact(filepath.Base(file), data), nil, verify.Env{At: now})
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if remarks.Facts["company"] != "" {
			named++
		}
		if got := codes(t, remarks.Findings); got != "" && !slices.Contains(standOut, filepath.Base(file)) {
			t.Errorf("%s: %s: %+v", file, got, remarks.Findings)
		}
	}
	if named < len(files)/2 {
		t.Errorf("%d of %d programs say by whom they are", named, len(files))
	}
}

// standOut are real programs about which something does.
var standOut = []string{}

func FuzzReview(f *testing.F) {
	image := at.BuildPE(at.Image{})
	f.Add("a.exe", image)
	f.Add("a.pdf.exe", at.BuildPE(at.Image{Overlay: zipped(f, "META-INF/MANIFEST.MF")}))
	f.Add("x", zipped(f, "a"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		remarks, err := New().Review(t.Context(), artifact(name, data), nil, verify.Env{At: now})
		if err != nil || len(remarks.Findings) > 64 {
			t.Fatalf("%d findings, %v", len(remarks.Findings), err)
		}
		codes(t, remarks.Findings)
	})
}

func BenchmarkReview(b *testing.B) {
	image := at.BuildPE(at.Image{Size: 4 << 20})
	a := artifact("a.exe", image)
	b.SetBytes(a.Size)
	for b.Loop() {
		if _, err := New().Review(b.Context(), a, nil, verify.Env{At: now}); err != nil {
			b.Fatal(err)
		}
	}
}
