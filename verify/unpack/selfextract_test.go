package unpack

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

func smallCabinet(content string) []byte {
	return cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: cabtest.MSZIP, Files: []cabtest.File{{Name: "a.txt", Data: []byte(content)}}}}})
}

// smallZip writes an archive whose offsets count from base bytes before it.
func smallZip(t testing.TB, base int64) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.SetOffset(base)
	f, err := w.Create("a.txt")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("zipped"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bundle is a program as WiX makes it: a section that says where the containers lie, and the containers.
func bundle(ux, attached []byte) []byte {
	section := make([]byte, 56)
	le := binary.LittleEndian
	le.PutUint32(section, 0x00f14300)
	le.PutUint32(section[4:], 2)
	le.PutUint32(section[40:], 1)
	le.PutUint32(section[44:], 2)
	le.PutUint32(section[48:], uint32(len(ux)))
	le.PutUint32(section[52:], uint32(len(attached)))
	sections := []petest.Section{{Name: ".text", Data: make([]byte, 100)}, {Name: ".wixburn", Data: section}}
	le.PutUint32(section[24:], uint32(len(petest.Build(petest.Program{Sections: sections}))))
	return petest.Build(petest.Program{Sections: sections, Overlay: slices.Concat(ux, attached)})
}

func TestSelfExtractorFinds(t *testing.T) {
	stub := petest.Build(petest.Program{})
	cabinet, other := smallCabinet("one"), smallCabinet("two")
	inner := petest.Build(petest.Program{DLL: true})
	nsis := append([]byte{0, 0, 0, 0}, "\xef\xbe\xad\xdeNullsoftInst and what follows"...)
	inno := petest.Build(petest.Program{Resources: []petest.Resource{{Type: "10", Name: "11111", Data: append([]byte("rDlPtS\xcd\xe6\xd7\x7b\x0b\x2a"), make([]byte, 52)...)}}})
	msi := append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 2000)...)
	none := []string(nil)
	unread := []string{"inconclusive:not-looked-into"}
	for name, c := range map[string]struct {
		data  []byte
		want  []string
		names []string
	}{
		"cabinet in the overlay":       {slices.Concat(stub, cabinet), none, []string{"overlay.cab"}},
		"after a configuration":        {slices.Concat(stub, []byte(";!@Install@!UTF-8!"), cabinet), none, []string{"overlay.cab"}},
		"two cabinets":                 {slices.Concat(stub, cabinet, other), none, []string{"overlay.cab", "overlay-2.cab"}},
		"zip file":                     {slices.Concat(stub, smallZip(t, 0)), none, []string{"overlay.zip"}},
		"zip file, offsets adjusted":   {slices.Concat(stub, smallZip(t, int64(len(stub)))), none, []string{"overlay.zip/a.txt"}},
		"cabinet and zip file":         {slices.Concat(stub, cabinet, smallZip(t, 0)), none, []string{"overlay.cab", "overlay.zip"}},
		"zip file and zeros":           {slices.Concat(stub, smallZip(t, 0), make([]byte, 7)), none, []string{"overlay.zip"}},
		"program":                      {slices.Concat(stub, inner), none, []string{"overlay.exe"}},
		"MSI":                          {slices.Concat(stub, msi), none, []string{"overlay.msi"}},
		"RAR":                          {slices.Concat(stub, []byte("Rar!\x1a\x07\x01\x00........")), unread, []string{"overlay.rar"}},
		"NSIS":                         {slices.Concat(stub, nsis), unread, []string{"overlay.nsis"}},
		"Inno Setup":                   {slices.Concat(inno, []byte("....zlb\x1a........")), unread, []string{"overlay.inno"}},
		"Inno Setup, its data":         {slices.Concat(inno, []byte("Inno Setup Setup Data (6.2.0)")), unread, []string{"overlay.inno"}},
		"a mark without Inno's table":  {slices.Concat(stub, []byte("....zlb\x1a........")), []string{"no match"}, nil},
		"InstallShield":                {slices.Concat(stub, []byte("InstallShield\x00........")), unread, []string{"overlay.installshield"}},
		"WiX bundle":                   {bundle(cabinet, other), none, []string{"bundle/ux.cab", "bundle/attached.cab"}},
		"WiX bundle, container gone":   {bundle(cabinet, other)[:len(stub)+100], unread, nil},
		"much that belongs to nothing": {slices.Concat(stub, cabinet, bytes.Repeat([]byte("x"), 100<<10)), unread, []string{"overlay.cab"}},
		"nothing":                      {stub, []string{"no match"}, nil},
		"an overlay of another kind":   {slices.Concat(stub, []byte("just some text")), []string{"no match"}, nil},
		"no program":                   {[]byte("#!/bin/sh"), []string{"no match"}, nil},
		"resources": {petest.Build(petest.Program{Resources: []petest.Resource{
			{Type: "10", Name: "102", Data: cabinet}, {Type: "DATA", Name: "131", Data: smallZip(t, 0)}, {Type: "BIN", Name: "X64", Data: inner}, {Type: "10", Name: "103", Data: msi},
			{Type: "3", Name: "1", Data: cabinet}, {Type: "10", Name: "104", Data: []byte(strings.Repeat("text", 50))}, {Type: "10", Name: "105", Data: []byte("MZ" + strings.Repeat("no program", 50))}}}),
			none, []string{"resources/10/102", "resources/10/103", "resources/BIN/X64", "resources/DATA/131"}},
		"section": {petest.Build(petest.Program{Sections: []petest.Section{{Name: ".text", Data: make([]byte, 100)}, {Name: "_winzip_", Data: smallZip(t, 0)}}}),
			none, []string{"sections/_winzip_.zip"}},
	} {
		s, found := openWith(t, NewSelfExtractor(), c.data)
		for i := range c.names {
			c.names[i] = strings.Replace(c.names[i], "resources/10/", "resources/RCDATA/", 1)
		}
		slices.Sort(c.names)
		slices.Sort(s.order)
		if !slices.Equal(found, c.want) || !slices.Equal(s.order, c.names) {
			t.Errorf("%s: findings %v, want %v; entries %q, want %q", name, found, c.want, s.order, c.names)
		}
	}
}

