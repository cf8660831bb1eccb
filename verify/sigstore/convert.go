package sigstore

import (
	"encoding/json"

	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

type object = map[string]any

// pep740 reads one attestation object of a Python index (https://peps.python.org/pep-0740/#attestation-objects): a certificate, entries
// of logs as bundles have them, and a statement with its signature. It is a bundle in other words.
func (r *reader) pep740(v json.RawMessage) error {
	var a struct {
		Version  int `json:"version"`
		Material struct {
			Certificate []byte          `json:"certificate"`
			Entries     json.RawMessage `json:"transparency_entries"`
		} `json:"verification_material"`
		Envelope struct {
			Statement []byte `json:"statement"`
			Signature []byte `json:"signature"`
		} `json:"envelope"`
	}
	if err := json.Unmarshal(v, &a); err != nil {
		return r.keep(entry{err: malformed("its attestation (PEP 740) cannot be read")})
	}
	if a.Version != 1 {
		return r.keep(entry{err: &core.Error{Code: core.Unsupported, Detail: "its attestation (PEP 740) is of another version than 1"}})
	}
	data, err := json.Marshal(object{
		"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": object{
			"certificate": object{"rawBytes": a.Material.Certificate}, "tlogEntries": a.Material.Entries,
		},
		"dsseEnvelope": object{
			"payload": a.Envelope.Statement, "payloadType": "application/vnd.in-toto+json",
			"signatures": []object{{"sig": a.Envelope.Signature}},
		},
	})
	if err != nil {
		return r.keep(entry{err: malformed("its attestation (PEP 740) cannot be read")})
	}
	r.pep = true
	err = r.add(data, false)
	r.pep = false
	return err
}

const maxSignatures = 8 // of one bare envelope

// envelope reads a bare DSSE envelope. A bundle has one signature, an envelope may have several: each becomes one of its own.
func (r *reader) envelope(v json.RawMessage) error {
	var e struct {
		Payload     json.RawMessage   `json:"payload"`
		PayloadType json.RawMessage   `json:"payloadType"`
		Signatures  []json.RawMessage `json:"signatures"`
	}
	if err := json.Unmarshal(v, &e); err != nil || len(e.Signatures) > maxSignatures {
		return r.keep(entry{err: malformed("its envelope (DSSE) cannot be read, or has more than %d signatures", maxSignatures)})
	}
	if len(e.Signatures) < 2 {
		return r.add(v, true)
	}
	for _, s := range e.Signatures {
		one, err := json.Marshal(object{"payload": e.Payload, "payloadType": e.PayloadType, "signatures": []json.RawMessage{s}})
		if err != nil {
			return r.keep(entry{err: malformed("its envelope (DSSE) cannot be read")})
		}
		if err := r.add(one, true); err != nil {
			return err
		}
	}
	return nil
}
