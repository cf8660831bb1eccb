package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/digitorus/timestamp"
)

// timestamper returns the certificate and key with which an authority makes timestamps. The certificate outlives the
// authority at both ends: the library that makes tokens writes the present time into them beside the time that they are for.
func (a *authority) timestamper(at time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	key := newECDSA()
	usage := must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: a.root.Subject.CommonName + "-leaf"},
		NotBefore: from(at).AddDate(-50, 0, 0), NotAfter: until(at).AddDate(50, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}}, // critical: RFC 3161 section 2.3
	}
	return issue(template, a.intermediate, key.Public(), a.key), key
}

// timestamp returns a response (RFC 3161 section 2.4.2) about a signature.
func (i *Instance) timestamp(sig []byte, at time.Time) []byte {
	digest := sha256.Sum256(sig)
	t := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: digest[:], Time: at,
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
	}
	return must(t.CreateResponseWithOpts(i.tsaOwn, i.tsaKey, crypto.SHA256))
}
