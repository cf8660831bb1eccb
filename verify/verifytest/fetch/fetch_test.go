package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sumOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestStoreKeepsNothingWithAWrongDigest(t *testing.T) {
	dir := t.TempDir()
	f := File{Name: "a/b", Inner: "b", SHA256: sumOfABC}
	if err := f.store(dir, strings.NewReader("abd")); err == nil {
		t.Error("stored bytes with another digest")
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "a")); len(left) != 0 {
		t.Errorf("left %v behind", left)
	}
	if err := f.store(dir, strings.NewReader("abc")); err != nil {
		t.Error(err)
	}
	if !f.Present(dir) {
		t.Error("what was stored is not there")
	}
	if err := (File{Name: "../b", SHA256: sumOfABC}).store(dir, strings.NewReader("abc")); err == nil {
		t.Error("stored outside the directory")
	}
}

func TestUntar(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"./other", "./usr/abc"} {
		w.WriteHeader(&tar.Header{Name: name, Size: 3, Mode: 0o644})
		w.Write([]byte("abc"))
	}
	w.Close()
	dir := t.TempDir()
	f := File{Name: "x", Inner: "usr/abc", SHA256: sumOfABC}
	if err := untar(bytes.NewReader(b.Bytes()), []File{f}, dir); err != nil || !f.Present(dir) {
		t.Error("not unpacked:", err)
	}
	if err := untar(bytes.NewReader(b.Bytes()), []File{{Name: "y", Inner: "usr/abd"}}, dir); err == nil {
		t.Error("a file that is not there was unpacked")
	}
}

// TestPackageItself: a package is stored as it came, beside a file that is in it.
func TestPackageItself(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Name: "package/abc", Size: 3, Mode: 0o644})
	w.Write([]byte("abc"))
	w.Close()
	z.Close()
	dir := t.TempDir()
	inner := File{Name: "abc", Inner: "package/abc", SHA256: sumOfABC}
	if err := packedFiles(bytes.NewReader(b.Bytes()), []File{{Name: "a.tgz", Inner: whole}, inner}, dir); err != nil || !inner.Present(dir) {
		t.Error("not unpacked:", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "a.tgz")); !bytes.Equal(got, b.Bytes()) {
		t.Errorf("stored %d bytes of %d", len(got), b.Len())
	}
	if err := packedFiles(bytes.NewReader(b.Bytes()), []File{{Name: "b.tgz", Inner: whole, SHA256: sumOfABC}}, dir); err == nil {
		t.Error("a package with another digest was stored")
	}
}

func TestWithSources(t *testing.T) {
	got := string(withSources([]byte("Types: deb\nURIs: http://deb.example.org\n# deb x\ndeb http://deb.example.org sid main\n")))
	if want := "Types: deb-src\nURIs: http://deb.example.org\n# deb x\ndeb-src http://deb.example.org sid main\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUnknownClient(t *testing.T) {
	if err := Fetch(context.Background(), Package{Client: "curl", Spec: "x"}, nil, t.TempDir()); err == nil || Known("curl") {
		t.Error("curl is no client")
	}
}
