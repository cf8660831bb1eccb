package apttest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// Package is one binary package.
type Package struct {
	Name, Version, Arch string
	Component           string // "main" if empty
	Content             []byte // the .deb
	// Filename is the path in the archive; if it is empty: pool/<component>/<initial>/<name>/<name>_<version>_<arch>.deb,
	// or in a flat repository the base name of that alone.
	Filename string
}

// Deb makes a package that dpkg accepts, with one file that says note.
func Deb(name, version, arch, note string) (Package, error) {
	p := Package{Name: name, Version: version, Arch: arch}
	control, err := tarGz("./control", p.control())
	if err != nil {
		return Package{}, err
	}
	data, err := tarGz("./usr/share/doc/"+name+"/note", note+"\n")
	if err != nil {
		return Package{}, err
	}
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		body []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", control}, {"data.tar.gz", data}} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.body))
		b.Write(m.body)
		if len(m.body)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	p.Content = b.Bytes()
	return p, nil
}

func (p Package) control() string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Nobody <nobody@example.org>\nDescription: made for a test\n it does nothing\n",
		p.Name, p.Version, p.Arch)
}

func tarGz(name, body string) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	parts := strings.Split(name, "/")
	for i := 1; i < len(parts); i++ {
		dir := &tar.Header{Typeflag: tar.TypeDir, Name: strings.Join(parts[:i], "/") + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}
		if err := t.WriteHeader(dir); err != nil {
			return nil, err
		}
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body)), ModTime: time.Unix(0, 0)}); err != nil {
		return nil, err
	}
	if _, err := t.Write([]byte(body)); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Base returns the file name, name_version_arch.deb, without the epoch of the version.
func (p Package) Base() string {
	_, version, ok := strings.Cut(p.Version, ":")
	if !ok {
		version = p.Version
	}
	return p.Name + "_" + version + "_" + p.Arch + ".deb"
}

// Path returns where the package lies below the archive's root, in a flat repository if flat is set.
func (p Package) Path(flat bool) string {
	switch {
	case p.Filename != "":
		return p.Filename
	case flat:
		return p.Base()
	}
	return fmt.Sprintf("pool/%s/%s/%s/%s", p.component(), p.Name[:1], p.Name, p.Base())
}

func (p Package) component() string {
	if p.Component == "" {
		return "main"
	}
	return p.Component
}

func (p Package) stanza(flat bool) string {
	return fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %x\n\n", p.control(), p.Path(flat), len(p.Content), sha256.Sum256(p.Content))
}
