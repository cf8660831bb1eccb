// Package identitytest makes small packages of several kinds, for tests.
package identitytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"sort"

	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
)

// Files are the contents of files by their paths.
type Files map[string]string

func (f Files) names() []string {
	var out []string
	for name := range f {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// Program makes a Windows program without code that takes a function from each library.
func Program(libraries ...string) []byte {
	var p petest.Program
	for _, l := range libraries {
		p.Imports = append(p.Imports, petest.Import{Library: l, Functions: []string{"f"}})
	}
	return petest.Build(p)
}

// Tar makes an archive of files.
func Tar(f Files) []byte {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, name := range f.names() {
		check(t.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(f[name])), Typeflag: tar.TypeReg}))
		_, err := t.Write([]byte(f[name]))
		check(err)
	}
	check(t.Close())
	return b.Bytes()
}

// Gzip compresses.
func Gzip(content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(content)
	check(err)
	check(z.Close())
	return b.Bytes()
}

// TarGz makes a compressed archive of files.
func TarGz(f Files) []byte { return Gzip(Tar(f)) }

// Deb makes a Debian package of the members of control.tar and of data.tar.
func Deb(control, data Files) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		body []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", TarGz(control)}, {"data.tar.gz", TarGz(data)}} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.body))
		b.Write(m.body)
		if len(m.body)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// Zip makes a zip file of files.
func Zip(f Files) []byte {
	var z ziptest.File
	for _, name := range f.names() {
		z.Entries = append(z.Entries, ziptest.Entry{Name: name, Content: []byte(f[name]), Deflate: true})
	}
	return z.Bytes()
}

func check(err error) {
	if err != nil {
		panic(err) // writing to memory
	}
}
