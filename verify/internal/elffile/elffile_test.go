package elffile_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/elffile"
	"github.com/sallyport-project/sallyport/verify/internal/elffile/elftest"
)

func TestNeeded(t *testing.T) {
	b := elftest.Build("libc.so.6", "libcurl.so.4")
	got, err := elffile.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || !slices.Equal(got.Needed, []string{"libc.so.6", "libcurl.so.4"}) || got.Machine != 62 {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range b {
		if _, err := elffile.Read(bytes.NewReader(b[:n]), int64(n)); err == nil {
			t.Fatalf("the first %d bytes of %d are in order", n, len(b))
		}
	}
}

// The standard library's reader, which goes by section headers, sees the same in the programs of this system.
func TestNeededAgreesWithDebugELF(t *testing.T) {
	files, _ := filepath.Glob("/usr/bin/*")
	seen := 0
	for _, name := range files[:min(len(files), 400)] {
		b, err := os.ReadFile(name)
		if err != nil || len(b) > 4<<20 {
			continue
		}
		theirs, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			continue
		}
		want, err := theirs.ImportedLibraries()
		if err != nil {
			continue
		}
		seen++
		if got, err := elffile.Read(bytes.NewReader(b), int64(len(b))); err != nil || !slices.Equal(got.Needed, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	t.Logf("%d programs", seen)
}

// FuzzRead looks for files on which the parser panics, fails in another way, or returns more than it may.
func FuzzRead(f *testing.F) {
	f.Add(elftest.Build("libc.so.6"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := elffile.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil && !errors.Is(err, elffile.ErrMalformed) {
			t.Fatalf("error of another kind: %v", err)
		}
		if len(got.Needed) > 1024 {
			t.Fatalf("%d libraries", len(got.Needed))
		}
		for _, name := range got.Needed {
			if !bytes.Contains(b, append([]byte(name), 0)) {
				t.Fatalf("%q is not in the file", name)
			}
		}
	})
}
