package cms

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// RevocationReason is why a certificate was revoked (RFC 5280 section 5.3.1).
type RevocationReason int

// The reasons that make a difference here. NoReason is that of an entry that gives none.
const (
	NoReason             RevocationReason = -1
	Unspecified          RevocationReason = 0
	KeyCompromise        RevocationReason = 1
	CACompromise         RevocationReason = 2
	AffiliationChanged   RevocationReason = 3
	Superseded           RevocationReason = 4
	CessationOfOperation RevocationReason = 5
	CertificateHold      RevocationReason = 6
	RemoveFromCRL        RevocationReason = 8
	PrivilegeWithdrawn   RevocationReason = 9
	AACompromise         RevocationReason = 10
)

var reasonNames = map[RevocationReason]string{
	NoReason: "no reason given", Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise",
	AffiliationChanged: "affiliationChanged", Superseded: "superseded", CessationOfOperation: "cessationOfOperation",
	CertificateHold: "certificateHold", RemoveFromCRL: "removeFromCRL", PrivilegeWithdrawn: "privilegeWithdrawn", AACompromise: "aACompromise",
}

// String returns the name that RFC 5280 gives a reason.
func (r RevocationReason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return "an unknown reason"
}

// Compromise reports whether the reason says that others may have, or have had, the key.
func (r RevocationReason) Compromise() bool {
	return r == KeyCompromise || r == CACompromise || r == AACompromise
}

// Revoked is what a list says of one certificate.
type Revoked struct {
	Date    time.Time // when the authority revoked it
	Reason  RevocationReason
	Invalid time.Time // since when it is known or suspected not to have been good (section 5.3.2); zero if that is not said
}

// entry is one element of revokedCertificates (RFC 5280 section 5.1.2.6).
type entry struct {
	serial  []byte
	revoked Revoked
	unknown OID // a critical extension that is unknown; "" if there is none
}

var (
	oidReasonCode        = NewOID(2, 5, 29, 21)
	oidHoldInstruction   = NewOID(2, 5, 29, 23)
	oidInvalidityDate    = NewOID(2, 5, 29, 24)
	oidCertificateIssuer = NewOID(2, 5, 29, 29)
)

func (e *entry) read(list *cryptobyte.String) bool {
	var body cryptobyte.String
	*e = entry{revoked: Revoked{Reason: NoReason}}
	if !readSequence(list, &body) || !readIntegerBytes(&body, &e.serial, 64) || !readDate(&body, &e.revoked.Date) {
		return false
	}
	if body.Empty() {
		return true
	}
	var extensions cryptobyte.String
	if !readSequence(&body, &extensions) || !body.Empty() {
		return false
	}
	for n := 0; !extensions.Empty(); n++ {
		if n == maxExtensions || !e.readExtension(&extensions) {
			return false
		}
	}
	return true
}

func (e *entry) readExtension(list *cryptobyte.String) bool {
	var body, kind, value cryptobyte.String
	critical := false
	if !readSequence(list, &body) || !body.ReadASN1(&kind, asn1.OBJECT_IDENTIFIER) {
		return false
	}
	if body.PeekASN1Tag(asn1.BOOLEAN) && !body.ReadASN1Boolean(&critical) {
		return false
	}
	if !body.ReadASN1(&value, asn1.OCTET_STRING) || !body.Empty() {
		return false
	}
	switch OID(kind) { // without a copy: there may be millions
	case oidReasonCode:
		var reason int
		ok := value.ReadASN1Enum(&reason) && value.Empty()
		e.revoked.Reason = RevocationReason(reason)
		return ok
	case oidInvalidityDate:
		return readTime(&value, &e.revoked.Invalid) && value.Empty()
	case oidHoldInstruction:
		return true
	case oidCertificateIssuer:
		// The entry is of another issuer's certificate, whether or not this is marked as critical.
		e.unknown = oidCertificateIssuer
		return true
	}
	if critical {
		e.unknown = OID(kind)
	}
	return true
}

// readDate is readTime without the cost of time.Parse for what nearly all entries have, a UTCTime with seconds.
func readDate(s *cryptobyte.String, out *time.Time) bool {
	b := []byte(*s)
	if len(b) < 15 || b[0] != byte(asn1.UTCTime) || b[1] != 13 || b[14] != 'Z' {
		return readTime(s, out)
	}
	var n [6]int
	for i := range n {
		high, low := b[2+2*i]-'0', b[3+2*i]-'0'
		if high > 9 || low > 9 {
			return false
		}
		n[i] = 10*int(high) + int(low)
	}
	year := 1900 + n[0]
	if n[0] < 50 { // RFC 5280 section 4.1.2.5.1
		year = 2000 + n[0]
	}
	t := time.Date(year, time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if int(t.Month()) != n[1] || t.Day() != n[2] || t.Hour() != n[3] || t.Minute() != n[4] || t.Second() != n[5] {
		return false
	}
	*out = t
	*s = (*s)[15:]
	return true
}

// Find returns what the list says of a serial number, given as contents octets; nothing if it is not listed.
func (l *RevocationList) Find(serial []byte) []Revoked {
	key := maphash.Bytes(l.seed, serial)
	i, _ := slices.BinarySearchFunc(l.index, key, func(r revokedAt, key uint64) int { return cmp.Compare(r.key, key) })
	var out []Revoked
	for ; i < len(l.index) && l.index[i].key == key; i++ {
		var e entry
		rest := cryptobyte.String(l.entries[l.index[i].offset:])
		if e.read(&rest) && bytes.Equal(e.serial, serial) {
			out = append(out, e.revoked)
		}
	}
	return out
}
