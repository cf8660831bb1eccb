package policy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// names reports whether a certificate's subject and issuer are those that an authenticode anchor asks for.
func (a *anchor) names(id verify.Identity) bool {
	if id.IsZero() {
		return false
	}
	if a.organization != "" && a.organization != "*" && (id.Organization == "" || !wildcard(a.organization, id.Organization)) {
		return false
	}
	if a.commonName != "" && (id.CommonName == "" || !wildcard(a.commonName, id.CommonName)) {
		return false
	}
	if a.issuer != "" && (id.Issuer == "" || !wildcard(a.issuer, id.Issuer)) {
		return false
	}
	if a.country != "" && id.Country != a.country {
		return false
	}
	return a.thumbprints == nil || contains(a.thumbprints, strings.ToLower(id.Fingerprint))
}

// particular reports whether an authenticode anchor asks for a signer by any name, or for a certificate.
func (a *anchor) particular() bool {
	return a.organization != "" && a.organization != "*" || a.commonName != "" || a.issuer != "" || a.thumbprints != nil
}

// admits reports whether a chain ends where an authenticode anchor wants it: in one of its own roots if it has any, else
// in a root that is trusted for everybody. The root of one anchor never serves another.
func (a *anchor) admits(id verify.Identity) bool {
	if a.roots == nil {
		return !id.PrivateRoot
	}
	return id.RootFingerprint != "" && a.roots[strings.ToLower(id.RootFingerprint)]
}

func (b *builder) authenticodeAnchor(a *anchor, n node) {
	a.organization = n.get("organization").text()
	a.commonName = n.get("common_name").text()
	a.issuer = n.get("issuer").text()
	a.country = n.get("country").text()
	for _, d := range digests(n.get("thumbprint")) {
		a.thumbprints = append(a.thumbprints, d.String())
	}
	roots := n.get("roots")
	if n.present() && a.organization == "" && a.thumbprints == nil && !roots.present() {
		b.add(n, "", "an authenticode anchor needs organization, thumbprint or roots")
	}
	if !roots.present() {
		return
	}
	a.roots = map[string]bool{} // nothing is under its roots, should they turn out to be unreadable
	certs := b.authorities(roots)
	for _, c := range certs {
		sum := sha256.Sum256(c.Raw)
		a.roots[hex.EncodeToString(sum[:])] = true
	}
	b.policy.publishers = append(b.policy.publishers, verify.Authority{Anchor: a.name, Roots: certs})
}

// authorities reads the certificates of a file that an anchor names.
func (b *builder) authorities(name node) []*x509.Certificate {
	data, ok := b.named(name, "file of roots")
	if !ok {
		return nil
	}
	certs, err := parseCertificates(data)
	if err != nil {
		b.add(name, "", "the file of roots %s cannot be parsed: %v", quote(name.text()), err)
		return nil
	}
	for i, c := range certs {
		if c.Version >= 3 && !c.IsCA {
			b.add(name, "name a signer's own certificate by its thumbprint", "certificate %d of %s, %s, is no authority's", i+1, quote(name.text()), quote(c.Subject.String()))
		}
	}
	return certs
}
