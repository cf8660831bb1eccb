package cms

import (
	"encoding/binary"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Of Microsoft's certificate trust lists ([MS-CAESO] section 4.4.5, CTL_INFO of wincrypt.h).
var (
	OIDTrustList      = NewOID(1, 3, 6, 1, 4, 1, 311, 10, 1)
	OIDRootListSigner = NewOID(1, 3, 6, 1, 4, 1, 311, 10, 3, 9)
	oidTrustListProp  = NewOID(1, 3, 6, 1, 4, 1, 311, 10, 11)
)

// Numbers of certificate properties (CERT_*_PROP_ID of wincrypt.h) that say what a root is trusted for.
const (
	propUsages           = 9   // only these extended key usages
	propFriendlyName     = 11  //
	propSHA256           = 98  // of the certificate
	propDisallowedTime   = 104 // not for what is signed from then on
	propDisallowedUsages = 122 // for these usages only, or altogether where no time is given
	propNotBeforeTime    = 126 // not for certificates that begin from then on
	propNotBeforeUsages  = 127 // for these usages only
)

const maxSubjects = 4096 // of one trust list

// TrustList is a certificate trust list: roots, by the SHA-1 of their certificates, and what they are trusted for.
type TrustList struct {
	ThisUpdate time.Time
	Subjects   []TrustedSubject
}

// TrustedSubject is one root of a trust list.
type TrustedSubject struct {
	SHA1         []byte
	SHA256       []byte // nil if the list does not give it
	FriendlyName string

	usages, disallowed, notBefore []OID // nil: the property is absent
	hasUsages                     bool
	disallowedAt, notBeforeAt     time.Time
}

// Allows returns whether the root is trusted for a usage, and within which limits.
func (t *TrustedSubject) Allows(usage OID) (RootLimit, bool) {
	var limit RootLimit
	if t.hasUsages && !contains(t.usages, usage) && !contains(t.usages, OIDAnyUsage) {
		return limit, false
	}
	if t.disallowed == nil || contains(t.disallowed, usage) {
		limit.SignedBefore = t.disallowedAt
		if t.disallowed != nil && t.disallowedAt.IsZero() {
			return limit, false
		}
	}
	if t.notBefore == nil || contains(t.notBefore, usage) {
		limit.IssuedBefore = t.notBeforeAt
	}
	return limit, true
}

func contains(list []OID, o OID) bool {
	for _, x := range list {
		if x == o {
			return true
		}
	}
	return false
}

// ParseTrustList reads the content of a SignedData of type OIDTrustList. Its signature is another matter.
func ParseTrustList(d *SignedData) (*TrustList, error) {
	if d.ContentType != OIDTrustList || d.Octets || d.Content == nil {
		return nil, malformed("signed content of type %s, not a trust list", d.ContentType)
	}
	l := &TrustList{}
	var skipped []byte
	var list cryptobyte.String
	var alg Algorithm
	s := cryptobyte.String(d.Content)
	if s.PeekASN1Tag(asn1.INTEGER) && !readElement(&s, &skipped) || !s.SkipASN1(asn1.SEQUENCE) {
		return nil, malformed("trust list")
	}
	s.SkipOptionalASN1(asn1.OCTET_STRING)
	s.SkipOptionalASN1(asn1.INTEGER)
	if !readTime(&s, &l.ThisUpdate) {
		return nil, malformed("time of a trust list")
	}
	s.SkipOptionalASN1(asn1.UTCTime)
	s.SkipOptionalASN1(asn1.GeneralizedTime)
	if !readAlgorithm(&s, &alg) || alg.OID != oidSHA1 {
		return nil, malformed("trust list that names its subjects by %s", alg.OID)
	}
	if s.PeekASN1Tag(asn1.SEQUENCE) && !readSequence(&s, &list) {
		return nil, malformed("subjects of a trust list")
	}
	for !list.Empty() {
		t, ok := readSubject(&list)
		if !ok || len(l.Subjects) == maxSubjects {
			return nil, malformed("subject %d of a trust list", len(l.Subjects)+1)
		}
		l.Subjects = append(l.Subjects, t)
	}
	return l, nil
}

func readSubject(list *cryptobyte.String) (t TrustedSubject, ok bool) {
	var body, id, set cryptobyte.String
	if !readSequence(list, &body) || !body.ReadASN1(&id, asn1.OCTET_STRING) || len(id) != 20 {
		return t, false
	}
	t.SHA1 = id
	if body.Empty() {
		return t, true
	}
	if !body.ReadASN1(&set, asn1.SET) || !body.Empty() {
		return t, false
	}
	attributes, err := readAttributes(set)
	if err != nil {
		return t, false
	}
	for _, a := range attributes {
		number, is := propertyNumber(a.OID)
		if !is {
			continue
		}
		var value cryptobyte.String
		if len(a.Values) != 1 {
			return t, false
		}
		if s := cryptobyte.String(a.Values[0]); !s.ReadASN1(&value, asn1.OCTET_STRING) || !t.property(number, value) {
			return t, false
		}
	}
	return t, true
}

// propertyNumber returns the last arc of an identifier below 1.3.6.1.4.1.311.10.11.
func propertyNumber(o OID) (n int, ok bool) {
	if len(o) <= len(oidTrustListProp) || len(o) > len(oidTrustListProp)+2 || o[:len(oidTrustListProp)] != oidTrustListProp {
		return 0, false
	}
	for _, c := range []byte(o[len(oidTrustListProp):]) {
		n = n<<7 | int(c&0x7f)
	}
	return n, true
}

func (t *TrustedSubject) property(number int, value cryptobyte.String) (ok bool) {
	switch number {
	case propUsages:
		t.hasUsages = true
		t.usages, ok = readUsageList(value)
	case propDisallowedUsages:
		t.disallowed, ok = readUsageList(value)
	case propNotBeforeUsages:
		t.notBefore, ok = readUsageList(value)
	case propDisallowedTime:
		t.disallowedAt, ok = fileTime(value)
	case propNotBeforeTime:
		t.notBeforeAt, ok = fileTime(value)
	case propSHA256:
		t.SHA256, ok = value, len(value) == 32
	case propFriendlyName:
		t.FriendlyName, ok = utf16String(value), true
	default:
		ok = true // says nothing about trust: key identifiers, hashes of names, policies of the programme
	}
	return ok
}

// readUsageList reads a SEQUENCE OF OBJECT IDENTIFIER. What is returned is not nil.
func readUsageList(s cryptobyte.String) ([]OID, bool) {
	var body cryptobyte.String
	if !readSequence(&s, &body) || !s.Empty() {
		return nil, false
	}
	out := []OID{}
	for !body.Empty() {
		var o OID
		if !readOID(&body, &o) {
			return nil, false
		}
		out = append(out, o)
	}
	return out, true
}

// fileTime reads a FILETIME: little-endian, in units of 100 ns since 1601. Zero is a time too, that of always.
func fileTime(b []byte) (time.Time, bool) {
	if len(b) != 8 {
		return time.Time{}, false
	}
	const to1970 = 116444736000000000
	n := binary.LittleEndian.Uint64(b)
	if n < to1970 {
		return time.Unix(0, 0).UTC(), true // nothing was signed before that
	}
	n -= to1970
	return time.Unix(int64(n/1e7), int64(n%1e7)*100).UTC(), n/1e7 < 1<<40
}

func utf16String(b []byte) string {
	var units []uint16
	for i := 0; i+1 < len(b); i += 2 {
		if u := uint16(b[i]) | uint16(b[i+1])<<8; u != 0 {
			units = append(units, u)
		}
	}
	return string(utf16.Decode(units))
}

// CertificateSet returns the certificates in a SignedData, as PKCS #7 files without signers (.p7b) carry them, each a
// whole element that has not been looked into. Unlike ParseContentInfo it takes thousands.
func CertificateSet(der []byte) ([][]byte, error) {
	var info, wrapped, body, certs cryptobyte.String
	var kind OID
	s := cryptobyte.String(der)
	if !readSequence(&s, &info) || !s.Empty() || !readOID(&info, &kind) || kind != OIDSignedData ||
		!info.ReadASN1(&wrapped, explicit(0)) || !readSequence(&wrapped, &body) ||
		!body.SkipASN1(asn1.INTEGER) || !body.SkipASN1(asn1.SET) || !body.SkipASN1(asn1.SEQUENCE) || !body.ReadASN1(&certs, explicit(0)) {
		return nil, malformed("PKCS #7 file of certificates")
	}
	var out [][]byte
	for !certs.Empty() {
		var element []byte
		if !readElement(&certs, &element) || len(out) == maxSubjects {
			return nil, malformed("PKCS #7 file of certificates")
		}
		out = append(out, element)
	}
	return out, nil
}
