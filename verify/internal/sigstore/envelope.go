package sigstore

import (
	"encoding/base64"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
)

// setEnvelope takes the DSSE envelope of the bundle. A bundle has exactly one signature, although DSSE allows several: the log
// entries and timestamps are about that one.
func (b *Bundle) setEnvelope(e *bundle.Envelope, payload []byte) error {
	if n := len(e.Signatures); n != 1 {
		return fail(Malformed, "the envelope has %d signatures, a bundle has one", n)
	}
	if len(e.Signatures[0].Sig) > 2*maxSignature {
		return fail(TooLarge, "the signature has more than %d bytes", maxSignature)
	}
	if e.PayloadType != inTotoPayload {
		return fail(Unsupported, "envelopes of type %s are not known", quote(e.PayloadType))
	}
	s, err := parseStatement(payload)
	if err != nil {
		return err
	}
	b.envelope, b.payload, b.statement, b.signature = e, payload, s, e.Signature()
	if len(b.signature) == 0 {
		return fail(Malformed, "the signature is empty")
	}
	return nil
}

// parseEnvelope reads a bare DSSE envelope (envelope.md section "JSON"), in whose signature the SLSA generators put the
// certificate.
func parseEnvelope(top object) (*Bundle, error) {
	payload, err := decodeBase64(top.whole("payload"))
	if err != nil {
		return nil, fail(Malformed, "the payload of the envelope is not base64")
	}
	signatures := top.list("signatures")
	if n := len(signatures); n != 1 {
		return nil, fail(Malformed, "the envelope has %d signatures, one is read", n)
	}
	s, ok := readObject(signatures[0])
	if !ok {
		return nil, fail(Malformed, "the signature of the envelope is no JSON object")
	}
	sig, err := decodeBase64(s.whole("sig"))
	if err != nil {
		return nil, fail(Malformed, "the signature of the envelope is not base64")
	}
	b := &Bundle{hint: s.text("keyid")}
	if cert := s.whole("cert"); cert != "" {
		if err := b.setSigner([]byte(cert)); err != nil {
			return nil, err
		}
	}
	e := &dsse.Envelope{
		PayloadType: top.text("payloadType"),
		Payload:     base64.StdEncoding.EncodeToString(payload),
		Signatures:  []dsse.Signature{{KeyID: b.hint, Sig: base64.StdEncoding.EncodeToString(sig)}},
	}
	return b, b.setEnvelope(&bundle.Envelope{Envelope: e}, payload)
}

// decodeBase64 reads either alphabet of base64, with padding or without.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}
