package sigstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// Bounds of one document.
const (
	maxDocument = 4 << 20 // bytes
	maxEntries  = 4096    // bundles in one document
)

// entry is one bundle of a document, or why it cannot be read.
type entry struct {
	id     [sha256.Size]byte // of its JSON without spaces
	bundle *core.Bundle
	err    *core.Error
	// unlogged says that nothing in it shows when a certificate signed: neither an entry of a log nor a timestamp.
	unlogged bool
	// npm and pep740 say that it came in the document of a registry of npm, or of a Python index: its statement has to name the package.
	npm, pep740 bool
}

// errOther says that a document is none of Sigstore's.
var errOther = errors.New("none of Sigstore's documents")

// errElsewhere says that a document has only the address of a bundle.
var errElsewhere = errors.New("the document only says where the bundle is, on a host that the policy does not name")

// readDocument returns the bundles of a document: one bundle, JSON Lines or an array of them, the answer of a registry of npm or of
// GitHub's API, a provenance object of a Python index (PEP 740), a bare DSSE envelope, or what cosign wrote before there were bundles.
// Its error is errOther where it is none of these, errElsewhere, or a *core.Error where it is one and cannot be read.
func readDocument(data []byte) ([]entry, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(data) == 0 || data[0] != '{' && data[0] != '[' {
		return nil, errOther
	}
	r := &reader{}
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var v json.RawMessage
		err := d.Decode(&v)
		if err == io.EOF {
			break
		}
		if err != nil {
			if len(r.entries) == 0 && !looksLike(data) {
				return nil, errOther
			}
			return nil, malformed("it breaks off or is no JSON after byte %d", d.InputOffset())
		}
		if err := r.value(v, 0); err != nil {
			return nil, err
		}
	}
	if len(r.entries) == 0 && r.elsewhere {
		return nil, errElsewhere
	}
	if len(r.entries) == 0 && !r.ours {
		return nil, errOther
	}
	return r.entries, nil
}

func malformed(format string, args ...any) *core.Error {
	return &core.Error{Code: core.Malformed, Detail: fmt.Sprintf(format, args...)}
}

// looksLike reports whether something broken was meant to be a document of Sigstore's.
func looksLike(data []byte) bool {
	head := data[:min(len(data), 4096)]
	for _, mark := range []string{"dev.sigstore.bundle", "verificationMaterial", "dsseEnvelope", "base64Signature", "attestation_bundles"} {
		if bytes.Contains(head, []byte(mark)) {
			return true
		}
	}
	return false
}

// reader collects the bundles of one document.
type reader struct {
	entries   []entry
	ours      bool // the document is of a known kind, though it may be empty
	elsewhere bool
	pep       bool // the present one is an attestation object of a Python index
	npm       bool // the entries to come are wrapped as npm does it
}

// shape is what tells the kinds of JSON apart, and what the wrappers wrap.
type shape struct {
	MediaType            json.RawMessage   `json:"mediaType"`
	VerificationMaterial json.RawMessage   `json:"verificationMaterial"`
	MessageSignature     json.RawMessage   `json:"messageSignature"`
	DSSEEnvelope         json.RawMessage   `json:"dsseEnvelope"`
	Base64Signature      json.RawMessage   `json:"base64Signature"`
	RekorBundle          json.RawMessage   `json:"rekorBundle"`
	Payload              json.RawMessage   `json:"payload"`
	PayloadType          json.RawMessage   `json:"payloadType"`
	Attestations         []json.RawMessage `json:"attestations"`
	AttestationBundles   []json.RawMessage `json:"attestation_bundles"`
	Bundle               json.RawMessage   `json:"bundle"`
	BundleURL            string            `json:"bundle_url"`
	PredicateType        json.RawMessage   `json:"predicateType"`
	Material740          json.RawMessage   `json:"verification_material"`
	Envelope740          json.RawMessage   `json:"envelope"`
}

const maxWrappers = 3 // an array of answers with attestations with bundles

func (r *reader) value(v json.RawMessage, depth int) error {
	if depth > maxWrappers {
		return malformed("its bundles are wrapped more than %d times", maxWrappers)
	}
	if v[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(v, &list); err != nil {
			return malformed("its array cannot be read")
		}
		return r.list(list, depth)
	}
	var s shape
	if v[0] != '{' {
		return nil
	}
	if err := json.Unmarshal(v, &s); err != nil {
		if !looksLike(v) {
			return nil
		}
		return malformed("it has values of other types than it should")
	}
	return r.object(v, &s, depth)
}

func (r *reader) list(list []json.RawMessage, depth int) error {
	for _, v := range list {
		if err := r.value(v, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// object takes one object apart.
func (r *reader) object(v json.RawMessage, s *shape, depth int) error {
	null := func(m json.RawMessage) bool { return m == nil || string(m) == "null" }
	switch {
	case !null(s.MediaType) && s.Payload == nil, s.VerificationMaterial != nil, s.DSSEEnvelope != nil, s.MessageSignature != nil:
		if null(s.VerificationMaterial) && null(s.DSSEEnvelope) && null(s.MessageSignature) && !looksLike(s.MediaType) {
			return nil // somebody else's media type
		}
		return r.add(v, false)
	case !null(s.Base64Signature):
		return r.add(v, null(s.RekorBundle))
	case !null(s.Material740) && !null(s.Envelope740):
		return r.pep740(v)
	case !null(s.Payload) && !null(s.PayloadType):
		return r.envelope(v)
	case s.AttestationBundles != nil:
		r.ours = true
		return r.list(s.AttestationBundles, depth)
	case s.Attestations != nil:
		r.ours = true
		return r.list(s.Attestations, depth)
	case !null(s.Bundle):
		outer := r.npm
		r.npm = !null(s.PredicateType)
		err := r.value(s.Bundle, depth+1)
		r.npm = outer
		return err
	case s.BundleURL != "":
		r.elsewhere = true
	}
	return nil
}

// add reads one bundle and takes note of it.
func (r *reader) add(v json.RawMessage, unlogged bool) error {
	var plain bytes.Buffer
	if err := json.Compact(&plain, v); err != nil {
		return malformed("it has a bundle that is no JSON")
	}
	b, err := core.Parse(v)
	e := entry{id: sha256.Sum256(plain.Bytes()), unlogged: unlogged, npm: r.npm, pep740: r.pep}
	if err == nil {
		e.bundle = b
	} else if !errors.As(err, &e.err) {
		return err
	}
	return r.keep(e)
}

func (r *reader) keep(e entry) error {
	if len(r.entries) == maxEntries {
		return &core.Error{Code: core.TooLarge, Detail: fmt.Sprintf("it has more than %d bundles", maxEntries)}
	}
	r.entries = append(r.entries, e)
	return nil
}
