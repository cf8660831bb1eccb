package vsix

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

// load reads a signature part and its certificates.
func (x *examination) load(p place) (*opcSignature, error) {
	b, err := x.read(p.part, xmldsig.MaxSize)
	if err != nil {
		return nil, err
	}
	d, err := xmldsig.Parse(b)
	if err != nil {
		return nil, err
	}
	if !d.Bare() || d.Root.Count(xmldsig.NS, "Signature") != 1 {
		return nil, broken("the signature has comments, or another signature, in it")
	}
	s := &opcSignature{}
	if s.Signature, err = d.ParseSignature(d.Root); err != nil {
		return nil, err
	}
	s.keys = &xmldsig.KeyInfo{}
	if s.KeyInfo != nil {
		if err := s.KeyInfo.AttributesOnly("Id"); err != nil {
			return nil, err
		}
		if s.keys, err = xmldsig.ReadKeyInfo(s.KeyInfo); err != nil {
			return nil, err
		}
	}
	if len(s.keys.Others) > 0 {
		return nil, broken("the KeyInfo has an element %s", s.keys.Others[0].Local)
	}
	for _, c := range p.certificates {
		der, err := x.read(c, maxInfra)
		if err != nil {
			return nil, err
		}
		if err := s.keys.Add(der); err != nil {
			return nil, broken("the certificate %q: %s", c.name, err)
		}
	}
	return s, nil
}

// check checks the signature value, that it covers the manifest, and that the manifest covers the package.
func (s *opcSignature) check(x *examination, infra *infrastructure) error {
	leaf, err := s.Signer(s.keys)
	if err != nil {
		if !errors.Is(err, xmldsig.ErrSignature) && !errors.Is(err, xmldsig.ErrNoSigner) {
			return broken("the signer's key cannot be used: %s", err)
		}
		return err
	}
	if err := s.objects(); err != nil {
		return err
	}
	manifest, err := s.object.Only(xmldsig.NS, "Manifest")
	if err != nil {
		return err
	}
	references, err := xmldsig.ReadManifest(manifest)
	if err != nil {
		return err
	}
	s.raw.Hash = s.Hash()
	for _, r := range references {
		s.raw.Hash = cms.Weaker(s.raw.Hash, r.Hash)
	}
	s.raw.Value, s.raw.Leaf, s.raw.Certificates = s.Value, leaf, s.keys.Certificates
	return x.cover(infra, references)
}