// What is found opens with its own opener, wherever it stood.
func TestWhatIsFoundOpens(t *testing.T) {
	stub := petest.Build(petest.Program{Resources: []petest.Resource{{Type: "10", Name: "1", Data: smallCabinet("in a resource")}}})
	s, found := openWith(t, NewSelfExtractor(), slices.Concat(stub, smallCabinet("in the overlay"), smallZip(t, 0)), NewCAB(), NewZip(), NewSevenZip())
	want := map[string]string{"resources/RCDATA/1!a.txt": "in a resource", "overlay.cab!a.txt": "in the overlay", "overlay.zip!a.txt": "zipped"}
	for name, content := range want {
		if string(s.files[name]) != content {
			t.Errorf("%s: %q", name, s.files[name])
		}
	}
	if len(found) > 0 {
		t.Errorf("findings %v, files %v", found, slices.Sorted(maps.Keys(s.files)))
	}
}

// A signed program's archive stands before its signature.
func TestSelfExtractorBeforeASignature(t *testing.T) {
	signed := signedProgram(slices.Concat(petest.Build(petest.Program{}), smallZip(t, 0)))
	if s, found := openWith(t, NewSelfExtractor(), signed, NewZip()); string(s.files["overlay.zip!a.txt"]) != "zipped" || len(found) > 0 {
		t.Errorf("files %v, findings %v", s.order, found)
	}
}

// signedProgram adds a certificate table with something in it.
func signedProgram(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	le := binary.LittleEndian
	le.PutUint32(b[152+112+32:], uint32(len(b)))
	le.PutUint32(b[152+112+36:], 16)
	return append(b, 16, 0, 0, 0, 0, 2, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8)
}

func TestSelfExtractorsOf7Zip(t *testing.T) {
	dir := sevenZipTree(t)
	packed := pack7z(t, dir)
	s, found := openWith(t, NewSelfExtractor(), slices.Concat(petest.Build(petest.Program{}), []byte(";!@Install@!UTF-8!\r\nTitle=\"x\"\r\n;!@InstallEnd@!"), packed), NewSevenZip())
	got := map[string][]byte{}
	for name, b := range s.files {
		if inside, ok := strings.CutPrefix(name, "overlay.7z!"); ok {
			got[inside] = b
		}
	}
	if diff := cmp.Diff(shaBelow(t, dir), shaOf(got)); diff != "" || len(found) > 0 {
		t.Errorf("(-packed +ours)\n%s\n%v", diff, found)
	}
}

