package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ErrExplicitCurve is returned for an elliptic-curve key that brings its own curve parameters instead of naming a
// curve. A key on a curve of the attacker's choice can be made to fit any trusted public key (CVE-2020-0601).
var ErrExplicitCurve = errors.New("the key defines its own elliptic curve (CVE-2020-0601)")

// ErrWeakKey is returned for an RSA key of less than 1024 bits: such keys have been factored.
var ErrWeakKey = errors.New("the RSA key has less than 1024 bits")

// parsePublicKey reads a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) with an RSA key of 1024 to 8192 bits or an
// ECDSA key on a named NIST curve.
func parsePublicKey(spki []byte) (crypto.PublicKey, error) {
	var body cryptobyte.String
	var alg Algorithm
	var bits []byte
	s := cryptobyte.String(spki)
	if !readSequence(&s, &body) || !readAlgorithm(&body, &alg) || !body.ReadASN1BitStringAsBytes(&bits) || !body.Empty() {
		return nil, malformed("public key")
	}
	switch alg.OID {
	case oidRSA, oidPSS:
		return parseRSA(bits)
	case oidEC:
		return parseEC(alg.Params, bits)
	}
	return nil, errors.New("unknown kind of public key " + alg.OID.String())
}

func parseRSA(der []byte) (crypto.PublicKey, error) {
	var body cryptobyte.String
	key := rsa.PublicKey{N: new(big.Int)}
	s := cryptobyte.String(der)
	if !readSequence(&s, &body) || !s.Empty() || len(body) > maxKeyBits/8+16 ||
		!body.ReadASN1Integer(key.N) || !body.ReadASN1Integer(&key.E) || !body.Empty() {
		return nil, malformed("RSA key")
	}
	if key.N.Sign() > 0 && key.N.BitLen() < 1024 {
		return nil, ErrWeakKey
	}
	if n := key.N.BitLen(); key.N.Sign() <= 0 || n > maxKeyBits || key.E < 3 || key.E > 1<<31-1 || key.E%2 == 0 {
		return nil, errors.New("RSA key of an unsafe size")
	}
	return &key, nil
}

func parseEC(params, point []byte) (crypto.PublicKey, error) {
	p := cryptobyte.String(params)
	if p.PeekASN1Tag(asn1.SEQUENCE) {
		return nil, ErrExplicitCurve
	}
	var name OID
	if !readOID(&p, &name) || !p.Empty() {
		return nil, malformed("elliptic curve")
	}
	var curve elliptic.Curve
	switch name {
	case oidP256:
		curve = elliptic.P256()
	case oidP384:
		curve = elliptic.P384()
	case oidP521:
		curve = elliptic.P521()
	default:
		return nil, errors.New("unknown elliptic curve " + name.String())
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, malformed("point on the elliptic curve")
	}
	return key, nil
}

// SmallestKey returns the certificate of a path, the root left out, that has the shortest RSA key, and that key's length
// in bits; nil if there is no RSA key.
func (p Path) SmallestKey() (c *Certificate, bits int) {
	for _, o := range p[:len(p)-1] {
		key, err := o.PublicKey()
		if k, ok := key.(*rsa.PublicKey); err == nil && ok && (c == nil || k.N.BitLen() < bits) {
			c, bits = o, k.N.BitLen()
		}
	}
	return c, bits
}

// HasKeyOf reports whether a certificate of the path has the same public key as c.
func (p Path) HasKeyOf(c *Certificate) bool {
	for _, o := range p {
		if string(o.spki) == string(c.spki) {
			return true
		}
	}
	return false
}
