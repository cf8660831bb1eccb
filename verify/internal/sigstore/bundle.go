package sigstore

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"golang.org/x/mod/semver"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sallyport-project/sallyport/verify"
)

// Bundle is a bundle that can be read; nothing in it is verified yet. It may be used by several goroutines.
type Bundle struct {
	version    string            // of the media type, as semver: "v0.3"
	leaf       *x509.Certificate // nil if it is by a key
	hint       string            // of the key
	signature  []byte            // over the artifact or the envelope
	digest     []byte            // what a message signature says the artifact's digest is; nil if it says nothing
	digestAlg  string            // likewise: "sha256", "sha384" or "sha512"
	envelope   *bundle.Envelope  // nil for a message signature
	payload    []byte            // of the envelope
	statement  *Statement        // in the payload
	entries    []*tlog.Entry     // of transparency logs
	timestamps [][]byte          // RFC 3161 responses
}

// Parse reads what is known to hold one Sigstore signature in JSON: a bundle (media types version 0.1 to 0.3), the layout that
// cosign wrote before there were bundles, or a bare DSSE envelope, with or without the signer's certificate. Its error is always
// an *Error.
func Parse(data []byte) (b *Bundle, err error) {
	defer recovered(&err)
	if len(data) > MaxBundle {
		return nil, fail(TooLarge, "the bundle has %d bytes, %d are read", len(data), MaxBundle)
	}
	if err := checkJSON(data, maxBundleDepth, maxBundleValues); err != nil {
		return nil, err
	}
	top, ok := readObject(data)
	if !ok {
		return nil, fail(Malformed, "a bundle is a JSON object, this is none")
	}
	switch {
	case top["mediaType"] != nil || top["media_type"] != nil:
		return parseBundle(top.text("mediaType"), data)
	case top["base64Signature"] != nil:
		return parseLegacy(top)
	case top["payloadType"] != nil:
		return parseEnvelope(top)
	}
	return nil, fail(Unsupported, "the JSON is neither a bundle nor an envelope")
}

// recovered turns a panic in one of the parsers into an *Error: whatever caused it came with the bundle.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fail(Malformed, "reading it broke off: %s", quote(panicText(v)))
	}
}

func panicText(v any) string {
	if err, ok := v.(error); ok {
		return err.Error()
	}
	return "panic"
}

func parseBundle(mediaType string, data []byte) (*Bundle, error) {
	b := &bundle.Bundle{Bundle: &protobundle.Bundle{MediaType: mediaType}}
	version, err := b.Version()
	if err != nil || semver.Compare(version, "v0.1") < 0 || semver.Compare(version, "v0.4") >= 0 {
		return nil, fail(Unsupported, "bundles of media type %s are not known", quote(mediaType))
	}
	if err := protojson.Unmarshal(data, b.Bundle); err != nil {
		return nil, fail(Malformed, "the bundle cannot be read: %s", reason(err))
	}
	return fromProto(b.Bundle, version)
}

// fromProto checks what a bundle of that version has to have (sigstore_bundle.proto) and parses all that is in it.
func fromProto(p *protobundle.Bundle, version string) (*Bundle, error) {
	if err := checkCounts(p); err != nil {
		return nil, err
	}
	b := &Bundle{version: version}
	from := &bundle.Bundle{Bundle: p}
	if err := b.readEntries(from); err != nil {
		return nil, err
	}
	if err := b.readSigner(p.GetVerificationMaterial()); err != nil {
		return nil, err
	}
	for _, t := range p.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps() {
		b.timestamps = append(b.timestamps, t.GetSignedTimestamp())
	}
	if err := b.readContent(from); err != nil {
		return nil, err
	}
	return b, nil
}

