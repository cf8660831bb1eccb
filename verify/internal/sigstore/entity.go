package sigstore

import (
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
)

// entity shows a Bundle to sigstore-go, which asks for the same parts again and again and would parse them each time.
type entity struct {
	*Bundle
	content sgverify.VerificationContent
}

var _ sgverify.SignedEntity = entity{}

func newEntity(b *Bundle) entity {
	if b.leaf != nil {
		return entity{b, bundle.NewCertificate(b.leaf)}
	}
	return entity{b, &bundle.PublicKey{}}
}

// TlogEntries returns the entries of transparency logs.
func (e entity) TlogEntries() ([]*tlog.Entry, error) { return e.entries, nil }

// Timestamps returns the RFC 3161 responses.
func (e entity) Timestamps() ([][]byte, error) { return e.timestamps, nil }

// VerificationContent returns the certificate or key.
func (e entity) VerificationContent() (sgverify.VerificationContent, error) { return e.content, nil }

// Version returns the version of the media type.
func (e entity) Version() (string, error) { return e.version, nil }

// HasInclusionPromise reports whether a log promised to include an entry.
func (e entity) HasInclusionPromise() bool { return some(e.entries, (*tlog.Entry).HasInclusionPromise) }

// HasInclusionProof reports whether a log proved that it includes an entry.
func (e entity) HasInclusionProof() bool { return some(e.entries, (*tlog.Entry).HasInclusionProof) }

// SignatureContent returns the envelope or the signature over the artifact.
func (e entity) SignatureContent() (sgverify.SignatureContent, error) {
	if e.envelope != nil {
		return e.envelope, nil
	}
	return bundle.NewMessageSignature(e.digest, e.digestAlg, e.signature), nil
}

func some(entries []*tlog.Entry, f func(*tlog.Entry) bool) bool {
	for _, e := range entries {
		if f(e) {
			return true
		}
	}
	return false
}

// material is what sigstore-go may trust: the logs and authorities of an instance, and the key that the bundle was found to be
// signed by, if any.
type material struct {
	*Instance
	logs map[string]*root.TransparencyLog
	key  *publicKey
}

// RekorLogs returns the logs whose entries count.
func (m material) RekorLogs() map[string]*root.TransparencyLog { return m.logs }

// PublicKeyVerifier returns the key whatever the bundle calls it: what a bundle says of its key proves nothing.
func (m material) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	if m.key == nil {
		return nil, errNoKey
	}
	v, err := m.key.verifier()
	if err != nil {
		return nil, err
	}
	return root.NewExpiringKey(v, noTime, noTime), nil
}
