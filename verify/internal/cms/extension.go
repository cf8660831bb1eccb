package cms

import (
	"bytes"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Extension is one extension of a certificate (RFC 5280 section 4.2).
type Extension struct {
	OID      OID
	Critical bool
	Value    []byte // contents of the OCTET STRING
}

var (
	oidSubjectKeyID      = NewOID(2, 5, 29, 14)
	oidKeyUsage          = NewOID(2, 5, 29, 15)
	oidSubjectAltName    = NewOID(2, 5, 29, 17)
	oidIssuerAltName     = NewOID(2, 5, 29, 18)
	oidBasicConstraints  = NewOID(2, 5, 29, 19)
	oidNameConstraints   = NewOID(2, 5, 29, 30)
	oidCRLDistribution   = NewOID(2, 5, 29, 31)
	oidPolicies          = NewOID(2, 5, 29, 32)
	oidPolicyMappings    = NewOID(2, 5, 29, 33)
	oidAuthorityKeyID    = NewOID(2, 5, 29, 35)
	oidPolicyConstraints = NewOID(2, 5, 29, 36)
	oidExtKeyUsage       = NewOID(2, 5, 29, 37)
	oidInhibitAnyPolicy  = NewOID(2, 5, 29, 54)
	oidAuthorityInfo     = NewOID(1, 3, 6, 1, 5, 5, 7, 1, 1)
)

// familiar are the arcs below which extensions of everyday certificates lie: X.500, PKIX, Microsoft, certificate
// transparency, Netscape, Entrust, VeriSign, Apple.
var familiar = []OID{
	NewOID(2, 5, 29), NewOID(1, 3, 6, 1, 5, 5, 7), NewOID(1, 3, 6, 1, 4, 1, 311), NewOID(1, 3, 6, 1, 4, 1, 11129, 2, 4),
	NewOID(2, 16, 840, 1, 113730), NewOID(1, 2, 840, 113533, 7), NewOID(2, 16, 840, 1, 113733), NewOID(1, 2, 840, 113635, 100),
}

// Familiar reports whether an extension is of a kind that everyday certificates have.
func (e Extension) Familiar() bool {
	for _, arc := range familiar {
		if strings.HasPrefix(string(e.OID), string(arc)) {
			return true
		}
	}
	return false
}

// harmlessCritical are extensions that restrict nothing which is decided here, so that they may be critical:
// certificate policies are not processed, as the platform does not where none are asked for.
var harmlessCritical = map[OID]bool{
	oidSubjectKeyID: true, oidSubjectAltName: true, oidIssuerAltName: true, oidCRLDistribution: true, oidPolicies: true,
	oidPolicyMappings: true, oidAuthorityKeyID: true, oidPolicyConstraints: true, oidInhibitAnyPolicy: true, oidAuthorityInfo: true,
}

// Bits of the keyUsage extension (RFC 5280 section 4.2.1.3).
const (
	usageDigitalSignature  = 0
	usageContentCommitment = 1
	usageCertSign          = 5
	usageCRLSign           = 6
)

// extensions is what a certificate's extensions say about its place in a path.
type extensions struct {
	defect string // why the certificate may not be part of any path; "" if nothing speaks against it

	isCA    bool
	pathLen int // how many more intermediates may follow; negative means any number

	hasKeyUsage bool
	keyUsage    uint16 // bit n is set where keyUsage has bit n

	hasUsages bool
	usages    map[OID]bool

	subjectKeyID, authorityKeyID []byte
	constraints                  *nameConstraints
}

// readExtensions reads the optional [3] Extensions of a TBSCertificate.
func readExtensions(tbs *cryptobyte.String) ([]Extension, error) {
	if !tbs.PeekASN1Tag(explicit(3)) {
		return nil, nil
	}
	var field, list cryptobyte.String
	if !tbs.ReadASN1(&field, explicit(3)) || !readSequence(&field, &list) || !field.Empty() {
		return nil, malformed("extensions")
	}
	var out []Extension
	for !list.Empty() {
		e, ok := readExtension(&list)
		if !ok || len(out) == maxExtensions {
			return nil, malformed("extension")
		}
		out = append(out, e)
	}
	return out, nil
}

func readExtension(list *cryptobyte.String) (e Extension, ok bool) {
	var body, value cryptobyte.String
	if !readSequence(list, &body) || !readOID(&body, &e.OID) {
		return e, false
	}
	if body.PeekASN1Tag(asn1.BOOLEAN) && !body.ReadASN1Boolean(&e.Critical) {
		return e, false
	}
	if !body.ReadASN1(&value, asn1.OCTET_STRING) || !body.Empty() {
		return e, false
	}
	e.Value = value
	return e, true
}

// read takes from a certificate's extensions what decides about paths.
func (x *extensions) read(list []Extension) {
	x.pathLen = -1
	seen := map[OID]bool{}
	for _, e := range list {
		if seen[e.OID] {
			x.defect = "an extension occurs twice"
			return
		}
		seen[e.OID] = true
		if !x.readOne(e, cryptobyte.String(e.Value)) {
			x.defect = "its extension " + e.OID.String() + " is malformed"
		}
	}
}

func (x *extensions) readOne(e Extension, s cryptobyte.String) bool {
	switch e.OID {
	case oidBasicConstraints:
		return x.readBasicConstraints(s)
	case oidKeyUsage:
		return x.readKeyUsage(s)
	case oidExtKeyUsage:
		return x.readUsages(s)
	case oidNameConstraints:
		x.constraints = parseNameConstraints(s)
		return x.constraints != nil
	case oidSubjectKeyID:
		var id cryptobyte.String
		ok := s.ReadASN1(&id, asn1.OCTET_STRING) && s.Empty()
		x.subjectKeyID = id
		return ok
	case oidAuthorityKeyID:
		var body, id cryptobyte.String
		if !readSequence(&s, &body) || !s.Empty() {
			return false
		}
		if body.PeekASN1Tag(asn1.Tag(0).ContextSpecific()) && !body.ReadASN1(&id, asn1.Tag(0).ContextSpecific()) {
			return false
		}
		x.authorityKeyID = id
		return true
	}
	if e.Critical && !harmlessCritical[e.OID] {
		x.defect = "its critical extension " + e.OID.String() + " is unknown"
	}
	return true
}

func (x *extensions) readBasicConstraints(s cryptobyte.String) bool {
	var body cryptobyte.String
	if !readSequence(&s, &body) || !s.Empty() {
		return false
	}
	if body.PeekASN1Tag(asn1.BOOLEAN) && !body.ReadASN1Boolean(&x.isCA) {
		return false
	}
	if body.PeekASN1Tag(asn1.INTEGER) && (!body.ReadASN1Integer(&x.pathLen) || x.pathLen < 0) {
		return false
	}
	return body.Empty()
}

func (x *extensions) readKeyUsage(s cryptobyte.String) bool {
	var bits []byte
	if !readBits(&s, &bits) || !s.Empty() {
		return false
	}
	x.hasKeyUsage = true
	for i := range min(9, 8*len(bits)) {
		if bits[i/8]&(0x80>>(i%8)) != 0 {
			x.keyUsage |= 1 << i
		}
	}
	return true
}

// readBits reads a BIT STRING; the unused bits at its end come out as they are.
func readBits(s *cryptobyte.String, out *[]byte) bool {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.BIT_STRING) || len(body) == 0 || len(body) > 16 || body[0] > 7 {
		return false
	}
	*out = body[1:]
	return true
}