// checkCounts holds a bundle against the limits before anything in it is parsed.
func checkCounts(p *protobundle.Bundle) error {
	m := p.GetVerificationMaterial()
	if n := len(m.GetTlogEntries()); n > maxEntries {
		return fail(TooLarge, "the bundle has %d log entries, %d are read", n, maxEntries)
	}
	for _, e := range m.GetTlogEntries() {
		switch proof := e.GetInclusionProof(); {
		case len(e.GetCanonicalizedBody()) > maxEntryBody:
			return fail(TooLarge, "a log entry has %d bytes, %d are read", len(e.GetCanonicalizedBody()), maxEntryBody)
		case len(proof.GetHashes()) > maxProofHashes:
			return fail(TooLarge, "an inclusion proof has %d hashes, %d are read", len(proof.GetHashes()), maxProofHashes)
		case len(proof.GetCheckpoint().GetEnvelope()) > maxCheckpoint:
			return fail(TooLarge, "a checkpoint has %d bytes, %d are read", len(proof.GetCheckpoint().GetEnvelope()), maxCheckpoint)
		}
	}
	timestamps := m.GetTimestampVerificationData().GetRfc3161Timestamps()
	if n := len(timestamps); n > maxTimestamps {
		return fail(TooLarge, "the bundle has %d timestamps, %d are read", n, maxTimestamps)
	}
	for _, t := range timestamps {
		if n := len(t.GetSignedTimestamp()); n > maxTimestamp {
			return fail(TooLarge, "a timestamp has %d bytes, %d are read", n, maxTimestamp)
		}
	}
	if n := len(m.GetX509CertificateChain().GetCertificates()); n > maxCertificates {
		return fail(TooLarge, "the bundle has %d certificates, %d are read", n, maxCertificates)
	}
	if n := len(p.GetMessageSignature().GetSignature()); n > maxSignature {
		return fail(TooLarge, "the signature has %d bytes, %d are read", n, maxSignature)
	}
	return nil
}

// readEntries parses the log entries. Version 0.1 has promises of inclusion, later ones have proofs.
func (b *Bundle) readEntries(from *bundle.Bundle) error {
	if from.VerificationMaterial == nil || from.VerificationMaterial.Content == nil {
		return fail(Malformed, "the bundle has no verification material")
	}
	for _, e := range from.VerificationMaterial.GetTlogEntries() {
		if err := checkBody(e); err != nil {
			return err
		}
	}
	entries, err := from.TlogEntries()
	if err != nil {
		return fail(Malformed, "a log entry cannot be read: %s", reason(err))
	}
	b.entries = entries
	switch {
	case len(entries) == 0:
	case semver.Compare(b.version, "v0.1") == 0 && !from.HasInclusionPromise():
		return fail(InclusionProof, "a bundle of version 0.1 has no promise of inclusion in the log")
	case semver.Compare(b.version, "v0.1") > 0 && !from.HasInclusionProof():
		return fail(InclusionProof, "a bundle of version %s has no proof of inclusion in the log", b.version[1:])
	}
	return nil
}

func (b *Bundle) readSigner(m *protobundle.VerificationMaterial) error {
	switch c := m.GetContent().(type) {
	case *protobundle.VerificationMaterial_PublicKey:
		b.hint = c.PublicKey.GetHint()
		return nil
	case *protobundle.VerificationMaterial_Certificate:
		return b.setLeaf(c.Certificate.GetRawBytes())
	case *protobundle.VerificationMaterial_X509CertificateChain:
		certs := c.X509CertificateChain.GetCertificates()
		if len(certs) == 0 {
			return fail(Malformed, "the chain of certificates is empty")
		}
		if semver.Compare(b.version, "v0.3") >= 0 {
			return fail(Malformed, "a bundle of version %s has a certificate, not a chain of them", b.version[1:])
		}
		return b.setLeaf(certs[0].GetRawBytes())
	}
	return fail(Malformed, "the bundle has neither certificate nor key")
}