func TestInstallersOfNSIS(t *testing.T) {
	tool := referenceTool(t, "makensis")
	dir := t.TempDir()
	script := "Name t\nOutFile t.exe\nSection\nSetOutPath $TEMP\nFile s.nsi\nSectionEnd\n"
	if err := os.WriteFile(filepath.Join(dir, "s.nsi"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, compressor := range []string{"zlib", "bzip2", "lzma", "/SOLID lzma"} {
		runTool(t, dir, tool, "-V1", "-XSetCompressor "+compressor, "s.nsi")
		b, err := os.ReadFile(filepath.Join(dir, "t.exe"))
		if err != nil {
			t.Fatal(err)
		}
		if s, found := openWith(t, NewSelfExtractor(), b); s.unread["overlay.nsis"] == "" || !slices.Equal(found, []string{"inconclusive:not-looked-into"}) {
			t.Errorf("%s: entries %v, findings %v", compressor, s.order, found)
		}
	}
}

// TestRealPrograms looks into every program below the samples' directory. What 7z unpacks of those with an archive,
// we unpack with the same content.
func TestRealPrograms(t *testing.T) {
	root := os.Getenv("SALLYPORT_SAMPLES")
	if root == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real programs are left out; .ci/test fetches them")
	}
	tool := referenceTool(t, "7z")
	seen := 0
	for _, pattern := range []string{"*", "*/*"} {
		files, _ := filepath.Glob(filepath.Join(root, "authenticode-pe", pattern))
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil || !NewSelfExtractor().Match(artifactOf(b)) {
				continue
			}
			seen++
			t.Run(filepath.Base(file), func(t *testing.T) { realProgram(t, tool, b) })
		}
	}
	t.Logf("%d programs that carry something", seen)
}

// realProgram has 7z unpack every archive that a program carries.
func realProgram(t *testing.T, tool string, b []byte) {
	s := newSink()
	if _, err := NewSelfExtractor().Open(t.Context(), artifactOf(b), s); err != nil {
		t.Fatal(err)
	}
	for name, content := range s.files {
		for _, o := range []verify.Opener{NewCAB(), NewSevenZip()} {
			if !o.Match(artifactOf(content)) {
				continue
			}
			inner, found := openWith(t, o, content)
			dir := t.TempDir()
			file, into := filepath.Join(dir, "a"), filepath.Join(dir, "out")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			runTool(t, dir, tool, "x", "-o"+into, "-y", file)
			if diff := cmp.Diff(shaBelow(t, into), shaOf(inner.files)); diff != "" || len(found) > 0 {
				t.Errorf("%s (-7z +ours):\n%s\n%v", name, diff, found)
			}
			t.Logf("%s: %d files by %s", name, len(inner.files), o.Method())
		}
	}
}

// FuzzSelfExtractor looks for programs on which the opener panics, fails, or hands on what lies outside.
func FuzzSelfExtractor(f *testing.F) {
	stub := petest.Build(petest.Program{Resources: []petest.Resource{{Type: "10", Name: "102", Data: smallCabinet("x")}}})
	f.Add(slices.Concat(stub, smallCabinet("one"), smallZip(f, 0)))
	f.Add(slices.Concat(stub, smallZip(f, int64(len(stub)))))
	f.Add(slices.Concat(stub, []byte("\x00\x00\x00\x00\xef\xbe\xad\xdeNullsoftInst")))
	f.Add(slices.Concat(stub, stub))
	f.Add(bundle(smallCabinet("one"), smallCabinet("two")))
	f.Add(signedProgram(slices.Concat(stub, smallZip(f, 0))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !NewSelfExtractor().Match(artifactOf(b)) {
			return
		}
		s := newSink()
		found, err := NewSelfExtractor().Open(t.Context(), artifactOf(b), s)
		if err != nil && err != errSinkFull {
			t.Fatal(err)
		}
		if len(s.order) == 0 && len(found) == 0 {
			t.Fatal("it matches, and nothing comes of it")
		}
		for name, err := range s.broken {
			if !strings.Contains(name, ".zip/") { // those are the zip file's
				t.Fatalf("%q: %v", name, err)
			}
		}
	})
}
