package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	_ "crypto/md5" // so that crypto.Hash.New knows them
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Algorithm is an AlgorithmIdentifier (RFC 5280 section 4.1.1.2).
type Algorithm struct {
	OID    OID
	Params []byte // the parameters' whole element; nil if absent
}

// readAlgorithm reads an AlgorithmIdentifier; what is allowed as parameters is decided where the algorithm is used.
func readAlgorithm(s *cryptobyte.String, out *Algorithm) bool {
	var body cryptobyte.String
	if !readSequence(s, &body) || !readOID(&body, &out.OID) {
		return false
	}
	out.Params = nil
	return body.Empty() || readElement(&body, &out.Params) && body.Empty()
}

// plain reports whether there are no parameters, or only NULL.
func (a Algorithm) plain() bool { return a.Params == nil || bytes.Equal(a.Params, []byte{5, 0}) }

// Equal reports whether two identifiers are the same, absent and NULL parameters being so.
func (a Algorithm) Equal(b Algorithm) bool {
	return a.OID == b.OID && (bytes.Equal(a.Params, b.Params) || a.plain() && b.plain())
}

// Hash returns the hash function that a digest algorithm names, or 0.
func (a Algorithm) Hash() crypto.Hash {
	if !a.plain() {
		return 0
	}
	switch a.OID {
	case oidMD5:
		return crypto.MD5
	case oidSHA1:
		return crypto.SHA1
	case oidSHA256:
		return crypto.SHA256
	case oidSHA384:
		return crypto.SHA384
	case oidSHA512:
		return crypto.SHA512
	}
	return 0
}

// scheme says how a signature value is made.
type scheme uint8

const (
	schemeUnknown scheme = iota
	schemePKCS1          // RSASSA-PKCS1-v1_5
	schemePSS            // RSASSA-PSS
	schemeECDSA
)

// recipe is everything about a signature value that its algorithm identifier says.
type recipe struct {
	scheme scheme
	hash   crypto.Hash
	salt   int // octets, for RSASSA-PSS
}

// resolve reads a signature algorithm. digest is the hash named beside it, 0 where there is none (certificates); the
// two must not contradict each other. The zero recipe means that they do, or that the algorithm is unknown.
func (a Algorithm) resolve(digest crypto.Hash) recipe {
	if a.OID == oidPSS {
		if r := parsePSS(a.Params); digest == 0 || r.hash == digest {
			return r
		}
		return recipe{}
	}
	r := a.plainRecipe(digest)
	if r.hash == 0 || digest != 0 && r.hash != digest || !a.plain() && !(a.OID == oidEC && namesCurve(a.Params)) {
		return recipe{}
	}
	return r
}

func (a Algorithm) plainRecipe(digest crypto.Hash) recipe {
	switch a.OID {
	case oidRSA:
		return recipe{scheme: schemePKCS1, hash: digest}
	case oidMD5RSA:
		return recipe{scheme: schemePKCS1, hash: crypto.MD5}
	case oidSHA1RSA, oidSHA1RSAOIW:
		return recipe{scheme: schemePKCS1, hash: crypto.SHA1}
	case oidSHA256RSA:
		return recipe{scheme: schemePKCS1, hash: crypto.SHA256}
	case oidSHA384RSA:
		return recipe{scheme: schemePKCS1, hash: crypto.SHA384}
	case oidSHA512RSA:
		return recipe{scheme: schemePKCS1, hash: crypto.SHA512}
	case oidEC: // some signers name the kind of key instead of the signature algorithm
		return recipe{scheme: schemeECDSA, hash: digest}
	case oidECDSASHA1:
		return recipe{scheme: schemeECDSA, hash: crypto.SHA1}
	case oidECDSASHA256:
		return recipe{scheme: schemeECDSA, hash: crypto.SHA256}
	case oidECDSASHA384:
		return recipe{scheme: schemeECDSA, hash: crypto.SHA384}
	case oidECDSASHA512:
		return recipe{scheme: schemeECDSA, hash: crypto.SHA512}
	}
	return recipe{}
}