func (b *Bundle) setLeaf(der []byte) error {
	if len(der) > maxCertificate {
		return fail(TooLarge, "the certificate has %d bytes, %d are read", len(der), maxCertificate)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(Malformed, "the certificate cannot be read: %s", reason(err))
	}
	// crypto/x509 does not know names of type otherName, which Fulcio issues; signerOf does.
	kept := leaf.UnhandledCriticalExtensions[:0:0]
	for _, id := range leaf.UnhandledCriticalExtensions {
		if !id.Equal(oidSubjectAltName) {
			kept = append(kept, id)
		}
	}
	leaf.UnhandledCriticalExtensions = kept
	b.leaf = leaf
	return nil
}

func (b *Bundle) readContent(from *bundle.Bundle) error {
	switch c := from.Content.(type) {
	case *protobundle.Bundle_MessageSignature:
		m := c.MessageSignature
		if m.GetMessageDigest() == nil {
			return fail(Malformed, "the signature does not say which digest it is over")
		}
		b.signature, b.digest = m.GetSignature(), m.GetMessageDigest().GetDigest()
		if b.digestAlg = hashNames[m.GetMessageDigest().GetAlgorithm()]; b.digestAlg == "" {
			return fail(Unsupported, "message digests by %s are not known", m.GetMessageDigest().GetAlgorithm())
		}
	case *protobundle.Bundle_DsseEnvelope:
		content, err := from.Envelope()
		if err != nil {
			return fail(Malformed, "the envelope cannot be read: %s", reason(err))
		}
		return b.setEnvelope(content, c.DsseEnvelope.GetPayload())
	default:
		return fail(Malformed, "the bundle has no signature")
	}
	if len(b.signature) == 0 {
		return fail(Malformed, "the signature is empty")
	}
	return nil
}

var hashNames = map[protocommon.HashAlgorithm]string{
	protocommon.HashAlgorithm_SHA2_256: "sha256",
	protocommon.HashAlgorithm_SHA2_384: "sha384",
	protocommon.HashAlgorithm_SHA2_512: "sha512",
}

// Statement returns the in-toto statement of a DSSE envelope; not ok if the bundle is a signature over the artifact itself.
func (b *Bundle) Statement() (s *Statement, ok bool) { return b.statement, b.statement != nil }

// HasCertificate reports whether the bundle is signed with a certificate; if not, with a key.
func (b *Bundle) HasCertificate() bool { return b.leaf != nil }

// KeyHint returns what the bundle calls the key that signed it; "" with a certificate. It is no proof of anything.
func (b *Bundle) KeyHint() string { return shorten(b.hint) }

// Concerns reports whether b says that it is about a: a subject of its statement, or the digest beside its message signature. None
// of that is verified. A bare signature does not say, and may be about anything. An error is about reading the artifact.
func (b *Bundle) Concerns(a Artifact) (bool, error) {
	if b.statement != nil {
		_, ok, err := b.statement.Names(a)
		return ok, err
	}
	if b.digestAlg == "" {
		return true, nil
	}
	sum, err := a.digest(b.digestAlg)
	return err == nil && (sum == nil || bytes.Equal(sum, b.digest)), err
}

// Digests yields all digests by which Concerns may find that b is about an artifact, with their algorithm: "sha256", "sha384" or
// "sha512". It reports false where b does not say what it is about.
func (b *Bundle) Digests(yield func(algorithm string, sum []byte)) bool {
	if b.statement == nil {
		if b.digestAlg != "" {
			yield(b.digestAlg, b.digest)
		}
		return b.digestAlg != ""
	}
	for _, subject := range b.statement.Subjects {
		for _, algorithm := range subjectDigests {
			if sum, err := hex.DecodeString(subject.Digest[algorithm]); err == nil && len(sum) > 0 {
				yield(algorithm, sum)
			}
		}
	}
	return true
}

// MessageDigest returns the SHA-256 that the bundle says the artifact has, unverified; not ok for a statement, for other
// algorithms, and where it does not say.
func (b *Bundle) MessageDigest() (d verify.Digest, ok bool) {
	if b.digestAlg != "sha256" || len(b.digest) != len(d) {
		return d, false
	}
	copy(d[:], b.digest)
	return d, true
}

// code returns the Code of err, "" if it is no *Error.
func code(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
