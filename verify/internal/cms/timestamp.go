package cms

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Timestamp is an authority's statement that something existed at a time. Its signature has been checked when a
// Timestamp exists; whether the authority is trusted has not.
type Timestamp struct {
	Time      time.Time
	Authority *Certificate
	Hash      crypto.Hash    // the weakest hash function that the statement itself relies on
	Pool      []*Certificate // certificates that may lead from the authority to a root
	Signer    *SignerInfo
	Token     *SignedData // nil for a PKCS #9 countersignature
}

// ParseTimestamp reads and checks an RFC 3161 token over message (RFC 3161 section 2.4.2): the imprint, the signature,
// and that the signed certificate identifier names the authority (RFC 2634 section 5.4, RFC 5816). more are
// certificates besides the token's own, which may lack some.
func ParseTimestamp(der, message []byte, more []*Certificate) (*Timestamp, error) {
	token, err := ParseContentInfo(der)
	if err != nil {
		return nil, err
	}
	if token.ContentType != OIDTSTInfo || !token.Octets || len(token.Signers) != 1 {
		return nil, malformed("this is no timestamp token")
	}
	ts := &Timestamp{Token: token, Signer: token.Signers[0], Pool: slices.Concat(token.Certificates, more)}
	imprint, err := ts.readInfo(token.Content)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(imprint, hashOf(ts.Hash, message)) {
		return nil, errors.New("the timestamp is of something else")
	}
	if ts.Authority = FindSigner(ts.Signer, ts.Pool); ts.Authority == nil {
		return nil, errors.New("the timestamp lacks its authority's certificate")
	}
	if err := ts.Signer.Verify(ts.Authority, OIDTSTInfo, token.Content); err != nil {
		return nil, err
	}
	ts.Hash = Weaker(ts.Hash, ts.Signer.Hash())
	return ts, ts.checkIdentifier()
}

// readInfo reads a TSTInfo, sets Time and Hash and returns the imprint.
func (ts *Timestamp) readInfo(der []byte) ([]byte, error) {
	var info, body, digest cryptobyte.String
	var version int
	var policy OID
	var serial []byte
	var alg Algorithm
	s := cryptobyte.String(der)
	if !readSequence(&s, &info) || !s.Empty() || !info.ReadASN1Integer(&version) || version != 1 || !readOID(&info, &policy) ||
		!readSequence(&info, &body) || !readAlgorithm(&body, &alg) || !body.ReadASN1(&digest, asn1.OCTET_STRING) || !body.Empty() ||
		!readIntegerBytes(&info, &serial, 64) || !readGeneralizedTime(&info, &ts.Time) {
		return nil, malformed("timestamp")
	}
	if ts.Hash = alg.Hash(); ts.Hash == 0 {
		return nil, errors.New("the timestamp uses an unknown digest algorithm " + alg.OID.String())
	}
	return digest, nil
}

// checkIdentifier compares the signing certificate attribute, where there is one, with the authority's certificate.
func (ts *Timestamp) checkIdentifier() error {
	for _, a := range ts.Signer.Signed {
		if a.OID != OIDSigningCert && a.OID != OIDSigningCertV2 {
			continue
		}
		if len(a.Values) != 1 || !identifies(a.Values[0], a.OID == OIDSigningCertV2, ts.Authority) {
			return errors.New("the timestamp names another certificate than its authority's")
		}
	}
	return nil
}

// identifies compares the first ESSCertID or ESSCertIDv2 of a SigningCertificate attribute with a certificate.
func identifies(value []byte, v2 bool, c *Certificate) bool {
	var body, list, id, digest cryptobyte.String
	s := cryptobyte.String(value)
	if !readSequence(&s, &body) || !readSequence(&body, &list) || !readSequence(&list, &id) {
		return false
	}
	h := crypto.SHA1
	if v2 {
		h = crypto.SHA256
		if id.PeekASN1Tag(asn1.SEQUENCE) {
			var alg Algorithm
			if !readAlgorithm(&id, &alg) {
				return false
			}
			h = alg.Hash()
		}
	}
	return h != 0 && id.ReadASN1(&digest, asn1.OCTET_STRING) && bytes.Equal(digest, hashOf(h, c.Raw))
}

// ParseCountersignature reads and checks a PKCS #9 countersignature over message (RFC 5652 section 11.4), whose
// signing time (section 11.3) is what a timestamping authority states. certs is where its certificate is looked for.
//
// Authorities of the 2000s made RSA signatures over the bare hash, without the DigestInfo that PKCS #1 puts around it.
// Windows is believed to take them; they are taken here for MD5 and SHA-1, where all other octets of the signature
// are fixed.
func ParseCountersignature(der, message []byte, certs []*Certificate) (*Timestamp, error) {
	signer, err := ParseSignerInfo(der)
	if err != nil {
		return nil, err
	}
	ts := &Timestamp{Signer: signer, Pool: certs, Hash: signer.Hash()}
	if ts.Authority = FindSigner(signer, certs); ts.Authority == nil {
		return nil, errors.New("the countersignature's certificate is missing")
	}
	if err := signer.checkAttributes(OIDData, message); err != nil {
		return nil, err
	}
	value, err := signer.SignedValue(OIDSigningTime)
	if err != nil {
		return nil, err
	}
	if s := cryptobyte.String(value); !readTime(&s, &ts.Time) || !s.Empty() {
		return nil, malformed("signing time")
	}
	return ts, signer.verifyValue(ts.Authority, true)
}

// verifyBare checks an RSA PKCS #1 signature over an MD5 or SHA-1 hash that is not wrapped in a DigestInfo.
func verifyBare(key crypto.PublicKey, hash, signature []byte) bool {
	k, ok := key.(*rsa.PublicKey)
	return ok && (len(hash) == md5.Size || len(hash) == sha1.Size) && rsa.VerifyPKCS1v15(k, 0, hash, signature) == nil
}
