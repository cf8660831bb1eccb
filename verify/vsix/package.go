package vsix

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// Limits of what is unpacked.
const (
	maxUnpacked   = 256 << 20 // bytes in all, beyond maxRatio times the package's size
	maxRatio      = 32
	maxTransform  = 16 << 20 // bytes of relationships in all that are signed by a transform
	maxInfra      = 1 << 20  // bytes of [Content_Types].xml, of one part with relationships, of one certificate
	maxSignatures = 4
)

// Well-known names (ECMA-376 part 2, sections 10.1.2.4, 13.2 and annex F).
const (
	typesName        = "[Content_Types].xml"
	relationship     = "http://schemas.openxmlformats.org/package/2006/relationships/digital-signature/"
	typeOrigin       = relationship + "origin"
	typeSignature    = relationship + "signature"
	typeCertificate  = relationship + "certificate"
	contentSignature = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
)

// examination is one run of Verify over one package.
type examination struct {
	*authenticode.Examination
	ctx   context.Context
	zip   *zipfile.File
	parts map[string]*part // by key
	types *contentTypes
	limit int64 // bytes that may still be unpacked
	heavy int64 // bytes that were transformed
}

// part is one part of the package.
type part struct {
	name  string // as the zip file spells it, without a slash before it
	entry *zipfile.Entry
}

// errBroken wraps what is wrong with the package, as opposed to what is wrong with us.
var errBroken = errors.New("broken package")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errBroken, fmt.Sprintf(format, args...))
}

// why makes a sentence for a person of an error about the package.
func why(err error) string {
	return strings.TrimPrefix(err.Error(), errBroken.Error()+": ")
}

// key is the same for names that are equivalent: ASCII letters of either case (section 9.1.1.1), escaped or not.
func key(name string) string {
	name = strings.TrimPrefix(name, "/")
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	return lower(name)
}

// lower changes ASCII letters only: others have relatives among them, such as the Kelvin sign.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// misleading reports whether a name turns into another path once it is unescaped.
func misleading(name string) bool {
	plain, err := url.PathUnescape(name)
	return err != nil || strings.Count(plain, "/") != strings.Count(name, "/") || strings.ContainsAny(plain, "\\\x00") || path.Clean(plain) != plain
}

// index finds the parts, and refuses packages that mean different things to different readers.
func (x *examination) index() error {
	if p := x.zip.Strict(); p != nil {
		return broken("%s", strings.TrimSuffix(p.Detail, "."))
	}
	if x.zip.Base != 0 {
		return broken("%d bytes stand before the package", x.zip.Base)
	}
	if !singleDisk(x.zip) {
		return broken("the end record says that the package lies on several disks")
	}
	x.parts = map[string]*part{}
	for _, e := range x.zip.Entries {
		switch {
		case len(e.Comment) > 0 || len(x.zip.Comment) > 0:
			return broken("the zip file has comments, which no signature covers")
		case e.IsLink(), e.Encrypted(), !e.Supported():
			return broken("the entry %q is a link, encrypted or compressed in an unknown way", e.Name)
		case e.IsDirectory() && e.Size == 0 && e.Packed == 0:
			continue
		case e.IsDirectory(), e.Name == "", strings.HasPrefix(e.Name, "/"), path.Clean(e.Name) != e.Name, misleading(e.Name):
			return broken("the entry %q is no part that a package can have", e.Name)
		}
		k := key(e.Name)
		if other := x.parts[k]; other != nil {
			return broken("the names %q and %q are equivalent", other.name, e.Name)
		}
		x.parts[k] = &part{name: e.Name, entry: e}
	}
	types, ok := x.parts[key(typesName)]
	if !ok || types.name != typesName {
		return nil // not a package of OPC; then nothing in it is a signature
	}
	b, err := x.read(types, maxInfra)
	if err != nil {
		return err
	}
	if x.types, err = parseTypes(b); err != nil {
		return broken("%s: %s", typesName, err)
	}
	delete(x.parts, key(typesName))
	return nil
}

// singleDisk reports whether the fields about disks in the end record (APPNOTE 4.3.16) say that there is one.
func singleDisk(zip *zipfile.File) bool {
	end := zip.EndRecord[:]
	return zip.Zip64 != nil || string(end[4:8]) == "\x00\x00\x00\x00" && string(end[8:10]) == string(end[10:12])
}

// read unpacks a part of at most limit bytes.
func (x *examination) read(p *part, limit int64) ([]byte, error) {
	if p.entry.Size > limit {
		return nil, broken("the part %q has %d bytes, more than %d", p.name, p.entry.Size, limit)
	}
	if err := x.spend(p.entry.Size); err != nil {
		return nil, err
	}
	b, err := x.zip.ReadAll(p.entry, limit)
	if errors.Is(err, verify.ErrBroken) {
		return nil, broken("the part %q cannot be unpacked: %s", p.name, err)
	}
	return b, err
}

// errTooLarge says that more would have to be unpacked than is.
var errTooLarge = errors.New("too much to unpack")

func (x *examination) spend(n int64) error {
	if x.limit -= n; n < 0 || x.limit < 0 {
		return errTooLarge
	}
	return x.ctx.Err()
}

// relation is one relationship (section 9.3).
type relation struct{ id, kind, target string }

// relations reads the relationships of a part, or of the package for the name ""; none if there is no such part.
func (x *examination) relations(source string) ([]relation, *part, error) {
	name := path.Join(path.Dir(source), "_rels", path.Base(source)+".rels")
	if source == "" {
		name = "_rels/.rels"
	}
	p := x.parts[key(name)]
	if p == nil {
		return nil, nil, nil
	}
	b, err := x.read(p, maxInfra)
	if err != nil {
		return nil, nil, err
	}
	list, err := parseRelations(b, source)
	if err != nil {
		return nil, nil, broken("%s: %s", p.name, err)
	}
	return list, p, nil
}

func parseRelations(b []byte, source string) ([]relation, error) {
	d, err := xmldsig.Parse(b)
	if err != nil {
		return nil, err
	}
	if !d.Root.Is(xmldsig.NSRelationships, "Relationships") {
		return nil, broken("no relationships")
	}
	parts, err := d.Root.Structure()
	if err != nil {
		return nil, err
	}
	var out []relation
	seen := map[string]bool{}
	for _, e := range parts {
		r := relation{id: e.Value("Id"), kind: e.Value("Type"), target: e.Value("Target")}
		if !e.Is(xmldsig.NSRelationships, "Relationship") || seen[r.id] {
			return nil, broken("a relationship is none, or is there twice")
		}
		seen[r.id] = true
		if strings.EqualFold(e.Value("TargetMode"), "External") {
			r.target = ""
		} else if !strings.HasPrefix(r.target, "/") {
			r.target = path.Join("/", path.Dir(source), r.target)
		}
		out = append(out, r)
	}
	return out, nil
}
