package cms

import (
	"crypto/hmac"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// VerifyCountersignature checks a countersignature (RFC 5652 section 11.4) over message, the signature value of another
// signer, that is not meant as a timestamp. It must have no content type attribute. It returns ErrDigest where it is of
// something else.
func (si *SignerInfo) VerifyCountersignature(cert *Certificate, message []byte) error {
	for _, a := range si.Signed {
		if a.OID == OIDContentType {
			return malformed("a countersignature with a content type")
		}
	}
	if si.Hash() == 0 {
		return errors.New("unknown digest algorithm " + si.DigestAlgorithm.OID.String())
	}
	value, err := si.SignedValue(OIDMessageDigest)
	if err != nil {
		return err
	}
	var digest cryptobyte.String
	if s := cryptobyte.String(value); !s.ReadASN1(&digest, asn1.OCTET_STRING) || !s.Empty() {
		return malformed("message digest")
	}
	if !hmac.Equal(digest, hashOf(si.Hash(), message)) {
		return ErrDigest
	}
	return si.verifyValue(cert, false)
}
