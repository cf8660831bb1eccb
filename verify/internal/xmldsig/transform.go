package xmldsig

import (
	"crypto/hmac"
	"fmt"
	"strings"
)

// Transforms (XML Signature 1.1 section 6.6; ECMA-376 part 2 section 13.2.4.24).
const (
	transformEnveloped    = NS + "enveloped-signature"
	transformRelationship = "http://schemas.openxmlformats.org/package/2006/RelationshipTransform"
	nsExclusive           = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// readMethod reads the element that names a canonicalisation: a CanonicalizationMethod or a Transform.
func readMethod(e *Element) (Method, error) {
	id, err := algorithm(e)
	if err != nil {
		return Method{}, err
	}
	m, known := canonicalMethods[id]
	if !known {
		return Method{}, unsupported("canonicalisation or transform %.100q", id)
	}
	parts, err := e.Structure()
	if err != nil || len(parts) == 0 {
		return m, err
	}
	if !m.Exclusive || len(parts) != 1 || !parts[0].Is(nsExclusive, "InclusiveNamespaces") || len(parts[0].children) > 0 {
		return m, malformed("parameters of a canonicalisation")
	}
	if err := parts[0].AttributesOnly("PrefixList"); err != nil {
		return m, err
	}
	for _, prefix := range strings.Fields(parts[0].Value("PrefixList")) {
		if prefix == "#default" {
			prefix = ""
		} else if !isNCName(prefix) {
			return m, malformed("list of namespace prefixes")
		}
		if m.Prefixes = append(m.Prefixes, prefix); len(m.Prefixes) > 32 {
			return m, unsupported("more than 32 namespace prefixes in a list")
		}
	}
	return m, nil
}

// CheckDocument checks a reference with an empty URI: it must be of the whole document that the signature stands in, the
// signature itself left out by the enveloped-signature transform. Comments are not covered.
func (s *Signature) CheckDocument(r Reference) error {
	return s.checkEnvelope(r, nil)
}

// CheckEnvelope checks a reference with an empty URI that was made when top, which the signature stands in, was the root of
// a document by itself. Comments are not covered.
func (s *Signature) CheckEnvelope(r Reference, top *Element) error {
	return s.checkEnvelope(r, top)
}

func (s *Signature) checkEnvelope(r Reference, top *Element) error {
	if r.URI != "" {
		return malformed("a reference of %.100q instead of the document", r.URI)
	}
	m, enveloped, err := r.nodeTransforms()
	if err != nil {
		return err
	}
	if !enveloped {
		return malformed("a reference of the whole document that would cover the signature itself")
	}
	if top == nil {
		return r.CheckOctets(s.doc.Canonical(m, s.Element))
	}
	for e := s.Element; e != top; e = e.Parent {
		if e == nil {
			return malformed("a signature outside of what it should cover")
		}
	}
	return r.CheckOctets(top.Canonical(m, s.Element))
}

// CheckElement checks a reference of the form "#id": it must be of e, which must be the only element of the document with
// that identifier, under whatever attribute. Comments are not covered.
func (s *Signature) CheckElement(r Reference, e *Element) error {
	id, ok := strings.CutPrefix(r.URI, "#")
	if own, has := e.Attribute("Id"); !ok || !has || own != id || id == "" {
		return malformed("a reference of %.100q, which is not the element that it should be of", r.URI)
	}
	if s.doc.ids[id] != 1 {
		return malformed("the identifier %.100q is there %d times", id, s.doc.ids[id])
	}
	m, enveloped, err := r.nodeTransforms()
	if err != nil {
		return err
	}
	if enveloped {
		return malformed("the enveloped-signature transform on something that does not hold the signature")
	}
	return r.CheckOctets(e.Canonical(m, nil))
}

// nodeTransforms reads the transforms of a reference inside the document. Where none makes octets of it, Canonical XML 1.0
// does (section 4.4.3.2). Comments are no part of what such a reference selects (section 4.4.3.3).
func (r Reference) nodeTransforms() (m Method, enveloped bool, err error) {
	list := r.transforms
	if len(list) > 0 && list[0].Value("Algorithm") == transformEnveloped {
		if _, err := algorithm(list[0]); err != nil || len(list[0].children) > 0 {
			return m, false, malformed("enveloped-signature transform")
		}
		enveloped, list = true, list[1:]
	}
	if len(list) > 1 {
		return m, false, unsupported("this sequence of %d transforms", len(r.transforms))
	}
	if len(list) == 1 {
		m, err = readMethod(list[0])
	}
	m.Comments = false
	return m, enveloped, err
}

// CheckOctets compares octets, after all transforms, with the reference's digest. The error is ErrDigest.
func (r Reference) CheckOctets(b []byte) error {
	h := r.Hash.New()
	h.Write(b)
	return r.CheckSum(h.Sum(nil))
}

// CheckSum is CheckOctets for a digest that was made elsewhere, with r.Hash.
func (r Reference) CheckSum(sum []byte) error {
	if !hmac.Equal(sum, r.Digest) {
		return fmt.Errorf("%w: it is %x, %x is signed", ErrDigest, sum, r.Digest)
	}
	return nil
}

// Transformed reports whether a reference outside the document is of something else than the octets as they are.
func (r Reference) Transformed() bool { return len(r.transforms) > 0 }

// Transform applies the transforms of a reference to the octets of a part of an OPC package (ECMA-376 part 2 section
// 13.2.4.24): nothing, a canonicalisation, or the Relationships transform and a canonicalisation. all says that everything
// in the part that has a meaning is covered; the Relationships transform may leave relationships out.
func (r Reference) Transform(b []byte) (out []byte, all bool, err error) {
	if len(r.transforms) == 0 {
		return b, true, nil
	}
	d, err := Parse(b)
	if err != nil {
		return nil, false, err
	}
	list, all := r.transforms, true
	if list[0].Value("Algorithm") == transformRelationship {
		if d, all, err = relationships(d, list[0]); err != nil {
			return nil, false, err
		}
		if list = list[1:]; len(list) == 0 {
			return nil, false, malformed("a Relationships transform that no canonicalisation follows")
		}
	}
	if len(list) != 1 {
		return nil, false, unsupported("this sequence of %d transforms", len(r.transforms))
	}
	m, err := readMethod(list[0])
	if err != nil {
		return nil, false, err
	}
	return d.Canonical(m, nil), all, nil
}
