package mitm

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// rollOver is how long after a CA was made the ones before it are still exported, so that clients that fetch the
// bundle go on trusting proxies that have not been reloaded or rotated yet.
const rollOver = 30 * 24 * time.Hour

// Info describes a CA for `sallyport ca show`.
type Info struct {
	Subject     string    `json:"subject"`
	Serial      string    `json:"serial"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the certificate, in hexadecimal
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Key         string    `json:"key"`            // "ECDSA", "RSA"
	Own         bool      `json:"own"`            // made by us, not by the user's PKI
	Path        string    `json:"path,omitempty"` // of the file with the certificate
	// NameConstraints are the domains and addresses to which it is confined; none: it may speak for every host.
	NameConstraints []string `json:"name_constraints,omitempty"`
	Previous        []Info   `json:"previous,omitempty"` // the CAs before it that are still exported, newest first
}

// Info describes the CA in use.
func (a *Authority) Info() Info {
	g := a.current.Load()
	info := describe(g.issuer.cert)
	info.Own, info.Path = g.issuer.own, g.issuer.path
	for _, c := range a.trusted(g)[1:] {
		if g.issuer.own {
			older := describe(c)
			older.Own = true
			info.Previous = append(info.Previous, older)
		}
	}
	return info
}

// Fingerprint returns the SHA-256 of the CA's certificate, in hexadecimal, as certificate viewers show it.
func (a *Authority) Fingerprint() string { return fingerprint(a.current.Load().issuer.cert) }

// PEM returns the certificates that clients are to trust: the CA in use and, for 30 days after a rotation, those before
// it; or the intermediate and what was given above it. A previous CA whose key has become known to somebody is to
// be deleted (ca-previous-*.pem) at once.
func (a *Authority) PEM() []byte { return encodeCerts(a.trusted(a.current.Load())...) }

// Export returns what PEM does in a format: "pem"; "der", which holds the CA in use alone; or "mobileconfig", an Apple
// configuration profile.
func (a *Authority) Export(format string) ([]byte, error) {
	g := a.current.Load()
	switch format {
	case "pem":
		return encodeCerts(a.trusted(g)...), nil
	case "der":
		return slices.Clone(g.issuer.cert.Raw), nil
	case "mobileconfig":
		return mobileconfig(a.trusted(g)), nil
	}
	return nil, &hinted{fmt.Errorf("exporting the CA: unknown format %q", format), "pem, der and mobileconfig are the formats"}
}

// trusted returns the CA in use, then the others that PEM is about.
func (a *Authority) trusted(g *generation) []*x509.Certificate {
	certs := []*x509.Certificate{g.issuer.cert}
	if !g.issuer.own {
		return append(certs, g.issuer.chain...)
	}
	now := a.o.Now()
	if made := g.issuer.cert.NotBefore.Add(skew); now.After(made.Add(rollOver)) {
		return certs
	}
	for _, c := range g.previous {
		if now.Before(c.NotAfter) {
			certs = append(certs, c)
		}
	}
	return certs
}

func describe(c *x509.Certificate) Info {
	info := Info{
		Subject:         subject(c),
		Serial:          c.SerialNumber.Text(16),
		Fingerprint:     fingerprint(c),
		NotBefore:       c.NotBefore.UTC(),
		NotAfter:        c.NotAfter.UTC(),
		Key:             c.PublicKeyAlgorithm.String(),
		NameConstraints: slices.Clone(c.PermittedDNSDomains),
	}
	for _, n := range c.PermittedIPRanges {
		info.NameConstraints = append(info.NameConstraints, n.String())
	}
	return info
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
