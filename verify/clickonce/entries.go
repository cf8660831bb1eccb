package clickonce

import (
	"crypto"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

// entry is a file that a manifest lists with size and digest.
type entry struct {
	size int64
	hash crypto.Hash
	sum  []byte
}

// entries returns the files of a manifest by their paths, with slashes and in lower case. A file that is listed twice
// differently is left out of ok and named in bad.
func (m *manifest) entries() (ok map[string]entry, bad map[string]bool) {
	ok, bad = map[string]entry{}, map[string]bool{}
	add := func(e *xmldsig.Element, name string) {
		key := strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
		if key == "" {
			return
		}
		read, err := readEntry(e)
		if other, twice := ok[key]; err != nil || twice && (other.size != read.size || other.hash != read.hash || string(other.sum) != string(read.sum)) {
			bad[key] = true
			return
		}
		ok[key] = read
	}
	for _, e := range m.root.Elements() {
		switch {
		case e.Is(nsV1, "file"), e.Is(nsV2, "file"):
			add(e, e.Value("name"))
		case e.Is(nsV1, "dependency"), e.Is(nsV2, "dependency"):
			for _, d := range e.Elements() {
				if d.Local == "dependentAssembly" && d.Value("dependencyType") == "install" {
					add(d, d.Value("codebase"))
				}
			}
		}
	}
	return ok, bad
}

// readEntry reads the size and the hash element of a file or dependentAssembly.
func readEntry(e *xmldsig.Element) (out entry, err error) {
	if out.size, err = strconv.ParseInt(e.Value("size"), 10, 64); err != nil || out.size < 0 {
		return out, broken("a file without a size")
	}
	h, err := e.Only(nsV2, "hash")
	if err != nil {
		return out, err
	}
	parts, err := h.Structure()
	if err != nil {
		return out, err
	}
	// Transforms stand around one or more Transform, or a Transform by itself; the only one there is leaves the file as it is.
	for len(parts) > 2 {
		if err := identical(parts[0]); err != nil {
			return out, err
		}
		parts = parts[1:]
	}
	if len(parts) != 2 || !parts[0].Is(xmldsig.NS, "DigestMethod") || !parts[1].Is(xmldsig.NS, "DigestValue") {
		return out, broken("a file without a digest")
	}
	out.hash, out.sum, err = xmldsig.ReadDigest(parts[0], parts[1])
	return out, err
}

// identical demands that a Transform, or all in a Transforms, is the identity.
func identical(e *xmldsig.Element) error {
	list := []*xmldsig.Element{e}
	if e.Is(xmldsig.NS, "Transforms") {
		list = e.Elements()
	}
	for _, t := range list {
		if !t.Is(xmldsig.NS, "Transform") || t.Value("Algorithm") != "urn:schemas-microsoft-com:HashTransforms.Identity" {
			return broken("a file whose digest is of something else")
		}
	}
	return nil
}