// objects checks the references of the SignedInfo, each of which must be of an Object of this signature. All other Objects
// may be timestamps only.
func (s *opcSignature) objects() error {
	covered := map[*xmldsig.Element]bool{}
	for _, r := range s.References {
		i := slices.IndexFunc(s.Objects, func(o *xmldsig.Element) bool { return "#"+o.Value("Id") == r.URI })
		if i < 0 || covered[s.Objects[i]] {
			return broken("the signature is of %q, which is none of its objects, or twice of it", r.URI)
		}
		o := s.Objects[i]
		if err := s.CheckElement(r, o); err != nil {
			return fmt.Errorf("the list of parts: %w", err)
		}
		covered[o] = true
		if len(o.Find(xmldsig.NS, "Manifest")) > 0 {
			if s.object != nil {
				return broken("the signature has two lists of parts")
			}
			s.object = o
		}
	}
	if s.object == nil {
		return broken("the signature covers no list of parts")
	}
	for _, o := range s.Objects {
		if !covered[o] {
			if err := s.timestamp(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// timestamp reads an Object with a TimeStamp, as the signing tools of Visual Studio and Office add it.
func (s *opcSignature) timestamp(o *xmldsig.Element) error {
	list, err := o.Structure()
	if err != nil {
		return err
	}
	if err := o.AttributesOnly(); err != nil || len(list) != 1 || !list[0].Is(xmldsig.NSDigital, "TimeStamp") {
		return broken("the signature has an object that it does not cover and that is no timestamp")
	}
	if err := list[0].AttributesOnly("Id"); err != nil {
		return err
	}
	if list, err = list[0].Structure(); err != nil {
		return err
	}
	for _, e := range list {
		switch {
		case e.Is(xmldsig.NSDigital, "Comment"):
			if c, err := e.Text(); err != nil || len(c) > 256 || authenticode.Active([]byte(c)) != "" {
				return broken("the comment of a timestamp is none")
			}
		case e.Is(xmldsig.NSDigital, "EncodedTime"):
			der, err := xmldsig.Base64(e)
			if err != nil {
				return err
			}
			s.raw.Timestamps = append(s.raw.Timestamps, der)
		default:
			return broken("element %s in a timestamp", e.Local)
		}
	}
	return nil
}

// errUncovered says that something in the package is not signed.
var errUncovered = errors.New("not signed")

// cover compares every part that a manifest lists, and demands that it lists all.
func (x *examination) cover(infra *infrastructure, references []xmldsig.Reference) error {
	covered := map[*part]bool{}
	for _, r := range references {
		p, err := x.referenced(r.URI)
		if err != nil {
			return err
		}
		if covered[p] {
			return broken("the part %q is listed twice", p.name)
		}
		covered[p] = true
		all, err := x.compare(p, r)
		if err != nil {
			return fmt.Errorf("the part %q: %w", p.name, err)
		}
		if !all && !(p == infra.root && infra.bare) && !infra.exempt[p] {
			return fmt.Errorf("%w: relationships in %q", errUncovered, p.name)
		}
	}
	var missing []string
	for _, p := range x.parts {
		if !covered[p] && !infra.exempt[p] && !(p == infra.root && infra.bare) {
			missing = append(missing, p.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	n := len(missing)
	return fmt.Errorf("%w: %d of %d parts, the first of which is %s", errUncovered, n, len(x.parts), listed(missing))
}

// listed quotes the first of some names.
func listed(names []string) string {
	var out []string
	for _, name := range names[:min(3, len(names))] {
		out = append(out, fmt.Sprintf("%.120q", name))
	}
	return strings.Join(out, ", ")
}

// referenced finds the part that a reference is of. The query says which content type it was signed with (section
// 13.2.4.14).
func (x *examination) referenced(uri string) (*part, error) {
	name, query, _ := strings.Cut(uri, "?")
	p := x.parts[key(name)]
	if !strings.HasPrefix(name, "/") || p == nil {
		return nil, broken("the signed part %.200q is missing", uri)
	}
	kind, ok := strings.CutPrefix(query, "ContentType=")
	if plain, err := url.PathUnescape(kind); err == nil {
		kind = plain
	}
	actual := x.types.of(p.name)
	if actual == "" {
		actual = "application/octet-stream" // what signing tools take for the type of parts that have none
	}
	if !ok || !strings.EqualFold(kind, actual) {
		return nil, broken("the part %q is of the type %q, signed as %q", p.name, actual, kind)
	}
	return p, nil
}

// compare compares a part with the digest that a reference has of it, and reports whether all of it is covered.
func (x *examination) compare(p *part, r xmldsig.Reference) (all bool, err error) {
	if r.Transformed() {
		if !strings.HasSuffix(key(p.name), ".rels") {
			return false, broken("it is signed by a transform of it, which leaves things out")
		}
		b, err := x.read(p, maxInfra)
		if x.heavy += int64(len(b)); err == nil && x.heavy > maxTransform {
			err = errTooLarge
		}
		if err != nil {
			return false, err
		}
		octets, all, err := r.Transform(b)
		if err != nil {
			return false, err
		}
		return all, r.CheckOctets(octets)
	}
	if err := x.spend(p.entry.Size); err != nil {
		return false, err
	}
	h := r.Hash.New()
	if err := x.hash(h, p); err != nil {
		return false, err
	}
	return true, r.CheckSum(h.Sum(nil))
}

// hash unpacks a part into h.
func (x *examination) hash(h hash.Hash, p *part) error {
	from := x.zip.Reader(p.entry)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		h.Write(buffer[:n])
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, verify.ErrBroken):
			return broken("it cannot be unpacked: %s", err)
		case err != nil:
			return err
		case x.ctx.Err() != nil:
			return x.ctx.Err()
		}
	}
}
