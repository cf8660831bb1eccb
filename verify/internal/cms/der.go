package cms

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// readSequence reads a SEQUENCE and returns its contents.
func readSequence(s *cryptobyte.String, out *cryptobyte.String) bool {
	return s.ReadASN1(out, asn1.SEQUENCE)
}

// readElement reads the next element whatever its tag and returns it with tag and length.
func readElement(s *cryptobyte.String, out *[]byte) bool {
	var e cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1Element(&e, &tag) {
		return false
	}
	*out = e
	return true
}

// readIntegerBytes reads a minimally encoded INTEGER of at most limit octets and returns its contents octets.
// Negative numbers pass: serial numbers of old certificates are.
func readIntegerBytes(s *cryptobyte.String, out *[]byte, limit int) bool {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.INTEGER) || len(body) == 0 || len(body) > limit {
		return false
	}
	if len(body) > 1 && (body[0] == 0 && body[1] < 0x80 || body[0] == 0xff && body[1] >= 0x80) {
		return false
	}
	*out = body
	return true
}

// readTime reads a UTCTime or a GeneralizedTime; only in the latter fractions of a second may follow.
func readTime(s *cryptobyte.String, out *time.Time) bool {
	if s.PeekASN1Tag(asn1.UTCTime) {
		return s.ReadASN1UTCTime(out)
	}
	return readGeneralizedTime(s, out)
}

// readGeneralizedTime reads what RFC 3161 section 2.4.2 allows: YYYYMMDDhhmmss[.s...]Z.
func readGeneralizedTime(s *cryptobyte.String, out *time.Time) bool {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.GeneralizedTime) || len(body) < 15 || len(body) > 30 {
		return false
	}
	t, err := time.Parse("20060102150405Z", string(body))
	if err != nil {
		return false
	}
	*out = t
	return true
}

// ReadElement splits b after its first DER element, whatever its tag.
func ReadElement(b []byte) (element, rest []byte, err error) {
	s := cryptobyte.String(b)
	if !readElement(&s, &element) {
		return nil, nil, malformed("no DER element where one is due")
	}
	return element, s, nil
}
