package cms

import (
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// OID is the contents octets of a DER object identifier (X.690 section 8.19), of any length and with arcs of any size.
type OID string

// NewOID encodes the arcs of an identifier; the first two are taken together.
func NewOID(arcs ...uint64) OID {
	var b []byte
	for i, arc := range arcs {
		switch i {
		case 0:
			continue
		case 1:
			arc += arcs[0] * 40
		}
		var digits []byte
		for digits = []byte{byte(arc & 0x7f)}; arc > 0x7f; {
			arc >>= 7
			digits = append([]byte{byte(arc&0x7f) | 0x80}, digits...)
		}
		b = append(b, digits...)
	}
	return OID(b)
}

// String returns the dotted form, or hexadecimal where an arc has more than 63 bits.
func (o OID) String() string {
	var arcs []string
	var arc uint64
	for _, c := range []byte(o) {
		if arc >= 1<<56 {
			return "0x" + hex.EncodeToString([]byte(o))
		}
		if arc = arc<<7 | uint64(c&0x7f); c&0x80 != 0 {
			continue
		}
		if len(arcs) == 0 {
			first := min(arc/40, 2)
			arcs, arc = append(arcs, strconv.FormatUint(first, 10)), arc-first*40
		}
		arcs, arc = append(arcs, strconv.FormatUint(arc, 10)), 0
	}
	return strings.Join(arcs, ".")
}

// readOID reads an object identifier. It refuses unterminated and padded arcs.
func readOID(s *cryptobyte.String, out *OID) bool {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.OBJECT_IDENTIFIER) || len(body) == 0 || len(body) > 128 || body[len(body)-1]&0x80 != 0 {
		return false
	}
	for i, c := range body {
		if c == 0x80 && (i == 0 || body[i-1]&0x80 == 0) {
			return false
		}
	}
	*out = OID(body)
	return true
}

// Content types and attributes (RFC 5652, RFC 2985, RFC 3161, Microsoft's Authenticode).
var (
	OIDData             = NewOID(1, 2, 840, 113549, 1, 7, 1)
	OIDSignedData       = NewOID(1, 2, 840, 113549, 1, 7, 2)
	OIDContentType      = NewOID(1, 2, 840, 113549, 1, 9, 3)
	OIDMessageDigest    = NewOID(1, 2, 840, 113549, 1, 9, 4)
	OIDSigningTime      = NewOID(1, 2, 840, 113549, 1, 9, 5)
	OIDCountersignature = NewOID(1, 2, 840, 113549, 1, 9, 6)
	OIDTSTInfo          = NewOID(1, 2, 840, 113549, 1, 9, 16, 1, 4)
	OIDSigningCert      = NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 12)
	OIDSigningCertV2    = NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 47)
	OIDIndirectData     = NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 4)
	OIDPEImageData      = NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 15)
	OIDNestedSignature  = NewOID(1, 3, 6, 1, 4, 1, 311, 2, 4, 1)
	OIDTimestampToken   = NewOID(1, 3, 6, 1, 4, 1, 311, 3, 3, 1)
)

// Extended key usages (RFC 5280 section 4.2.1.12, Microsoft).
var (
	OIDAnyUsage        = NewOID(2, 5, 29, 37, 0)
	OIDCodeSigning     = NewOID(1, 3, 6, 1, 5, 5, 7, 3, 3)
	OIDTimeStamping    = NewOID(1, 3, 6, 1, 5, 5, 7, 3, 8)
	OIDLifetimeSigning = NewOID(1, 3, 6, 1, 4, 1, 311, 10, 3, 13)
)

// Algorithms (RFC 3279, 4055, 5480, 5758, 8017).
var (
	oidRSA         = NewOID(1, 2, 840, 113549, 1, 1, 1)
	oidMD5RSA      = NewOID(1, 2, 840, 113549, 1, 1, 4)
	oidSHA1RSA     = NewOID(1, 2, 840, 113549, 1, 1, 5)
	oidMGF1        = NewOID(1, 2, 840, 113549, 1, 1, 8)
	oidPSS         = NewOID(1, 2, 840, 113549, 1, 1, 10)
	oidSHA256RSA   = NewOID(1, 2, 840, 113549, 1, 1, 11)
	oidSHA384RSA   = NewOID(1, 2, 840, 113549, 1, 1, 12)
	oidSHA512RSA   = NewOID(1, 2, 840, 113549, 1, 1, 13)
	oidSHA1RSAOIW  = NewOID(1, 3, 14, 3, 2, 29) // the OIW's older name for SHA-1 with RSA, in old Microsoft certificates
	oidEC          = NewOID(1, 2, 840, 10045, 2, 1)
	oidECDSASHA1   = NewOID(1, 2, 840, 10045, 4, 1)
	oidECDSASHA256 = NewOID(1, 2, 840, 10045, 4, 3, 2)
	oidECDSASHA384 = NewOID(1, 2, 840, 10045, 4, 3, 3)
	oidECDSASHA512 = NewOID(1, 2, 840, 10045, 4, 3, 4)
	oidP256        = NewOID(1, 2, 840, 10045, 3, 1, 7)
	oidP384        = NewOID(1, 3, 132, 0, 34)
	oidP521        = NewOID(1, 3, 132, 0, 35)
	oidMD5         = NewOID(1, 2, 840, 113549, 2, 5)
	oidSHA1        = NewOID(1, 3, 14, 3, 2, 26)
	oidSHA256      = NewOID(2, 16, 840, 1, 101, 3, 4, 2, 1)
	oidSHA384      = NewOID(2, 16, 840, 1, 101, 3, 4, 2, 2)
	oidSHA512      = NewOID(2, 16, 840, 1, 101, 3, 4, 2, 3)
)
