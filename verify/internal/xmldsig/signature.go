package xmldsig

import (
	"crypto"
	"encoding/base64"
	"strings"
)

// Signature is a ds:Signature, read completely but proven nowhere.
type Signature struct {
	Element    *Element
	References []Reference
	Value      []byte
	KeyInfo    *Element   // nil if there is none
	Objects    []*Element // ds:Object

	doc    *Document
	info   *Element
	form   Method // of the SignedInfo
	method signatureMethod
}

// Reference says of something that is signed what its digest is.
type Reference struct {
	URI    string
	Type   string
	Hash   crypto.Hash
	Digest []byte

	transforms []*Element
}

// ParseSignature reads a signature. It has no more in it than the schema allows (XML Signature 1.1 section 4), and neither
// comments nor processing instructions outside its KeyInfo and Objects.
func (d *Document) ParseSignature(e *Element) (*Signature, error) {
	s := &Signature{Element: e, doc: d}
	if !e.Is(NS, "Signature") {
		return nil, malformed("no Signature")
	}
	if err := e.AttributesOnly("Id"); err != nil {
		return nil, err
	}
	parts, err := e.Structure()
	if err != nil {
		return nil, err
	}
	if len(parts) < 2 || !parts[0].Is(NS, "SignedInfo") || !parts[1].Is(NS, "SignatureValue") {
		return nil, malformed("Signature without SignedInfo and SignatureValue")
	}
	s.info = parts[0]
	if err := parts[1].AttributesOnly("Id"); err != nil {
		return nil, err
	}
	if s.Value, err = Base64(parts[1]); err != nil {
		return nil, err
	}
	if parts = parts[2:]; len(parts) > 0 && parts[0].Is(NS, "KeyInfo") {
		s.KeyInfo, parts = parts[0], parts[1:]
	}
	for _, p := range parts {
		if !p.Is(NS, "Object") {
			return nil, malformed("element %s in Signature", p.Local)
		}
	}
	s.Objects = parts
	return s, s.readInfo()
}

// readInfo reads the SignedInfo (section 4.4).
func (s *Signature) readInfo() error {
	parts, err := s.info.Structure()
	if err != nil {
		return err
	}
	if err := s.info.AttributesOnly("Id"); err != nil {
		return err
	}
	if len(parts) < 3 || !parts[0].Is(NS, "CanonicalizationMethod") || !parts[1].Is(NS, "SignatureMethod") {
		return malformed("SignedInfo")
	}
	if s.form, err = readMethod(parts[0]); err != nil {
		return err
	}
	id, err := algorithm(parts[1])
	if err != nil {
		return err
	}
	var known bool
	if s.method, known = signatureMethods[id]; !known || len(parts[1].children) > 0 {
		return unsupported("signature algorithm %.100q", id)
	}
	s.References, err = readReferences(parts[2:])
	return err
}

// Hash returns the weakest hash function of the signature value and its references.
func (s *Signature) Hash() crypto.Hash {
	h := s.method.hash
	for _, r := range s.References {
		h = weaker(h, r.Hash)
	}
	return h
}

// Verify checks the signature value with a key, an *rsa.PublicKey or *ecdsa.PublicKey. It proves the References, not yet
// what they are of. The error is ErrSignature.
func (s *Signature) Verify(key crypto.PublicKey) error {
	return s.method.check(key, s.info.Canonical(s.form, nil), s.Value)
}

// ReadManifest reads the references of a ds:Manifest (section 5.1), which is proven if a checked reference covers it.
func ReadManifest(e *Element) ([]Reference, error) {
	if !e.Is(NS, "Manifest") {
		return nil, malformed("no Manifest")
	}
	if err := e.AttributesOnly("Id"); err != nil {
		return nil, err
	}
	parts, err := e.Structure()
	if err != nil {
		return nil, err
	}
	return readReferences(parts)
}

func readReferences(list []*Element) ([]Reference, error) {
	if len(list) == 0 || len(list) > MaxReferences {
		return nil, malformed("%d references", len(list))
	}
	out := make([]Reference, 0, len(list))
	for _, e := range list {
		r, err := readReference(e)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// readReference reads a Reference (section 4.4.3).
func readReference(e *Element) (r Reference, err error) {
	if !e.Is(NS, "Reference") {
		return r, malformed("element %s where a Reference is due", e.Local)
	}
	if err := e.AttributesOnly("Id", "URI", "Type"); err != nil {
		return r, err
	}
	uri, ok := e.Attribute("URI")
	if !ok {
		return r, malformed("Reference without URI")
	}
	r.URI, r.Type = uri, e.Value("Type")
	parts, err := e.Structure()
	if err != nil {
		return r, err
	}
	if len(parts) > 0 && parts[0].Is(NS, "Transforms") {
		if r.transforms, err = parts[0].Structure(); err != nil {
			return r, err
		}
		if len(r.transforms) == 0 || len(r.transforms) > maxTransforms {
			return r, malformed("%d transforms", len(r.transforms))
		}
		parts = parts[1:]
	}
	if len(parts) != 2 || !parts[0].Is(NS, "DigestMethod") || !parts[1].Is(NS, "DigestValue") {
		return r, malformed("Reference")
	}
	r.Hash, r.Digest, err = ReadDigest(parts[0], parts[1])
	return r, err
}

// ReadDigest reads a DigestMethod and its DigestValue (sections 4.4.3.5 and 4.4.3.6).
func ReadDigest(method, value *Element) (crypto.Hash, []byte, error) {
	id, err := algorithm(method)
	if err != nil {
		return 0, nil, err
	}
	h, known := digestMethods[id]
	if !known || len(method.children) > 0 {
		return 0, nil, unsupported("digest algorithm %.100q", id)
	}
	sum, err := Base64(value)
	if err != nil {
		return 0, nil, err
	}
	if len(sum) != h.Size() {
		return 0, nil, malformed("%s digest of %d bytes", h, len(sum))
	}
	return h, sum, nil
}

// algorithm reads the Algorithm attribute, which is all that an element may have besides children.
func algorithm(e *Element) (string, error) {
	if err := e.AttributesOnly("Algorithm"); err != nil {
		return "", err
	}
	return e.Value("Algorithm"), nil
}

// Base64 decodes the text of an element. White space may be anywhere in it, spare bits must be zero.
func Base64(e *Element) ([]byte, error) {
	s, err := e.Text()
	if err != nil {
		return nil, err
	}
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, malformed("base64 in element %s", e.Local)
	}
	return b, nil
}
