package mitm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// loadIntermediate loads a CA that the user's PKI has issued. A group may read its key file, as is the custom for
// keys that a service account shares; nobody else may.
func loadIntermediate(certPath, keyPath string, now time.Time) (*issuer, error) {
	if certPath == "" || keyPath == "" {
		return nil, errors.New("loading the CA: ca.cert and ca.key are needed both, or neither")
	}
	certs, err := readBounded(certPath)
	if err != nil {
		return nil, err
	}
	key, err := readSecret(keyPath, 0o027)
	if err != nil {
		return nil, err
	}
	is, err := newIssuer(certs, key)
	if err != nil {
		return nil, fmt.Errorf("loading the CA: %s with %s: %w", certPath, keyPath, err)
	}
	is.path = certPath
	for _, c := range append([]*x509.Certificate{is.cert}, is.chain...) {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return nil, fmt.Errorf("loading the CA: %s: the certificate of %s is valid from %s to %s only", certPath,
				subject(c), c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		}
	}
	return is, nil
}

// newIssuer pairs a key with the certificate chain it belongs to and checks all that does not depend on the time.
func newIssuer(certPEM, keyPEM []byte) (*issuer, error) {
	certs, err := parseCerts(certPEM)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	ca := certs[0]
	if pub, ok := ca.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(key.Public()) {
		return nil, fmt.Errorf("the key does not belong to the first certificate, %s", subject(ca))
	}
	if err := checkCA(ca); err != nil {
		return nil, err
	}
	chain := certs[1:]
	below := ca
	for _, above := range chain {
		if err := below.CheckSignatureFrom(above); err != nil {
			return nil, &hinted{
				fmt.Errorf("%s is not signed by %s, the next certificate: %w", subject(below), subject(above), err),
				"the issuing CA comes first, then whoever signed it, and so on towards the root",
			}
		}
		below = above
	}
	return &issuer{cert: ca, chain: chain, key: key}, nil
}

func checkCA(c *x509.Certificate) error {
	if !c.BasicConstraintsValid || !c.IsCA {
		return fmt.Errorf("%s is not a CA (basic constraints, RFC 5280, 4.2.1.9)", subject(c))
	}
	if c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Errorf("%s may not sign certificates (key usage)", subject(c))
	}
	if len(c.UnhandledCriticalExtensions) > 0 {
		return fmt.Errorf("%s has a critical extension that is not understood: %s", subject(c), c.UnhandledCriticalExtensions[0])
	}
	serverAuth := func(u x509.ExtKeyUsage) bool { return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny }
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.ContainsFunc(c.ExtKeyUsage, serverAuth) {
		return fmt.Errorf("%s may not issue certificates for servers (extended key usage)", subject(c))
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return fmt.Errorf("%s has an RSA key of %d bits; clients ask for 2048 at least", subject(c), key.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return fmt.Errorf("%s has a key on P-224, which clients do not accept", subject(c))
		}
	default:
		return fmt.Errorf("%s has a key of type %T; RSA and ECDSA are what clients accept", subject(c), key)
	}
	return nil
}

func selfSigned(c *x509.Certificate) bool {
	return string(c.RawIssuer) == string(c.RawSubject) && c.CheckSignatureFrom(c) == nil
}

func subject(c *x509.Certificate) string { return printable.Text(c.Subject.String(), 120) }
