package xmldsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // so that crypto.Hash.New knows them
	_ "crypto/sha256"
	_ "crypto/sha512"
	"math/big"
)

// digestMethods are the digest algorithms, by identifier. Microsoft's ClickOnce tools put SHA-2 into the namespace of XML
// Signature itself, where no standard defines it.
var digestMethods = map[string]crypto.Hash{
	NS + "sha1":   crypto.SHA1,
	NS + "sha256": crypto.SHA256,
	NS + "sha384": crypto.SHA384,
	NS + "sha512": crypto.SHA512,
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
}

// signatureMethod is a signature algorithm: RSASSA-PKCS1-v1_5, or ECDSA with both numbers in fixed length (XML Signature
// 1.1 section 6.4.3).
type signatureMethod struct {
	ecdsa bool
	hash  crypto.Hash
}

const more = "http://www.w3.org/2001/04/xmldsig-more#"

var signatureMethods = map[string]signatureMethod{
	NS + "rsa-sha1":       {hash: crypto.SHA1},
	NS + "rsa-sha256":     {hash: crypto.SHA256},
	NS + "rsa-sha384":     {hash: crypto.SHA384},
	NS + "rsa-sha512":     {hash: crypto.SHA512},
	more + "rsa-sha256":   {hash: crypto.SHA256},
	more + "rsa-sha384":   {hash: crypto.SHA384},
	more + "rsa-sha512":   {hash: crypto.SHA512},
	more + "ecdsa-sha1":   {ecdsa: true, hash: crypto.SHA1},
	more + "ecdsa-sha256": {ecdsa: true, hash: crypto.SHA256},
	more + "ecdsa-sha384": {ecdsa: true, hash: crypto.SHA384},
	more + "ecdsa-sha512": {ecdsa: true, hash: crypto.SHA512},
}

// check checks a signature value over a message.
func (m signatureMethod) check(key crypto.PublicKey, message, value []byte) error {
	h := m.hash.New()
	h.Write(message)
	sum := h.Sum(nil)
	switch k := key.(type) {
	case *rsa.PublicKey:
		if !m.ecdsa && rsa.VerifyPKCS1v15(k, m.hash, sum, value) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		size := (k.Params().N.BitLen() + 7) / 8
		if m.ecdsa && len(value) == 2*size && ecdsa.Verify(k, sum, new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])) {
			return nil
		}
	}
	return ErrSignature
}

// weaker returns the one of two hash functions that is broken earlier.
func weaker(a, b crypto.Hash) crypto.Hash {
	if a == 0 || b != 0 && b.Size() < a.Size() {
		return b
	}
	return a
}
