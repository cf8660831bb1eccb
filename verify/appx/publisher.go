package appx

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// attributeNames are the abbreviations that Windows uses in the text form of a distinguished name (CertNameToStr), and
// those of RFC 4514.
var attributeNames = map[string]string{
	"CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "S": "2.5.4.8", "ST": "2.5.4.8",
	"STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "T": "2.5.4.12", "TITLE": "2.5.4.12", "DESCRIPTION": "2.5.4.13",
	"POSTALCODE": "2.5.4.17", "POBOX": "2.5.4.18", "PHONE": "2.5.4.20", "G": "2.5.4.42", "GN": "2.5.4.42", "I": "2.5.4.43",
	"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1", "E": "1.2.840.113549.1.9.1", "EMAIL": "1.2.840.113549.1.9.1",
	"DNQ": "2.5.4.46", "DNQUALIFIER": "2.5.4.46",
}

// signerSubject returns the subject of the signer's certificate, DER, or nil.
func signerSubject(der []byte) []byte {
	if der == nil {
		return nil
	}
	d, err := cms.ParseContentInfo(der)
	if err != nil || len(d.Signers) != 1 {
		return nil
	}
	if c := cms.FindSigner(d.Signers[0], d.Certificates); c != nil {
		return c.RawSubject
	}
	return nil
}

// comparePublisher returns in what way the manifest's text differs from the signer's subject, "" if it is the same name.
// The text has the parts in the other order than the certificate, as Windows writes names; both orders are taken.
func comparePublisher(text string, subject []byte) string {
	want, err := parseText(text)
	if err != nil {
		return err.Error()
	}
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(subject, &sequence); err != nil || len(rest) > 0 {
		return "the subject cannot be read"
	}
	var have []string
	for _, rdn := range sequence {
		var parts []string
		for _, a := range rdn {
			parts = append(parts, part(a.Type.String(), fmt.Sprint(a.Value)))
		}
		slices.Sort(parts)
		have = append(have, strings.Join(parts, "\x01"))
	}
	if slices.Equal(want, have) {
		return ""
	}
	if slices.Reverse(have); slices.Equal(want, have) {
		return ""
	}
	return fmt.Sprintf("%d parts beside %d, or other ones", len(want), len(have))
}

// part is one attribute in a form that can be compared: runs of spaces count as one.
func part(oid, value string) string { return oid + "\x00" + strings.Join(strings.Fields(value), " ") }

// parseText reads a distinguished name as text (RFC 4514, and the older forms that CertStrToName takes): parts divided
// by commas or semicolons, "+" between attributes of one part, values quoted or with backslashes before special
// characters.
func parseText(s string) ([]string, error) {
	var out, set []string
	for rest := s; ; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, errors.New("the text is no distinguished name")
		}
		key = strings.ToUpper(strings.TrimSpace(key))
		oid, known := attributeNames[key]
		if !known {
			oid = strings.TrimPrefix(key, "OID.")
		}
		value, end, left, err := parseValue(after)
		if err != nil {
			return nil, err
		}
		if set = append(set, part(oid, value)); end != '+' {
			slices.Sort(set)
			out, set = append(out, strings.Join(set, "\x01")), nil
		}
		if end == 0 {
			return out, nil
		}
		rest = left
	}
}

// parseValue reads a value up to the character that ends it, 0 for the end of the text.
func parseValue(s string) (value string, end byte, rest string, err error) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"': // a quote inside quotes is doubled
			b.WriteByte(c)
			i++
		case c == '"':
			quoted = !quoted
		case c == '\\' && !quoted && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case !quoted && (c == ',' || c == ';' || c == '+'):
			return strings.TrimSpace(b.String()), c, s[i+1:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", 0, "", errors.New("a quote is not closed")
	}
	return strings.TrimSpace(b.String()), 0, "", nil
}

func unescaped(name string) string {
	if s, err := url.PathUnescape(name); err == nil {
		return s
	}
	return name
}
