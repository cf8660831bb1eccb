package apt

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// tarOf makes an archive of names and contents by turns.
func tarOf(files ...string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1]))})
		w.Write([]byte(files[i+1]))
	}
	w.Close()
	return out.Bytes()
}

// Whoever publishes a package chooses its address. One that lies where an archive has its indexes is a package all the same.
func TestPackagesAreNoMetadataByTheirAddress(t *testing.T) {
	const png = "\x89PNG\r\n\x1a\nrest"
	pack := tarOf("package/package.json", `{"name":"a","version":"1.0.0"}`, "package/index.js", "evil()")
	const index = "https://npm.example/x/Packages.gz"
	icons := root + "dists/bookworm/main/dep11/icons-64x64.tar.gz"
	for _, c := range []struct {
		name, url string
		content   []byte
		want      bool
	}{
		{"an index", index, gzipped([]byte("Package: a\nVersion: 1\n")), true},
		{"an empty index", index, gzipped(nil), true},
		{"a package of npm", index, gzipped(pack), false},
		{"that is not compressed", "https://npm.example/x/Packages.tar", pack, false},
		{"a program", index, gzipped([]byte("MZ\x90")), false},
		{"a script", index, gzipped([]byte("#!/bin/sh\n")), false},
		{"what cannot be decompressed", index, append(gzipped(nil)[:10], "\xff\xff\xff\xff"...), false},
		{"pictures", icons, gzipped(tarOf("a.png", png, "64/b.png", png)), true},
		{"pictures and a program", icons, gzipped(tarOf("a.png", png, "b.js", "evil()")), false},
		{"a program that is called a picture", icons, gzipped(tarOf("a.png", "evil()....")), false},
		{"pictures, and something behind", icons, gzipped(append(tarOf("a.png", png), pack...)), false},
		{"pictures that break off", icons, gzipped(tarOf("a.png", png, "b.png", png)[:1500]), false},
	} {
		a := artifact(c.url, c.content)
		a.Format = verify.Sniff(c.content, "")
		if got := New().IsMetadata(a); got != c.want {
			t.Errorf("%s (%s): metadata %v, want %v", c.name, a.Format, got, c.want)
		}
	}
}
