package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// UpstreamRoots returns the system's roots and those in PEM files.
func UpstreamRoots(files []string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("loading the system's roots: %w", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("loading roots: %w", err)
		}
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("loading roots: %s has no certificate (PEM is expected)", file)
		}
	}
	return pool, nil
}

// upstreamWeakError says that a certificate that chains to a root is too weak to mean anything.
type upstreamWeakError struct {
	cert *x509.Certificate
	why  string
}

func (e *upstreamWeakError) Error() string {
	return fmt.Sprintf("the certificate of %s %s", upstreamSubject(e.cert), e.why)
}

// upstreamStrong refuses a connection for which every verified chain has a weak certificate in it. crypto/x509
// refuses MD5 and SHA-1 signatures already, but not short keys.
func upstreamStrong(state tls.ConnectionState) error {
	var weak error
	for _, chain := range state.VerifiedChains {
		if weak = upstreamWeak(chain); weak == nil {
			return nil
		}
	}
	if weak == nil {
		return errors.New("no verified certificate chain")
	}
	return weak
}

// upstreamWeak returns an *upstreamWeakError for the first weak certificate of a chain.
func upstreamWeak(chain []*x509.Certificate) error {
	for i, c := range chain {
		switch key := c.PublicKey.(type) {
		case *rsa.PublicKey:
			if bits := key.N.BitLen(); bits < 2048 {
				return &upstreamWeakError{c, fmt.Sprintf("has an RSA key of %d bits; 2048 is the least", bits)}
			}
		case *ecdsa.PublicKey:
			if bits := key.Curve.Params().BitSize; bits < 256 {
				return &upstreamWeakError{c, fmt.Sprintf("has an ECDSA key of %d bits; 256 is the least", bits)}
			}
		}
		if root := i == len(chain)-1 && i > 0; !root && upstreamBrokenHash(c) {
			return &upstreamWeakError{c, fmt.Sprintf("is signed with %s, which can be forged", c.SignatureAlgorithm)}
		}
	}
	return nil
}

func upstreamBrokenHash(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// upstreamBadCertificate says in a sentence what is wrong with an origin's certificate; "" if err is not about one.
func upstreamBadCertificate(err error) string {
	var sent []*x509.Certificate
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		sent = e.UnverifiedCertificates
	}
	if e, ok := errors.AsType[*upstreamWeakError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("the certificate is for %s, not for %s", upstreamNames(e.Certificate), printable.Text(e.Host, 100))
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return fmt.Sprintf("the certificate of %s is valid from %s to %s only", upstreamSubject(e.Cert),
				e.Cert.NotBefore.UTC().Format(time.DateTime), e.Cert.NotAfter.UTC().Format(time.DateTime))
		}
		return fmt.Sprintf("the certificate of %s cannot be used: %s", upstreamSubject(e.Cert), printable.Text(e.Error(), 200))
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return upstreamUnknownAuthority(e.Cert, sent)
	}
	if len(sent) > 0 {
		return "the certificate was not accepted: " + printable.Text(err.Error(), 200)
	}
	return ""
}

func upstreamUnknownAuthority(c *x509.Certificate, sent []*x509.Certificate) string {
	for _, s := range sent {
		if upstreamBrokenHash(s) && !bytes.Equal(s.RawSubject, s.RawIssuer) {
			return (&upstreamWeakError{s, fmt.Sprintf("is signed with %s, which can be forged", s.SignatureAlgorithm)}).Error()
		}
	}
	switch {
	case c == nil:
		return "the certificate was issued by nobody whom the proxy trusts"
	case bytes.Equal(c.RawSubject, c.RawIssuer):
		return fmt.Sprintf("the certificate of %s is self-signed, and not among the trusted roots", upstreamSubject(c))
	}
	return fmt.Sprintf("the certificate of %s was issued by %s, whom the proxy does not trust (or a certificate between them was not sent)",
		upstreamSubject(c), printable.Text(c.Issuer.String(), 120))
}

// upstreamSubject names a certificate: by its subject, or by the hosts it is for.
func upstreamSubject(c *x509.Certificate) string {
	if s := c.Subject.String(); s != "" {
		return printable.Text(s, 120)
	}
	return upstreamNames(c)
}

func upstreamNames(c *x509.Certificate) string {
	const most = 5
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names[:len(names):len(names)], ip.String())
	}
	if len(names) == 0 {
		return "no host at all"
	}
	more := ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(names)-most)
	}
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = printable.Text(name, 60)
	}
	return strings.Join(shown, ", ") + more
}
