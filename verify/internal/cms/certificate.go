package cms

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Certificate is an X.509 certificate (RFC 5280 section 4.1), read but not judged. It does not change once it is
// parsed, and may be used by several goroutines at once.
type Certificate struct {
	Raw                 []byte // all of it
	RawIssuer           []byte
	RawSubject          []byte
	Serial              []byte // contents octets of the INTEGER
	NotBefore, NotAfter time.Time
	Subject, Issuer     Name
	SignatureAlgorithm  Algorithm
	Extensions          []Extension

	tbs       []byte
	spki      []byte
	signature []byte
	version   int // 1, 2 or 3

	key        func() (crypto.PublicKey, error)
	extensions // the extensions that decide about paths
}

// ParseCertificate reads one certificate that fills der completely. What is wrong inside its extensions is noted and
// makes it unfit for a path, but does not keep it from being parsed.
func ParseCertificate(der []byte) (*Certificate, error) {
	c := &Certificate{Raw: der, version: 1}
	var outer, tbs cryptobyte.String
	var element []byte
	s := cryptobyte.String(der)
	if !readSequence(&s, &outer) || !s.Empty() || !readElement(&outer, &c.tbs) ||
		!readAlgorithm(&outer, &c.SignatureAlgorithm) || !outer.ReadASN1BitStringAsBytes(&c.signature) || !outer.Empty() {
		return nil, malformed("certificate")
	}
	if s = c.tbs; !readSequence(&s, &tbs) {
		return nil, malformed("certificate")
	}
	var inner Algorithm
	if !c.readVersion(&tbs) || !readIntegerBytes(&tbs, &c.Serial, 64) || !readAlgorithm(&tbs, &inner) ||
		!readElement(&tbs, &c.RawIssuer) || !c.readValidity(&tbs) || !readElement(&tbs, &c.RawSubject) || !readElement(&tbs, &c.spki) {
		return nil, malformed("certificate")
	}
	if len(c.RawIssuer) > maxName || len(c.RawSubject) > maxName {
		return nil, malformed("certificate with a name of more than %d bytes", maxName)
	}
	if !inner.Equal(c.SignatureAlgorithm) {
		return nil, malformed("certificate that names two signature algorithms")
	}
	for _, unique := range []asn1.Tag{asn1.Tag(1).ContextSpecific(), asn1.Tag(2).ContextSpecific()} {
		if tbs.PeekASN1Tag(unique) && !readElement(&tbs, &element) {
			return nil, malformed("unique identifier of a certificate")
		}
	}
	var err error
	if c.Extensions, err = readExtensions(&tbs); err != nil || !tbs.Empty() {
		return nil, malformed("extensions of a certificate")
	}
	if c.Subject, err = parseName(c.RawSubject); err != nil {
		return nil, err
	}
	if c.Issuer, err = parseName(c.RawIssuer); err != nil {
		return nil, err
	}
	c.extensions.read(c.Extensions)
	c.key = sync.OnceValues(func() (crypto.PublicKey, error) { return parsePublicKey(c.spki) })
	return c, nil
}

func (c *Certificate) readVersion(tbs *cryptobyte.String) bool {
	if !tbs.PeekASN1Tag(explicit(0)) {
		return true
	}
	var field cryptobyte.String
	if !tbs.ReadASN1(&field, explicit(0)) || !field.ReadASN1Integer(&c.version) || !field.Empty() {
		return false
	}
	c.version++
	return c.version >= 1 && c.version <= 3
}

func (c *Certificate) readValidity(tbs *cryptobyte.String) bool {
	var body cryptobyte.String
	return readSequence(tbs, &body) && readTime(&body, &c.NotBefore) && readTime(&body, &c.NotAfter) && body.Empty()
}

// Fingerprint returns the SHA-256 of the certificate in lower-case hexadecimal.
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// PublicKey returns the subject's key, an *rsa.PublicKey or *ecdsa.PublicKey, or ErrExplicitCurve, or why there is none.
func (c *Certificate) PublicKey() (crypto.PublicKey, error) { return c.key() }

// KeySize returns the length in octets of the encoded public key, and of the signature value.
func (c *Certificate) KeySize() (key, signature int) { return len(c.spki), len(c.signature) }

// Equal reports whether two certificates are the same bytes.
func (c *Certificate) Equal(o *Certificate) bool { return bytes.Equal(c.Raw, o.Raw) }

// SelfIssued reports whether subject and issuer are the same name.
func (c *Certificate) SelfIssued() bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// SignatureHash returns the hash function of the issuer's signature, or 0 if that is unknown.
func (c *Certificate) SignatureHash() crypto.Hash { return c.SignatureAlgorithm.resolve(0).hash }

// signedBy checks the issuer's name and signature, nothing else.
func (c *Certificate) signedBy(issuer *Certificate) bool {
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
		return false
	}
	key, err := issuer.PublicKey()
	return err == nil && verifySignature(key, c.SignatureAlgorithm, 0, c.tbs, c.signature) == nil
}

// validAt reports whether t lies within the certificate's validity, both ends included.
func (c *Certificate) validAt(t time.Time) bool {
	return !t.Before(c.NotBefore) && !t.After(c.NotAfter)
}
