package sigstore

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

func TestCosignsOldLayout(t *testing.T) {
	w := newWorld(t)
	_, _, old := sigstoretest.Cosign(w.Sign(update, ci))
	r, err := check(old, digestOnly, w.demand)
	if err != nil || r.Signer.Name != ci.Identity || r.Logs != 1 || r.SignedAt.IsZero() {
		t.Errorf("old bundle: %v, signer %+v at %s", err, r.Signer, r.SignedAt)
	}
	if _, err := check(old, artifactOf([]byte("another")), w.demand); code(err) != DigestMismatch {
		t.Errorf("old bundle of another update: %v", err)
	}
	later := edit(t, old, func(o map[string]any) {
		objectAt(o, "rekorBundle", "Payload")["integratedTime"] = now.Add(90 * time.Second).Unix()
	})
	if _, err := check(later, digestOnly, w.demand); code(err) != LogEntry {
		t.Errorf("old bundle with another time than promised: %v", err)
	}
	unlogged := edit(t, old, func(o map[string]any) { delete(o, "rekorBundle") })
	if _, err := check(unlogged, digestOnly, w.demand); code(err) != Timestamp {
		t.Errorf("old bundle without log entry: %v", err)
	}
	if _, err := check(edit(t, old, func(o map[string]any) { o["rekorBundle"] = map[string]any{} }), digestOnly, w.demand); code(err) != Malformed {
		t.Errorf("old bundle with an empty log entry: %v", err)
	}
}

func TestBareSignatureWithCertificate(t *testing.T) {
	w := newWorld(t)
	signature, certificate, _ := sigstoretest.Cosign(w.Sign(update, ci))
	block, _ := pem.Decode(certificate)
	if block == nil {
		decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(certificate)))
		if err != nil {
			t.Fatal("cosign's certificate is neither PEM nor base64")
		}
		block, _ = pem.Decode(decoded)
	}
	for name, cert := range map[string][]byte{
		"as cosign writes it": certificate,
		"PEM":                 pem.EncodeToMemory(block),
		"base64 of PEM":       []byte(base64.StdEncoding.EncodeToString(pem.EncodeToMemory(block)) + "\n"),
		"DER":                 block.Bytes,
		"base64 of DER":       []byte(base64.StdEncoding.EncodeToString(block.Bytes)),
	} {
		b, err := NewRaw(signature, cert)
		if err != nil || !b.HasCertificate() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		loose := Demand{Instance: w.demand.Instance, SCTs: 1}
		if r, err := Verify(b, digestOnly, loose, now.Add(time.Minute)); err != nil || r.Signer.Name != ci.Identity {
			t.Errorf("%s, while the certificate is valid: %v", name, err)
		}
		if _, err := Verify(b, digestOnly, loose, now.AddDate(0, 0, 1)); code(err) != CertificateExpired {
			t.Errorf("%s, a day later: %v", name, err)
		}
		if _, err := Verify(b, digestOnly, w.demand, now.Add(time.Minute)); code(err) != Timestamp {
			t.Errorf("%s, where a log is demanded: %v", name, err)
		}
		if _, err := Verify(b, artifactOf([]byte("another")), loose, now.Add(time.Minute)); code(err) != Signature {
			t.Errorf("%s, over another update: %v", name, err)
		}
	}
}

func TestBareSignatureThatIsNone(t *testing.T) {
	for name, tt := range map[string][2][]byte{
		"nothing":          {nil, nil},
		"no certificate":   {[]byte("AAAA"), []byte("rubbish!")},
		"a private key":    {[]byte("AAAA"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})},
		"a long one":       {make([]byte, 3*maxSignature), nil},
		"half an envelope": {[]byte(`{"payloadType":"application/vnd.in-toto+json"}`), nil},
	} {
		if _, err := NewRaw(tt[0], tt[1]); code(err) == "" {
			t.Errorf("%s: %v, want an *Error", name, err)
		}
	}
}

// The SLSA generators write envelopes with the certificate in the signature.
func TestBareEnvelope(t *testing.T) {
	w := newWorld(t)
	key := sigstoretest.NewKey()
	bundle := w.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update)), sigstoretest.Signer{Key: key})
	var envelope []byte
	edit(t, bundle, func(o map[string]any) {
		e := objectAt(o, "dsseEnvelope")
		objectAt(e, "signatures", 0)["keyid"] = "keystore://release" // a hint, whatever it says
		envelope = edit(t, []byte("{}"), func(o map[string]any) {
			for k, v := range e {
				o[k] = v
			}
		})
	})
	r, err := check(envelope, digestOnly, Demand{Keys: [][]byte{key.Public()}})
	if err != nil || r.Attestation == nil || r.Attestation.Source != build.Source {
		t.Errorf("%v, %+v", err, r.Attestation)
	}
	twice := edit(t, envelope, func(o map[string]any) {
		o["signatures"] = append(o["signatures"].([]any), at(o, "signatures", 0))
	})
	if _, err := check(twice, digestOnly, Demand{Keys: [][]byte{key.Public()}}); code(err) != Malformed {
		t.Errorf("two signatures: %v", err)
	}
}
