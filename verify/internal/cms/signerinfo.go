package cms

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// SignerInfo is one signature in a SignedData (RFC 5652 section 5.3).
type SignerInfo struct {
	DigestAlgorithm    Algorithm
	SignatureAlgorithm Algorithm
	Signature          []byte
	Signed, Unsigned   []Attribute

	issuer, serial []byte
	keyID          []byte // set where the signer is named by it
	signedRaw      []byte // contents of the signed attributes, in the order in which they came
}

// Attribute is one attribute with its values, each a whole DER element.
type Attribute struct {
	OID    OID
	Values [][]byte
	Size   int // octets of the whole attribute
}

// ParseSignerInfo reads a SignerInfo that fills der completely.
func ParseSignerInfo(der []byte) (*SignerInfo, error) {
	var body, signed, unsigned, signature cryptobyte.String
	var version int
	si := &SignerInfo{}
	s := cryptobyte.String(der)
	if !readSequence(&s, &body) || !s.Empty() || !body.ReadASN1Integer(&version) || !si.readIdentifier(&body) ||
		!readAlgorithm(&body, &si.DigestAlgorithm) {
		return nil, malformed("SignerInfo")
	}
	if (si.keyID == nil) != (version == 1) || version != 1 && version != 3 {
		return nil, malformed("SignerInfo of version %d", version)
	}
	if body.PeekASN1Tag(explicit(0)) && !body.ReadASN1(&signed, explicit(0)) {
		return nil, malformed("signed attributes")
	}
	if !readAlgorithm(&body, &si.SignatureAlgorithm) || !body.ReadASN1(&signature, asn1.OCTET_STRING) {
		return nil, malformed("signature value")
	}
	if body.PeekASN1Tag(explicit(1)) && !body.ReadASN1(&unsigned, explicit(1)) {
		return nil, malformed("unsigned attributes")
	}
	if !body.Empty() {
		return nil, malformed("%d bytes after a SignerInfo", len(body))
	}
	si.Signature, si.signedRaw = signature, signed
	var err error
	if si.Signed, err = readAttributes(signed); err != nil {
		return nil, err
	}
	if si.Unsigned, err = readAttributes(unsigned); err != nil {
		return nil, err
	}
	return si, nil
}

func (si *SignerInfo) readIdentifier(body *cryptobyte.String) bool {
	if tag := asn1.Tag(0).ContextSpecific(); body.PeekASN1Tag(tag) {
		var id cryptobyte.String
		ok := body.ReadASN1(&id, tag) && len(id) > 0
		si.keyID = id
		return ok
	}
	var pair cryptobyte.String
	return readSequence(body, &pair) && readElement(&pair, &si.issuer) && readIntegerBytes(&pair, &si.serial, 64) && pair.Empty()
}

func readAttributes(s cryptobyte.String) ([]Attribute, error) {
	var out []Attribute
	for !s.Empty() {
		var body, values cryptobyte.String
		var a Attribute
		before := len(s)
		if !readSequence(&s, &body) || !readOID(&body, &a.OID) || !body.ReadASN1(&values, asn1.SET) || !body.Empty() {
			return nil, malformed("attribute")
		}
		a.Size = before - len(s)
		for !values.Empty() {
			var value []byte
			if !readElement(&values, &value) || len(a.Values) == MaxValues {
				return nil, malformed("values of attribute %s", a.OID)
			}
			a.Values = append(a.Values, value)
		}
		if out = append(out, a); len(out) > MaxAttributes {
			return nil, malformed("more than %d attributes", MaxAttributes)
		}
	}
	return out, nil
}

// SignedValue returns the value of a signed attribute that must be there once with one value.
func (si *SignerInfo) SignedValue(kind OID) ([]byte, error) {
	var found []byte
	for _, a := range si.Signed {
		if a.OID != kind {
			continue
		}
		if found != nil || len(a.Values) != 1 {
			return nil, malformed("signed attribute %s has more or less than one value", kind)
		}
		found = a.Values[0]
	}
	if found == nil {
		return nil, malformed("signed attribute %s is missing", kind)
	}
	return found, nil
}

// Hash returns the signer's digest function, or 0 if it is unknown.
func (si *SignerInfo) Hash() crypto.Hash { return si.DigestAlgorithm.Hash() }

// ErrDigest is returned where the message digest attribute is not that of the content.
var ErrDigest = errors.New("the signed message digest is not that of the signed content")

// Verify checks the signature with the signer's certificate: the content type and message digest attributes against
// the content, and the signature value over the attributes (RFC 5652 sections 5.4 and 5.6). Attributes are required.
func (si *SignerInfo) Verify(cert *Certificate, contentType OID, content []byte) error {
	if err := si.checkAttributes(contentType, content); err != nil {
		return err
	}
	return si.verifyValue(cert, false)
}

func (si *SignerInfo) checkAttributes(contentType OID, content []byte) error {
	h := si.Hash()
	if h == 0 {
		return errors.New("unknown digest algorithm " + si.DigestAlgorithm.OID.String())
	}
	kind, err := si.SignedValue(OIDContentType)
	if err != nil {
		return err
	}
	var signedType OID
	if s := cryptobyte.String(kind); !readOID(&s, &signedType) || signedType != contentType {
		return fmt.Errorf("the signed content type is %s, not %s", signedType, contentType)
	}
	value, err := si.SignedValue(OIDMessageDigest)
	if err != nil {
		return err
	}
	var digest cryptobyte.String
	if s := cryptobyte.String(value); !s.ReadASN1(&digest, asn1.OCTET_STRING) {
		return malformed("message digest")
	}
	if !hmac.Equal(digest, hashOf(h, content)) {
		return ErrDigest
	}
	return nil
}

// verifyValue checks the signature value over the attributes as they came, or else in the order that DER prescribes
// for a SET OF: some signers store them unsorted and sign the sorted form. bare also accepts an RSA signature over
// the hash without the DigestInfo around it.
func (si *SignerInfo) verifyValue(cert *Certificate, bare bool) error {
	key, err := cert.PublicKey()
	if err != nil {
		return fmt.Errorf("the signer's key cannot be used: %w", err)
	}
	stored := setOf(si.signedRaw)
	err = verifySignature(key, si.SignatureAlgorithm, si.Hash(), stored, si.Signature)
	if err == nil {
		return nil
	}
	if sorted := setOf(sortSet(si.signedRaw)); !bytes.Equal(sorted, stored) &&
		verifySignature(key, si.SignatureAlgorithm, si.Hash(), sorted, si.Signature) == nil {
		return nil
	}
	if bare && si.SignatureAlgorithm.resolve(si.Hash()).scheme == schemePKCS1 && verifyBare(key, hashOf(si.Hash(), stored), si.Signature) {
		return nil
	}
	return err
}

// setOf puts the tag and length of a SET around contents (RFC 5652 section 5.4).
func setOf(contents []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(contents) })
	return b.BytesOrPanic()
}

// sortSet orders elements as DER orders a SET OF (X.690 section 11.6).
func sortSet(contents []byte) []byte {
	var elements [][]byte
	for s := cryptobyte.String(contents); !s.Empty(); {
		var e []byte
		if !readElement(&s, &e) {
			return contents
		}
		elements = append(elements, e)
	}
	slices.SortStableFunc(elements, bytes.Compare)
	return slices.Concat(elements...)
}
