package cms

import (
	"bytes"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// AttributeCertificate is an X.509 attribute certificate as it may stand among certificates (RFC 5652 section 10.2.2,
// v1AttrCert and v2AttrCert). Nothing here relies on what it says; Microsoft's timestamping authorities state the
// state of their clock in one, and it has to be told from bytes that have no business there.
type AttributeCertificate struct {
	Raw []byte

	info      []byte
	algorithm Algorithm
	signature []byte
}

// parseAttributeCertificate reads an element of a certificate set.
func parseAttributeCertificate(element []byte) (*AttributeCertificate, error) {
	var body cryptobyte.String
	var tag asn1.Tag
	a := &AttributeCertificate{Raw: element}
	s := cryptobyte.String(element)
	if !s.ReadAnyASN1(&body, &tag) || !s.Empty() || tag != explicit(1) && tag != explicit(2) ||
		!readElement(&body, &a.info) || !readAlgorithm(&body, &a.algorithm) || !body.ReadASN1BitStringAsBytes(&a.signature) || !body.Empty() {
		return nil, malformed("attribute certificate")
	}
	return a, nil
}

// Limits of a clock statement, in bytes.
const (
	maxClockStatement = 1280
	maxClockValue     = 160
)

// clockArc is where the maker of Microsoft's timestamping hardware has its attributes.
var clockArc = NewOID(1, 3, 6, 1, 4, 1, 601, 10)

// ClockStatement reports whether this is what Microsoft's timestamping authorities put into their tokens: a version 1
// attribute certificate about the state of their clock, for the authority, of the usual size, with attributes of that
// kind only. The key that signs it stands nowhere in the token, so that its signature cannot be checked.
func (a *AttributeCertificate) ClockStatement(authority *Certificate) bool {
	var info, validity, attributes cryptobyte.String
	var version int
	var subject, issuer, serial []byte
	var alg Algorithm
	s := cryptobyte.String(a.info)
	if len(a.Raw) > maxClockStatement || len(a.signature) > maxKeyBits/16 ||
		!readSequence(&s, &info) || !info.ReadASN1Integer(&version) || version != 0 && version != 1 ||
		!readElement(&info, &subject) || !bytes.Contains(subject, authority.RawSubject) || !readElement(&info, &issuer) || !readAlgorithm(&info, &alg) || !alg.Equal(a.algorithm) ||
		!readIntegerBytes(&info, &serial, 20) || !readSequence(&info, &validity) || !readSequence(&info, &attributes) || !info.Empty() {
		return false
	}
	list, err := readAttributes(attributes)
	for _, attr := range list {
		if !strings.HasPrefix(string(attr.OID), string(clockArc)) || attr.Size > maxClockValue {
			return false
		}
	}
	return err == nil && len(list) > 0
}