func (x *extensions) readUsages(s cryptobyte.String) bool {
	var body cryptobyte.String
	if !readSequence(&s, &body) || !s.Empty() {
		return false
	}
	x.hasUsages, x.usages = true, map[OID]bool{}
	for !body.Empty() {
		var usage OID
		if !readOID(&body, &usage) {
			return false
		}
		x.usages[usage] = true
	}
	return true
}

// may reports whether the key usage allows one of bits; a certificate without the extension allows all.
func (x *extensions) may(bits ...int) bool {
	for _, b := range bits {
		if x.keyUsage&(1<<b) != 0 {
			return true
		}
	}
	return !x.hasKeyUsage
}

// Allows reports whether an extended key usage is listed by name.
func (x *extensions) Allows(usage OID) bool { return x.usages[usage] }

// passes reports whether certificates below this one may have a usage (no extension, the usage, or any).
func (x *extensions) passes(usage OID) bool {
	return !x.hasUsages || x.usages[usage] || x.usages[OIDAnyUsage]
}

// keyIDsDiffer reports whether c names its issuer's key, and issuer has another.
func keyIDsDiffer(c, issuer *Certificate) bool {
	return len(c.authorityKeyID) > 0 && len(issuer.subjectKeyID) > 0 && !bytes.Equal(c.authorityKeyID, issuer.subjectKeyID)
}
