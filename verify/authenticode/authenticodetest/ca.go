package authenticodetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// When certificates are valid unless something else is asked for.
var (
	CAStart   = time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC)
	CAEnd     = time.Date(2055, 1, 1, 0, 0, 0, 0, time.UTC)
	LeafStart = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	LeafEnd   = time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)
)

// CA is a certificate authority with its key.
type CA struct {
	Certificate *x509.Certificate
	Chain       [][]byte // itself, if it is no root, and the intermediates above it, DER
	key         crypto.Signer
}

// Signer is a certificate with its key, and the intermediates above it.
type Signer struct {
	Certificate *x509.Certificate
	Chain       [][]byte // DER, without the root
	Key         crypto.Signer
}

// Leaf says what a signer's certificate should look like. The zero Leaf is one for code signing, of "Test Publisher".
type Leaf struct {
	Organization        string
	CommonName          string                  // default: the organization
	Usage               []x509.ExtKeyUsage      // default: code signing
	UnknownUsage        []asn1.ObjectIdentifier // further extended key usages
	NotBefore, NotAfter time.Time               // default: LeafStart, LeafEnd
	RSA                 bool                    // a key of 2048 bits instead of one on P-256
	Extensions          []pkix.Extension
}

// NewCA makes a self-signed root. Roots made in different runs have different keys.
func NewCA(name string) *CA {
	key := newKey(false)
	return &CA{Certificate: create(caTemplate(name), nil, key, key), key: key}
}

// Intermediate makes an authority below ca. usages restricts what it may issue for; none means anything.
func (ca *CA) Intermediate(name string, usages ...x509.ExtKeyUsage) *CA {
	key := newKey(false)
	template := caTemplate(name)
	template.ExtKeyUsage = usages
	cert := create(template, ca, key, ca.key)
	return &CA{Certificate: cert, Chain: append([][]byte{cert.Raw}, ca.Chain...), key: key}
}

// Signer returns the authority's key.
func (ca *CA) Signer() crypto.Signer { return ca.key }

// AsLoop makes a certificate for the authority's own name and key, issued by itself.
func (ca *CA) AsLoop(extensions ...pkix.Extension) *CA {
	template := caTemplate(ca.Certificate.Subject.CommonName)
	template.ExtraExtensions = extensions
	return &CA{Certificate: create(template, ca, ca.key, ca.key), key: ca.key}
}

// Issue makes a signer below ca.
func (ca *CA) Issue(l Leaf) *Signer { return ca.IssueTo(newKey(l.RSA), l) }

// IssueTo is Issue for a key that is there.
func (ca *CA) IssueTo(key crypto.Signer, l Leaf) *Signer {
	if l.Organization == "" {
		l.Organization = "Test Publisher"
	}
	if l.CommonName == "" {
		l.CommonName = l.Organization
	}
	if l.Usage == nil {
		l.Usage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	}
	template := &x509.Certificate{
		Subject:            pkix.Name{Organization: []string{l.Organization}, CommonName: l.CommonName, Country: []string{"DE"}},
		NotBefore:          either(l.NotBefore, LeafStart),
		NotAfter:           either(l.NotAfter, LeafEnd),
		KeyUsage:           x509.KeyUsageDigitalSignature,
		ExtKeyUsage:        l.Usage,
		UnknownExtKeyUsage: l.UnknownUsage,
		ExtraExtensions:    l.Extensions,
	}
	return &Signer{Certificate: create(template, ca, key, ca.key), Chain: ca.Chain, Key: key}
}

// TSA makes a timestamping authority below ca.
func (ca *CA) TSA(name string) *Signer {
	return ca.Issue(Leaf{Organization: name, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
}

// AsCA lets a signer issue certificates, which nobody allowed it to do.
func (s *Signer) AsCA() *CA {
	return &CA{Certificate: s.Certificate, Chain: append([][]byte{s.Certificate.Raw}, s.Chain...), key: s.Key}
}

func either(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{name}, CommonName: name},
		NotBefore:             CAStart,
		NotAfter:              CAEnd,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// create signs a certificate; a nil parent means self-signed.
func create(template *x509.Certificate, parent *CA, subject, issuer crypto.Signer) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	check(err)
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	spki, err := x509.MarshalPKIXPublicKey(subject.Public())
	check(err)
	id := sha256.Sum256(spki)
	template.SubjectKeyId = id[:20]
	above := template
	if parent != nil {
		above = parent.Certificate
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, subject.Public(), issuer)
	check(err)
	cert, err := x509.ParseCertificate(der)
	check(err)
	return cert
}

func newKey(withRSA bool) crypto.Signer {
	if withRSA {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		check(err)
		return key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	return key
}

func check(err error) {
	if err != nil {
		panic("authenticodetest: " + err.Error())
	}
}
