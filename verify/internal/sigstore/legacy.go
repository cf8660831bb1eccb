package sigstore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// parseLegacy reads what cosign wrote with --bundle before version 3 (cosign pkg/cosign/bundle): the signature or envelope, the
// certificate or key, and the entry of the log with its promise (SET). It becomes a bundle of version 0.1, which rests on the
// same facts, and is verified as one. Without an entry of the log it is a bare signature.
func parseLegacy(top object) (*Bundle, error) {
	signature, err := decodeBase64(top.whole("base64Signature"))
	if err != nil || len(signature) == 0 {
		return nil, fail(Malformed, "the signature is not base64")
	}
	cert := []byte(top.whole("cert"))
	if raw := top["rekorBundle"]; raw == nil || string(raw) == "null" {
		return newRaw(signature, cert)
	}
	p, err := legacyProto(top.child("rekorBundle"), signature, cert)
	if err != nil {
		return nil, err
	}
	return fromProto(p, "v0.1")
}

func legacyProto(rekor object, signature, cert []byte) (*protobundle.Bundle, error) {
	entry, err := legacyEntry(rekor)
	if err != nil {
		return nil, err
	}
	signer := &Bundle{}
	if len(cert) > 0 {
		if err := signer.setSigner(cert); err != nil {
			return nil, err
		}
	}
	material := &protobundle.VerificationMaterial{TlogEntries: []*protorekor.TransparencyLogEntry{entry}}
	if signer.leaf != nil {
		material.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: signer.leaf.Raw}},
		}}
	} else {
		material.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}}
	}
	p := &protobundle.Bundle{MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1", VerificationMaterial: material}
	return p, legacyContent(p, signature, entry.CanonicalizedBody)
}

// legacyEntry reads {"SignedEntryTimestamp", "Payload": {"body", "integratedTime", "logIndex", "logID"}}.
func legacyEntry(o object) (*protorekor.TransparencyLogEntry, error) {
	set, err := decodeBase64(o.whole("SignedEntryTimestamp"))
	payload := o.child("Payload")
	body, bodyErr := decodeBase64(payload.whole("body"))
	id, idErr := hex.DecodeString(payload.text("logID"))
	if err != nil || bodyErr != nil || idErr != nil || len(set) == 0 {
		return nil, fail(Malformed, "the entry of the log cannot be read")
	}
	var integrated, index int64
	if json.Unmarshal(payload["integratedTime"], &integrated) != nil || json.Unmarshal(payload["logIndex"], &index) != nil {
		return nil, fail(Malformed, "the entry of the log has no time or no index")
	}
	kind, ok := readObject(body)
	if !ok {
		return nil, fail(Malformed, "the body of the log's entry is no JSON object")
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex:          index,
		LogId:             &protocommon.LogId{KeyId: id},
		KindVersion:       &protorekor.KindVersion{Kind: kind.text("kind"), Version: kind.text("apiVersion")},
		IntegratedTime:    integrated,
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: set},
		CanonicalizedBody: body,
	}, nil
}

// legacyContent sets the envelope that the signature is, if it is one, or else the signature over the digest that the log's
// entry names.
func legacyContent(p *protobundle.Bundle, signature, body []byte) error {
	if envelope, ok := readObject(signature); ok && envelope["payloadType"] != nil {
		if err := checkJSON(signature, maxBundleDepth, maxBundleValues); err != nil {
			return err
		}
		b, err := parseEnvelope(envelope)
		if err != nil {
			return err
		}
		p.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: b.payload, PayloadType: b.envelope.PayloadType,
			Signatures: []*protodsse.Signature{{Sig: b.signature, Keyid: b.hint}},
		}}
		return nil
	}
	o, _ := readObject(body)
	hash := o.child("spec").child("data").child("hash")
	digest, err := hex.DecodeString(hash.text("value"))
	if err != nil || len(digest) == 0 {
		return fail(Unsupported, "the log's entry is of kind %s, which does not name the digest of the artifact", quote(o.text("kind")))
	}
	alg := protocommon.HashAlgorithm_HASH_ALGORITHM_UNSPECIFIED
	for a, name := range hashNames {
		if name == hash.text("algorithm") {
			alg = a
		}
	}
	p.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
		MessageDigest: &protocommon.HashOutput{Algorithm: alg, Digest: digest}, Signature: signature,
	}}
	return nil
}

// NewRaw returns a bundle of a bare signature over the artifact itself, in the layout of cosign's files: signature is raw or
// base64, certificate is PEM, DER or base64 of either, or empty if the signature is by a key. It has no entry of a log and no
// timestamp, so with a certificate it verifies only where none are demanded and while the certificate is valid. Its error is
// always an *Error.
func NewRaw(signature, certificate []byte) (b *Bundle, err error) {
	defer recovered(&err)
	if len(signature) > 2*maxSignature || len(certificate) > 2*maxCertificate {
		return nil, fail(TooLarge, "signature and certificate have %d and %d bytes", len(signature), len(certificate))
	}
	if sig, err := decodeBase64(string(signature)); err == nil && len(sig) > 0 {
		signature = sig
	}
	return newRaw(signature, certificate)
}

func newRaw(signature, certificate []byte) (*Bundle, error) {
	if len(signature) == 0 {
		return nil, fail(Malformed, "the signature is empty")
	}
	b := &Bundle{signature: signature}
	if len(bytes.TrimSpace(certificate)) > 0 {
		if err := b.setSigner(certificate); err != nil {
			return nil, err
		}
	}
	if envelope, ok := readObject(signature); ok && envelope["payloadType"] != nil {
		if err := checkJSON(signature, maxBundleDepth, maxBundleValues); err != nil {
			return nil, err
		}
		e, err := parseEnvelope(envelope)
		if err != nil {
			return nil, err
		}
		if e.leaf == nil {
			e.leaf = b.leaf
		}
		return e, nil
	}
	return b, nil
}

// setSigner takes a certificate in PEM, DER, or base64 of either. A public key in PEM says only that the signer has one.
func (b *Bundle) setSigner(certificate []byte) error {
	text := bytes.TrimSpace(certificate)
	if der, err := decodeBase64(string(text)); err == nil {
		text = der
	}
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return b.setLeaf(text)
	case block.Type == "PUBLIC KEY":
		return nil
	case block.Type == "CERTIFICATE":
		return b.setLeaf(block.Bytes)
	}
	return fail(Malformed, "a certificate is asked for, this is %s", quote(block.Type))
}
