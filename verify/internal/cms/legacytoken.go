package cms

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// ParseLegacyToken reads and checks the answer of a timestamping authority from before RFC 3161 (Microsoft's "Time Stamping
// Authenticode Signatures"): SignedData whose content is message itself, with the time in the signer's signing time
// attribute. ClickOnce manifests keep it as it came; elsewhere only its SignerInfo is kept, as a countersignature.
func ParseLegacyToken(der, message []byte, more []*Certificate) (*Timestamp, error) {
	token, err := ParseContentInfo(der)
	if err != nil {
		return nil, err
	}
	if token.ContentType != OIDData || !token.Octets || len(token.Signers) != 1 {
		return nil, malformed("this is no timestamp")
	}
	if !bytes.Equal(token.Content, message) {
		return nil, errors.New("the timestamp is of something else")
	}
	signer := token.Signers[0]
	ts := &Timestamp{Token: token, Signer: signer, Pool: append(append([]*Certificate(nil), token.Certificates...), more...), Hash: signer.Hash()}
	if ts.Authority = FindSigner(signer, ts.Pool); ts.Authority == nil {
		return nil, errors.New("the timestamp lacks its authority's certificate")
	}
	if err := signer.Verify(ts.Authority, OIDData, token.Content); err != nil {
		return nil, err
	}
	value, err := signer.SignedValue(OIDSigningTime)
	if err != nil {
		return nil, err
	}
	if s := cryptobyte.String(value); !readTime(&s, &ts.Time) || !s.Empty() {
		return nil, malformed("signing time")
	}
	return ts, nil
}

// IsTimestampToken reports whether der is SignedData over a TSTInfo (RFC 3161 section 2.4.2).
func IsTimestampToken(der []byte) bool {
	token, err := ParseContentInfo(der)
	return err == nil && token.ContentType == OIDTSTInfo
}
