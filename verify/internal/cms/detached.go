package cms

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// VerifyDigest checks a signature over content that lies elsewhere (a detached signature, RFC 5652 section 5.2), given
// the content's digest under the signer's digest algorithm. Where there are signed attributes, the signature value is
// over them, and their message digest is the content's. Where there are none, which RFC 5652 section 5.3 allows for
// content of type data only, the value is over the content itself. It returns ErrDigest where the content is another.
func (si *SignerInfo) VerifyDigest(cert *Certificate, contentType OID, digest []byte) error {
	h := si.Hash()
	if h == 0 || len(digest) != h.Size() {
		return errors.New("unknown digest algorithm " + si.DigestAlgorithm.OID.String())
	}
	if len(si.signedRaw) > 0 {
		if err := si.checkDigestAttributes(contentType, digest); err != nil {
			return err
		}
		return si.verifyValue(cert, false)
	}
	if contentType != OIDData {
		return malformed("content of type %s without signed attributes", contentType)
	}
	key, err := cert.PublicKey()
	if err != nil {
		return fmt.Errorf("the signer's key cannot be used: %w", err)
	}
	return verifySum(key, si.SignatureAlgorithm.resolve(h), digest, si.Signature)
}

func (si *SignerInfo) checkDigestAttributes(contentType OID, digest []byte) error {
	kind, err := si.SignedValue(OIDContentType)
	if err != nil {
		return err
	}
	var signedType OID
	if s := cryptobyte.String(kind); !readOID(&s, &signedType) || !s.Empty() || signedType != contentType {
		return fmt.Errorf("the signed content type is %s, not %s", signedType, contentType)
	}
	value, err := si.SignedValue(OIDMessageDigest)
	if err != nil {
		return err
	}
	var signed cryptobyte.String
	if s := cryptobyte.String(value); !s.ReadASN1(&signed, asn1.OCTET_STRING) || !s.Empty() {
		return malformed("message digest")
	}
	if !hmac.Equal(signed, digest) {
		return ErrDigest
	}
	return nil
}

// HasSignedAttributes reports whether the signature value is over attributes.
func (si *SignerInfo) HasSignedAttributes() bool { return len(si.signedRaw) > 0 }

// SignsAlone reports whether a certificate that is itself trusted may sign data at a time without a chain above it: its
// key can be used and may sign, it is valid then, and extended key usages, if it has any, list the given one.
func (c *Certificate) SignsAlone(usage OID, at time.Time) bool {
	_, err := c.PublicKey()
	return err == nil && c.defect == "" && c.may(usageDigitalSignature, usageContentCommitment) && c.validAt(at) &&
		(!c.hasUsages || c.usages[usage])
}
