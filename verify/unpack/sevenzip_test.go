package unpack

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify"
)

// sevenZipTree is a folder of files to pack.
func sevenZipTree(t *testing.T) string {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 20000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for name, content := range map[string][]byte{
		"sub/text.txt": []byte(strings.Repeat("some text, ", 5000)), "noise.bin": noise, "empty": {}, "sub/größe.txt": []byte("x"),
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pack7z(t *testing.T, dir string, options ...string) []byte {
	file := filepath.Join(t.TempDir(), "a.7z")
	runTool(t, dir, referenceTool(t, "7z"), append(append([]string{"a"}, options...), file, ".")...)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSevenZipUnpacksWhat7zPacks(t *testing.T) {
	dir := sevenZipTree(t)
	for _, options := range []string{"-mx=9", "-m0=lzma", "-m0=copy", "-m0=bzip2", "-m0=deflate", "-m0=ppmd", "-mf=bcj2 -m0=lzma2", "-ms=off", "-mhc=off", "-m0=delta:4 -m1=lzma2"} {
		s, found := openWith(t, NewSevenZip(), pack7z(t, dir, strings.Fields(options)...))
		if diff := cmp.Diff(shaBelow(t, dir), shaOf(s.files)); diff != "" || len(found) > 0 || len(s.broken) > 0 || len(s.unread) > 0 {
			t.Errorf("%s: (-packed +ours)\n%s\n%v %v %v", options, diff, found, s.broken, s.unread)
		}
	}
}

func TestSevenZipEncrypted(t *testing.T) {
	dir := sevenZipTree(t)
	s, found := openWith(t, NewSevenZip(), pack7z(t, dir, "-psecret"))
	if len(s.unread) != 3 || !strings.Contains(s.unread["noise.bin"], "encrypted") || len(found) > 0 {
		t.Errorf("content encrypted: unread %v, findings %v", s.unread, found)
	}
	s, found = openWith(t, NewSevenZip(), pack7z(t, dir, "-psecret", "-mhe=on"))
	if len(s.order) != 0 || !slices.Equal(found, []string{"inconclusive:not-looked-into"}) {
		t.Errorf("names encrypted: %v, findings %v", s.order, found)
	}
}

// restart puts the start header right after a change of the header.
func restart(b []byte) []byte {
	le := binary.LittleEndian
	offset, size := le.Uint64(b[12:]), le.Uint64(b[20:])
	le.PutUint32(b[28:], crc32.ChecksumIEEE(b[32+offset:32+offset+size]))
	le.PutUint32(b[8:], crc32.ChecksumIEEE(b[12:32]))
	return b
}

func TestSevenZipFindings(t *testing.T) {
	dir := sevenZipTree(t)
	good := pack7z(t, dir, "-mhc=off", "-m0=lzma", "-mf=off")
	le := binary.LittleEndian
	header := 32 + int(le.Uint64(good[12:]))
	dictionary := bytes.Index(good[header:], []byte("\x23\x03\x01\x01\x05")) + header + 6
	changed := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"good":                     {good, nil},
		"bytes after it":           {append(bytes.Clone(good), "tail"...), []string{"invalid:trailing-data"}},
		"cut short":                {good[:len(good)-1], []string{"invalid:malformed"}},
		"wrong start":              {changed(func(b []byte) []byte { b[8]++; return b }), []string{"invalid:malformed"}},
		"wrong header":             {changed(func(b []byte) []byte { b[header+3]++; return b }), []string{"invalid:malformed"}},
		"gap before the header":    {restart(gapBefore(good, header)), []string{"invalid:gap"}},
		"header longer than it is": {changed(func(b []byte) []byte { le.PutUint64(b[20:], le.Uint64(b[20:])+1); return restart(append(b, 0)) }), []string{"invalid:malformed"}},
		"a dictionary of 4 GiB":    {changed(func(b []byte) []byte { le.PutUint32(b[dictionary:], 1<<32-1); return restart(b) }), nil},
		"two bytes":                {[]byte("7z"), []string{"no match"}},
	} {
		s, found := openWith(t, NewSevenZip(), c.data)
		if !slices.Equal(found, c.want) {
			t.Errorf("%s: findings %v, want %v", name, found, c.want)
		}
		if name == "a dictionary of 4 GiB" && !strings.Contains(s.unread["noise.bin"], "bytes of memory") {
			t.Errorf("%s: unread %v", name, s.unread)
		}
	}
	broken := changed(func(b []byte) []byte { b[60] ^= 1; return b })
	if s, _ := openWith(t, NewSevenZip(), broken); len(s.broken) == 0 {
		t.Error("a changed content is not noticed")
	}
}

// gapBefore puts bytes between content and header.
func gapBefore(b []byte, header int) []byte {
	out := append(append(bytes.Clone(b[:header]), "between"...), b[header:]...)
	binary.LittleEndian.PutUint64(out[12:], uint64(header-32+7))
	return out
}

// FuzzSevenZip looks for archives on which the opener panics, fails, or hands on more than the file says.
func FuzzSevenZip(f *testing.F) {
	for _, b := range sevenZipSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 32 || string(b[:6]) != sevenZipMagic {
			return
		}
		le := binary.LittleEndian
		if offset, size := le.Uint64(b[12:]), le.Uint64(b[20:]); offset < uint64(len(b)) && size < uint64(len(b))-offset && offset+size <= uint64(len(b)-32) {
			b = restart(bytes.Clone(b)) // so that more than checksums is tried
		}
		s := newSink()
		found, err := NewSevenZip().Open(t.Context(), artifactOf(b), s)
		if err != nil && err != errSinkFull {
			t.Fatal(err)
		}
		for _, x := range found {
			if x.Status == verify.Valid && !x.Signer.IsZero() {
				t.Fatalf("an archive vouches: %+v", x)
			}
		}
	})
}

// sevenZipSeeds are small archives, if 7z is there to make them.
func sevenZipSeeds(f *testing.F) [][]byte {
	dir, err := os.MkdirTemp("", "7z-seeds-")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(strings.Repeat("some text, ", 30)), 0o600); err != nil {
		f.Fatal(err)
	}
	var out [][]byte
	for i, options := range []string{"-m0=lzma -mhc=off", "-m0=copy -mhc=off", "-m0=bzip2 -mhc=off", "-m0=ppmd -mhc=off", "-m0=deflate -mhc=off", "-mf=bcj2 -m0=lzma2 -mhc=off", "-psecret -mhc=off", "-mhc=on"} {
		file := filepath.Join(dir, string(rune('a'+i))+".7z")
		if exec7z(dir, append(strings.Fields(options), file, "a.txt")) != nil {
			continue
		}
		if b, err := os.ReadFile(file); err == nil {
			out = append(out, b)
		}
	}
	return append(out, []byte(sevenZipMagic+strings.Repeat("\x00", 26)))
}
