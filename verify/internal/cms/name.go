package cms

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Name is what people look for in an X.501 name. An attribute that occurs several times with different values is left
// empty: whoever reads another of them than we do would see another name.
type Name struct {
	CommonName, Organization, Country string
}

// Best returns the name that a person would use: organization, else common name.
func (n Name) Best() string {
	if n.Organization != "" {
		return n.Organization
	}
	return n.CommonName
}

var (
	oidCommonName   = NewOID(2, 5, 4, 3)
	oidCountry      = NewOID(2, 5, 4, 6)
	oidOrganization = NewOID(2, 5, 4, 10)
)

// parseName reads an RDNSequence (RFC 5280 section 4.1.2.4). Values of unknown types are left out.
func parseName(der []byte) (Name, error) {
	var name Name
	seen := map[OID]bool{}
	var sequence cryptobyte.String
	if s := cryptobyte.String(der); !readSequence(&s, &sequence) || !s.Empty() {
		return name, malformed("name")
	}
	for !sequence.Empty() {
		var rdn cryptobyte.String
		if !sequence.ReadASN1(&rdn, asn1.SET) {
			return name, malformed("name")
		}
		for !rdn.Empty() {
			var pair, value cryptobyte.String
			var kind OID
			var tag asn1.Tag
			if !readSequence(&rdn, &pair) || !readOID(&pair, &kind) || !pair.ReadAnyASN1(&value, &tag) || !pair.Empty() {
				return name, malformed("name")
			}
			name.add(kind, decodeString(tag, value), seen[kind])
			seen[kind] = true
		}
	}
	return name, nil
}

func (n *Name) add(kind OID, value string, again bool) {
	var field *string
	switch kind {
	case oidCommonName:
		field = &n.CommonName
	case oidOrganization:
		field = &n.Organization
	case oidCountry:
		field = &n.Country
	default:
		return
	}
	if again && *field != value {
		value = ""
	}
	*field = value
}

// decodeString turns the string types of X.690 section 8.23 into UTF-8. T61String is read as Latin-1, which is what
// certificate authorities wrote into it.
func decodeString(tag asn1.Tag, b []byte) string {
	switch tag {
	case asn1.UTF8String, asn1.PrintableString, asn1.IA5String, asn1.Tag(18):
		if utf8.Valid(b) {
			return string(b)
		}
		return latin1(b)
	case asn1.T61String:
		return latin1(b)
	case asn1.Tag(30): // BMPString
		if len(b)%2 != 0 {
			return ""
		}
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
		}
		return string(utf16.Decode(units))
	}
	return ""
}

func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}
