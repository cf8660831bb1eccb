package cms

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// SignedData is a CMS signature (RFC 5652 section 5.1), read completely but proven nowhere.
type SignedData struct {
	ContentType OID
	Content     []byte // contents octets that are signed, without tag and length; nil if detached
	Octets      bool   // the content is an OCTET STRING, as in CMS, and not a bare structure, as in PKCS #7
	Signers     []*SignerInfo

	Certificates []*Certificate // each once
	Attributes   []*AttributeCertificate
	Unparsable   [][]byte // elements of the certificate set that are no certificates which can be read
	CRLs         [][]byte // elements of the revocation set
}

// ParseContentInfo reads a ContentInfo (RFC 5652 section 3) with SignedData that fills der completely.
func ParseContentInfo(der []byte) (*SignedData, error) {
	if len(der) > MaxSize {
		return nil, malformed("signature of %d bytes, more than %d", len(der), MaxSize)
	}
	var info, wrapped cryptobyte.String
	var kind OID
	s := cryptobyte.String(der)
	if !readSequence(&s, &info) || !s.Empty() || !readOID(&info, &kind) {
		return nil, malformed("no ContentInfo")
	}
	if kind != OIDSignedData {
		return nil, malformed("content of type %s instead of SignedData", kind)
	}
	if !info.ReadASN1(&wrapped, explicit(0)) || !info.Empty() {
		return nil, malformed("ContentInfo")
	}
	return parseSignedData(wrapped)
}

func parseSignedData(s cryptobyte.String) (*SignedData, error) {
	var body, digests, content cryptobyte.String
	var version int
	if !readSequence(&s, &body) || !s.Empty() || !body.ReadASN1Integer(&version) ||
		!body.ReadASN1(&digests, asn1.SET) || !readSequence(&body, &content) {
		return nil, malformed("SignedData")
	}
	d := &SignedData{}
	if err := d.readContent(content); err != nil {
		return nil, err
	}
	if err := d.readSets(&body); err != nil {
		return nil, err
	}
	if err := d.readSigners(&body); err != nil {
		return nil, err
	}
	if !body.Empty() {
		return nil, malformed("%d bytes after the signers", len(body))
	}
	if !d.versionFits(version) {
		return nil, malformed("SignedData of version %d", version)
	}
	return d, d.checkDigests(digests)
}

// versionFits demands the version that the contents call for: 1 in PKCS #7 and with plain data, 3 for other content
// of CMS and for signers named by key identifier, 3 to 5 where an attribute certificate is present.
func (d *SignedData) versionFits(version int) bool {
	if !d.Octets || d.ContentType == OIDData {
		return version == 1 || version == 3 && d.namedByKey()
	}
	return version == 3 || len(d.Attributes) > 0 && (version == 4 || version == 5)
}

func (d *SignedData) namedByKey() bool {
	for _, signer := range d.Signers {
		if signer.keyID != nil {
			return true
		}
	}
	return false
}

// readContent reads EncapsulatedContentInfo.
func (d *SignedData) readContent(s cryptobyte.String) error {
	var wrapped, value cryptobyte.String
	var tag asn1.Tag
	if !readOID(&s, &d.ContentType) {
		return malformed("content type")
	}
	if s.Empty() {
		return nil
	}
	if !s.ReadASN1(&wrapped, explicit(0)) || !s.Empty() || !wrapped.ReadAnyASN1(&value, &tag) || !wrapped.Empty() {
		return malformed("content")
	}
	if tag != asn1.OCTET_STRING && tag != asn1.SEQUENCE {
		return malformed("content with tag %#x", uint8(tag))
	}
	d.Content, d.Octets = value, tag == asn1.OCTET_STRING
	return nil
}

// readSets reads the optional certificates [0] and crls [1].
func (d *SignedData) readSets(body *cryptobyte.String) error {
	var certs, crls cryptobyte.String
	if body.PeekASN1Tag(explicit(0)) && !body.ReadASN1(&certs, explicit(0)) {
		return malformed("certificates")
	}
	if body.PeekASN1Tag(explicit(1)) && !body.ReadASN1(&crls, explicit(1)) {
		return malformed("revocation lists")
	}
	for n := 0; !certs.Empty(); n++ {
		var element []byte
		if !readElement(&certs, &element) || n == MaxCertificates {
			return malformed("certificates")
		}
		d.addCertificate(element)
	}
	for !crls.Empty() {
		var element []byte
		if !readElement(&crls, &element) || len(d.CRLs) == MaxCertificates {
			return malformed("revocation lists")
		}
		d.CRLs = append(d.CRLs, element)
	}
	return nil
}

// addCertificate sorts an element of the certificate set. Some signing services include a certificate twice; the
// second says nothing that the first does not.
func (d *SignedData) addCertificate(element []byte) {
	if c, err := ParseCertificate(element); err == nil {
		if !d.has(c) {
			d.Certificates = append(d.Certificates, c)
		}
	} else if a, err := parseAttributeCertificate(element); err == nil {
		d.Attributes = append(d.Attributes, a)
	} else {
		d.Unparsable = append(d.Unparsable, element)
	}
}

func (d *SignedData) has(c *Certificate) bool {
	for _, o := range d.Certificates {
		if o.Equal(c) {
			return true
		}
	}
	return false
}

func (d *SignedData) readSigners(body *cryptobyte.String) error {
	var set cryptobyte.String
	if !body.ReadASN1(&set, asn1.SET) {
		return malformed("signers")
	}
	for !set.Empty() {
		var element []byte
		if !readElement(&set, &element) || len(d.Signers) == MaxSigners {
			return malformed("signers")
		}
		signer, err := ParseSignerInfo(element)
		if err != nil {
			return err
		}
		d.Signers = append(d.Signers, signer)
	}
	return nil
}

// checkDigests demands that digestAlgorithms lists just the signers' algorithms.
func (d *SignedData) checkDigests(set cryptobyte.String) error {
	used := map[OID]bool{}
	for _, signer := range d.Signers {
		used[signer.DigestAlgorithm.OID] = true
	}
	for n := 0; !set.Empty(); n++ {
		var alg Algorithm
		if !readAlgorithm(&set, &alg) || !alg.plain() || !used[alg.OID] || n == MaxSigners {
			return malformed("list of digest algorithms")
		}
	}
	return nil
}

// FindSigner returns the certificate that a signer names, or nil.
func FindSigner(signer *SignerInfo, certs []*Certificate) *Certificate {
	for _, c := range certs {
		if signer.keyID != nil {
			if bytes.Equal(signer.keyID, c.subjectKeyID) {
				return c
			}
		} else if bytes.Equal(signer.issuer, c.RawIssuer) && bytes.Equal(signer.serial, c.Serial) {
			return c
		}
	}
	return nil
}