// namesCurve reports whether an algorithm's parameters are the name of a curve that is known here.
func namesCurve(params []byte) bool {
	var name OID
	s := cryptobyte.String(params)
	return readOID(&s, &name) && s.Empty() && (name == oidP256 || name == oidP384 || name == oidP521)
}

// parsePSS reads RSASSA-PSS-params (RFC 4055 section 3.1). The mask generation function must be MGF1 with the same hash.
func parsePSS(params []byte) recipe {
	var body, field cryptobyte.String
	s := cryptobyte.String(params)
	if !readSequence(&s, &body) || !s.Empty() {
		return recipe{}
	}
	hash, mask, salt, trailer := crypto.SHA1, crypto.SHA1, 20, 1
	var alg Algorithm
	if body.PeekASN1Tag(explicit(0)) {
		if !body.ReadASN1(&field, explicit(0)) || !readAlgorithm(&field, &alg) || !field.Empty() {
			return recipe{}
		}
		hash = alg.Hash()
	}
	if body.PeekASN1Tag(explicit(1)) {
		if !body.ReadASN1(&field, explicit(1)) || !readAlgorithm(&field, &alg) || !field.Empty() || alg.OID != oidMGF1 {
			return recipe{}
		}
		inner := cryptobyte.String(alg.Params)
		if !readAlgorithm(&inner, &alg) || !inner.Empty() {
			return recipe{}
		}
		mask = alg.Hash()
	}
	if !readOptionalInt(&body, explicit(2), &salt) || !readOptionalInt(&body, explicit(3), &trailer) ||
		!body.Empty() || hash == 0 || hash != mask || trailer != 1 || salt < 0 || salt > 512 {
		return recipe{}
	}
	return recipe{scheme: schemePSS, hash: hash, salt: salt}
}

// readOptionalInt reads an explicitly tagged INTEGER if one is there.
func readOptionalInt(s *cryptobyte.String, tag asn1.Tag, out *int) bool {
	if !s.PeekASN1Tag(tag) {
		return true
	}
	var field cryptobyte.String
	return s.ReadASN1(&field, tag) && field.ReadASN1Integer(out) && field.Empty()
}

// explicit is the tag [n] EXPLICIT, or IMPLICIT of something constructed.
func explicit(n uint8) asn1.Tag { return asn1.Tag(n).Constructed().ContextSpecific() }

// errBadSignature says that a signature value does not fit. It does not say why: nobody could tell.
var errBadSignature = errors.New("the signature value does not fit")

// verifySignature checks a signature over message. digest is as in resolve.
func verifySignature(key crypto.PublicKey, alg Algorithm, digest crypto.Hash, message, signature []byte) error {
	r := alg.resolve(digest)
	if r.scheme == schemeUnknown {
		return errors.New("unknown or contradictory signature algorithm " + alg.OID.String())
	}
	return verifySum(key, r, hashOf(r.hash, message), signature)
}

// verifySum checks a signature over a message with this hash.
func verifySum(key crypto.PublicKey, r recipe, sum, signature []byte) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if r.scheme == schemePKCS1 && rsa.VerifyPKCS1v15(k, r.hash, sum, signature) == nil {
			return nil
		}
		if r.scheme == schemePSS && rsa.VerifyPSS(k, r.hash, sum, signature, &rsa.PSSOptions{SaltLength: r.salt}) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		if r.scheme == schemeECDSA && ecdsa.VerifyASN1(k, sum, signature) {
			return nil
		}
	}
	return errBadSignature
}

func hashOf(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

// HashName returns the usual name of a hash function, such as "SHA-256".
func HashName(h crypto.Hash) string {
	if h == 0 {
		return "an unknown digest algorithm"
	}
	return h.String()
}
