package cms

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Scope is for which of its issuer's certificates a list speaks (RFC 5280 sections 5.2.4 and 5.2.5).
type Scope struct {
	// Unusable says why nothing can be learnt from the list, not even that a certificate is revoked; "" if it can.
	Unusable string
	// Partial says why a certificate that the list does not name may be revoked all the same; "" if it may not.
	Partial string

	userOnly, caOnly bool
	points           []string // names of the distribution point, whole elements; nil where the list has none
}

var (
	oidCRLNumber         = NewOID(2, 5, 29, 20)
	oidDeltaCRL          = NewOID(2, 5, 29, 27)
	oidIssuingPoint      = NewOID(2, 5, 29, 28)
	oidFreshestCRL       = NewOID(2, 5, 29, 46)
	oidExpiredCertsOnCRL = NewOID(2, 5, 29, 60)
)

// Covers returns "" if a certificate of the list's issuer would be named by the list were it revoked, else why not.
func (s *Scope) Covers(c *Certificate) string {
	switch {
	case s.Unusable != "":
		return s.Unusable
	case s.Partial != "":
		return s.Partial
	case s.userOnly && c.isCA:
		return "it is for the certificates of end entities only"
	case s.caOnly && !c.isCA:
		return "it is for the certificates of authorities only"
	case s.points != nil && !slices.ContainsFunc(c.distributionPoints(), func(p string) bool { return slices.Contains(s.points, p) }):
		return "it is for certificates of another distribution point"
	}
	return ""
}

// readExtensions reads crlExtensions, the last field of a list.
func (l *RevocationList) readExtensions(tbs cryptobyte.String, version int) error {
	if tbs.Empty() {
		return nil
	}
	var field, list cryptobyte.String
	if version != 1 || !tbs.ReadASN1(&field, explicit(0)) || !tbs.Empty() || !readSequence(&field, &list) || !field.Empty() {
		return malformed("extensions of a revocation list")
	}
	seen := map[OID]bool{}
	for !list.Empty() {
		e, ok := readExtension(&list)
		if !ok || len(seen) == maxExtensions || seen[e.OID] {
			return malformed("extensions of a revocation list")
		}
		seen[e.OID] = true
		if !l.readExtensionValue(e) {
			return malformed("extension %s of a revocation list", e.OID)
		}
	}
	return nil
}

func (l *RevocationList) readExtensionValue(e Extension) bool {
	s := cryptobyte.String(e.Value)
	switch e.OID {
	case oidCRLNumber:
		return readIntegerBytes(&s, &l.Number, 64) && s.Empty()
	case oidIssuingPoint:
		return l.Scope.readIssuingPoint(s)
	case oidDeltaCRL:
		l.Scope.Partial = "it is a delta list, which names changes only"
	case oidAuthorityKeyID, oidIssuerAltName, oidFreshestCRL, oidAuthorityInfo, oidExpiredCertsOnCRL:
	default:
		if e.Critical {
			l.Scope.Unusable = "its critical extension " + e.OID.String() + " is unknown"
		}
	}
	return true
}

// readIssuingPoint reads an IssuingDistributionPoint (RFC 5280 section 5.2.5).
func (s *Scope) readIssuingPoint(der cryptobyte.String) bool {
	var body, name, reasons cryptobyte.String
	var indirect, attributes bool
	if !readSequence(&der, &body) || !der.Empty() {
		return false
	}
	if body.PeekASN1Tag(explicit(0)) {
		if !body.ReadASN1(&name, explicit(0)) {
			return false
		}
		s.points = append([]string{}, generalNames(name)...)
	}
	if !readFlag(&body, 1, &s.userOnly) || !readFlag(&body, 2, &s.caOnly) {
		return false
	}
	if tag := asn1.Tag(3).ContextSpecific(); body.PeekASN1Tag(tag) {
		if !body.ReadASN1(&reasons, tag) {
			return false
		}
		s.Partial = "it names only what was revoked for some reasons"
	}
	if !readFlag(&body, 4, &indirect) || !readFlag(&body, 5, &attributes) || !body.Empty() {
		return false
	}
	switch {
	case indirect:
		s.Unusable = "it is an indirect list, which names certificates of other issuers"
	case attributes:
		s.Unusable = "it is for attribute certificates"
	}
	return true
}

// readFlag reads [n] IMPLICIT BOOLEAN DEFAULT FALSE.
func readFlag(s *cryptobyte.String, n uint8, out *bool) bool {
	var body cryptobyte.String
	tag := asn1.Tag(n).ContextSpecific()
	if !s.PeekASN1Tag(tag) {
		return true
	}
	ok := s.ReadASN1(&body, tag) && len(body) == 1 && (body[0] == 0 || body[0] == 0xff)
	*out = ok && body[0] != 0
	return ok
}

// generalNames returns the names of a DistributionPointName that gives full ones, each a whole element.
func generalNames(name cryptobyte.String) []string {
	var list cryptobyte.String
	var out []string
	if !name.PeekASN1Tag(explicit(0)) || !name.ReadASN1(&list, explicit(0)) {
		return nil // relative to the issuer: known to nobody
	}
	for !list.Empty() && len(out) < maxPoints {
		var element []byte
		if !readElement(&list, &element) {
			return nil
		}
		out = append(out, string(element))
	}
	return out
}

const maxPoints = 16 // names of distribution points in one certificate or list

// distributionPoints returns the full names of all places where, as the certificate says, its issuer publishes lists
// of everything that it revokes (RFC 5280 section 4.2.1.13).
func (c *Certificate) distributionPoints() []string {
	var out []string
	for _, e := range c.Extensions {
		if e.OID != oidCRLDistribution {
			continue
		}
		s := cryptobyte.String(e.Value)
		var list cryptobyte.String
		if !readSequence(&s, &list) {
			return nil
		}
		for !list.Empty() && len(out) < maxPoints {
			var point, name cryptobyte.String
			if !readSequence(&list, &point) {
				return out
			}
			if point.PeekASN1Tag(explicit(0)) && point.ReadASN1(&name, explicit(0)) && point.Empty() {
				out = append(out, generalNames(name)...)
			}
		}
	}
	return out
}

// ListURLs returns the http URLs at which, as the certificate says, its issuer publishes its revocation lists.
func (c *Certificate) ListURLs() []string {
	var out []string
	for _, p := range c.distributionPoints() {
		var value cryptobyte.String
		s := cryptobyte.String(p)
		if !s.ReadASN1(&value, asn1.Tag(6).ContextSpecific()) {
			continue
		}
		u, err := url.Parse(string(value))
		if err == nil && strings.EqualFold(u.Scheme, "http") && u.Host != "" && u.User == nil && u.Fragment == "" && len(value) <= 1024 {
			out = append(out, u.String())
		}
	}
	return out
}
