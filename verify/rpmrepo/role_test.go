package rpmrepo

import (
	"bytes"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sallyport-project/sallyport/verify"
)

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zst(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

func xzed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Whoever chooses the path does not choose the role: what is compressed is looked into.
func TestIsMetadataByContent(t *testing.T) {
	tar := append(make([]byte, 257), "ustar\x0000"+strings.Repeat("\x00", 300)...)
	copy(tar, "bin/setup")
	program, list := []byte("\x7fELF\x02\x01\x01 and more"), []byte("<?xml version=\"1.0\"?>\n<metadata packages=\"0\"/>\n")
	sqlite := []byte("SQLite format 3\x00\x10\x00 and more")
	for _, c := range []struct {
		what, name string
		body       []byte
		want       bool
	}{
		{"a list", "primary.xml.gz", gz(t, list), true},
		{"a list", "primary.xml.zst", zst(t, list), true},
		{"a list", "primary.xml.xz", xzed(t, list), true},
		{"a database", "primary.sqlite.gz", gz(t, sqlite), true},
		{"nothing", "other.xml.gz", gz(t, nil), true},
		{"plain", "primary.xml", list, true},
		{"an archive", "primary.xml.gz", gz(t, tar), false},
		{"an archive", "primary.xml.zst", zst(t, tar), false},
		{"an archive", "primary.xml.xz", xzed(t, tar), false},
		{"an archive behind an empty member", "primary.xml.gz", append(gz(t, nil), gz(t, tar)...), false},
		{"a program", "repomd.xml", gz(t, program), false},
		{"a program, compressed twice", "primary.xml.gz", gz(t, zst(t, program)), false},
		{"a script by its name", "setup.sh.gz", gz(t, []byte("rm -rf /\n")), false},
		{"an archive behind very many empty members", "primary.xml.gz", append(bytes.Repeat(gz(t, nil), maxPeek/20), gz(t, tar)...), false},
		{"what cannot be decompressed", "primary.xml.gz", []byte("\x1f\x8b\x08\xff\xff"), false},
		{"what ends before it begins", "primary.xml.gz", gz(t, list)[:10], false},
	} {
		a := &verify.Artifact{
			Name: path.Base(c.name), URL: &url.URL{Scheme: "https", Host: "example.com", Path: "/r/repodata/" + c.name},
			Format: verify.Sniff(c.body, c.name), Size: int64(len(c.body)), Content: bytes.NewReader(c.body),
		}
		if got := New().IsMetadata(a); got != c.want {
			t.Errorf("%s as %s (%s): %v, want %v", c.what, c.name, a.Format, got, c.want)
		}
	}
}
