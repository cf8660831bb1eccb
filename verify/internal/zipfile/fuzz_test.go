package zipfile_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
)

// FuzzOpen looks for files that make the reader panic, that have bytes which nobody accounts for though nothing is
// reported, and for those that Go's own reader sees differently though nothing is reported.
func FuzzOpen(f *testing.F) {
	for _, z := range []zt.File{
		{}, {Entries: []zt.Entry{{Name: "a", Content: text}, {Name: "b/"}, {Name: "c", Content: text, Deflate: true, Descriptor: true}}},
		{Entries: []zt.Entry{{Name: "a", Content: text, Deflate: true, Descriptor: true, Wide: true}}, Zip64: true},
		{Entries: []zt.Entry{{Name: "a", Content: text[:40], Extra: unicodePath("a", "b")}}, Comment: "PK\x05\x06"},
		{Entries: []zt.Entry{{Name: "a"}, {Name: "a", SameAs: 1}}, Prefix: []byte("MZ"), Shifted: true},
	} {
		f.Add(z.Bytes())
	}
	if dir := os.Getenv("SALLYPORT_SAMPLES"); dir != "" {
		for _, pattern := range []string{"appx/*", "nuget/*", "xpi/test*", "apk/apksig/golden*"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, name := range files {
				if b, err := os.ReadFile(name); err == nil && len(b) < 64<<10 {
					f.Add(b)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := open(b)
		if err != nil {
			return
		}
		covered := z.Base
		for _, e := range z.Entries {
			if e.EntryEnd > z.Directory || e.Local < z.Base || e.Data < e.Local+30 {
				t.Fatalf("entry %q lies at %d-%d of %d", e.Name, e.Local, e.EntryEnd, z.Directory)
			}
			covered += e.EntryEnd - e.Local
			n, err := io.Copy(io.Discard, io.LimitReader(z.Reader(e), 1<<20))
			if n > e.Size || err == nil && n < e.Size && n < 1<<20 {
				t.Fatalf("%d bytes of %d, %v", n, e.Size, err)
			}
		}
		if len(z.Problems) > 0 {
			return
		}
		if covered != z.Directory {
			t.Fatalf("%d bytes belong to nobody and nothing is reported", z.Directory-covered)
		}
		compare(t, b, len(z.Entries))
	})
}

// compare reads the file with Go's own reader.
func compare(t *testing.T, b []byte, entries int) {
	z, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	other, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return // it is stricter in places, which is no danger
	}
	if len(other.File) != entries {
		t.Fatalf("%d entries here, %d there", entries, len(other.File))
	}
	for i, e := range z.Entries {
		o := other.File[i]
		at, err := o.DataOffset()
		if e.Name != o.Name || int64(o.UncompressedSize64) != e.Size || o.CRC32 != e.CRC32 || err == nil && at != e.Data {
			t.Fatalf("entry %d: %q with %d bytes at %d here, %q with %d at %d there", i, e.Name, e.Size, e.Data, o.Name, o.UncompressedSize64, at)
		}
	}
}
