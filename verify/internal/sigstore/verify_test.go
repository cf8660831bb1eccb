package sigstore

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

func TestWhatASignerSays(t *testing.T) {
	w := newWorld(t)
	for _, version := range []string{"0.1", "0.2", "0.3"} {
		for _, rekor2 := range []bool{false, true} {
			if rekor2 && version == "0.1" {
				continue // promises of inclusion are Rekor version 1
			}
			by := ci
			by.Version, by.Rekor2 = version, rekor2
			r, err := check(w.Sign(update, by), digestOnly, w.demand)
			if err != nil {
				t.Errorf("version %s, Rekor 2 %v: %v", version, rekor2, err)
				continue
			}
			if r.Signer.Name != ci.Identity || r.Signer.Issuer != githubIssuer || r.SANType != "uri" || r.Signer.Root != "sigstore.test" ||
				len(r.Signer.Fingerprint) != 64 || len(r.Signer.RootFingerprint) != 64 {
				t.Errorf("version %s: signer %+v, %s", version, r.Signer, r.SANType)
			}
			if r.Workload == nil || *r.Workload != workload || r.Attestation != nil {
				t.Errorf("version %s: workload %+v, attestation %+v", version, r.Workload, r.Attestation)
			}
			if r.SignedAt.Before(now) || r.SignedAt.After(now.Add(10*time.Minute)) || r.Logs != 1 || r.Timestamps != 1 {
				t.Errorf("version %s: signed at %s with %d logs and %d timestamps", version, r.SignedAt, r.Logs, r.Timestamps)
			}
		}
	}
}

func TestWhatAStatementSays(t *testing.T) {
	w := newWorld(t)
	for name, statement := range map[string][]byte{
		"https://slsa.dev/provenance/v1":   sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update)),
		"https://slsa.dev/provenance/v0.2": sigstoretest.Provenance02(build, sigstoretest.Of("app.bin", update)),
	} {
		r, err := check(w.Attest(statement, ci), digestOnly, w.demand)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := verify.Attestation{
			PredicateType: name, Predicate: "slsa", Builder: build.Builder, BuildType: build.Type,
			Source: build.Source, Ref: build.Ref, Commit: build.Commit,
		}
		if r.Attestation == nil || *r.Attestation != want || r.Subject != "app.bin" {
			t.Errorf("%s: %+v about %q", name, r.Attestation, r.Subject)
		}
	}
}

// Each case has one defect, and the step that looks at it names it.
func TestEveryStepNamesItself(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	attested := sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update))
	good, envelope := w.Sign(update, ci), w.Attest(attested, ci)
	with := func(change func(s *sigstoretest.Signer)) []byte {
		by := ci
		change(&by)
		return w.Sign(update, by)
	}
	entry := func(o map[string]any) map[string]any { return objectAt(o, "verificationMaterial", "tlogEntries", 0) }
	flip := func(o map[string]any, name string) {
		raw, err := base64.StdEncoding.DecodeString(o[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		o[name] = base64.StdEncoding.EncodeToString(raw)
	}
	changed := func(data []byte, f func(o map[string]any)) []byte { return edit(t, data, f) }
	key := sigstoretest.NewKey()
	lying := build
	lying.Commit = "ffffffffffffffffffffffffffffffffffffffff"
	for _, tt := range []struct {
		name string
		data []byte
		want string
		d    func(*Demand)
	}{
		{"nothing", good, "verifies", nil},
		{"a statement", envelope, "verifies", nil},
		{"another instance", other.Sign(update, ci), "timestamp", nil},
		{"trailing data", append(good[:len(good):len(good)], '{'), "malformed", nil},
		{"a name twice", []byte(`{"mediaType":"a","mediaType":"b"}`), "malformed", nil},
		{"an unknown version", changed(good, func(o map[string]any) { o["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.4+json" }), "unsupported", nil},
		{"an unknown field", changed(good, func(o map[string]any) { o["extra"] = 1 }), "malformed", nil},
		{"too many entries", changed(good, func(o map[string]any) {
			m := objectAt(o, "verificationMaterial")
			for len(m["tlogEntries"].([]any)) < 40 {
				m["tlogEntries"] = append(m["tlogEntries"].([]any), entry(o))
			}
		}), "too-large", nil},
		{"an entry twice", changed(good, func(o map[string]any) {
			m := objectAt(o, "verificationMaterial")
			m["tlogEntries"] = append(m["tlogEntries"].([]any), entry(o))
		}), "log-entry", nil},
		{"no proof", changed(good, func(o map[string]any) { delete(entry(o), "inclusionProof") }), "inclusion-proof", nil},
		{"a wrong promise", changed(good, func(o map[string]any) { flip(objectAt(entry(o), "inclusionPromise"), "signedEntryTimestamp") }), "log-entry", nil},
		{"a wrong promise that is not asked for", changed(good, func(o map[string]any) { flip(objectAt(entry(o), "inclusionPromise"), "signedEntryTimestamp") }), "log-entry",
			func(d *Demand) { d.Rekor = 0 }},
		{"a wrong root hash", changed(good, func(o map[string]any) { flip(objectAt(entry(o), "inclusionProof"), "rootHash") }), "inclusion-proof", nil},
		{"a wrong head", changed(good, func(o map[string]any) {
			c := objectAt(entry(o), "inclusionProof", "checkpoint")
			c["envelope"] = c["envelope"].(string)[:len(c["envelope"].(string))-8] + "AAAAAAA\n"
		}), "checkpoint", nil},
		{"another signature", changed(good, func(o map[string]any) { flip(objectAt(o, "messageSignature"), "signature") }), "signature", nil},
		{"another payload", changed(envelope, func(o map[string]any) {
			e := objectAt(o, "dsseEnvelope")
			e["payload"] = base64.StdEncoding.EncodeToString(sigstoretest.Provenance(lying, sigstoretest.Of("app.bin", update)))
		}), "signature", nil},
		{"two signatures", changed(envelope, func(o map[string]any) {
			e := objectAt(o, "dsseEnvelope")
			e["signatures"] = append(e["signatures"].([]any), at(e, "signatures", 0))
		}), "malformed", nil},
		{"another type of payload", changed(envelope, func(o map[string]any) { objectAt(o, "dsseEnvelope")["payloadType"] = "text/plain" }), "unsupported", nil},
		{"another update", w.Sign([]byte("another"), ci), "digest-mismatch", nil},
		{"another update, the digest altered", changed(w.Sign([]byte("another"), ci), func(o map[string]any) {
			objectAt(o, "messageSignature", "messageDigest")["digest"] = base64.StdEncoding.EncodeToString(digestOnly.SHA256[:])
		}), "signature", nil},
		{"a statement about another update", w.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app.bin", []byte("another"))), ci), "subject-mismatch", nil},
		{"a statement about nothing", w.Attest(sigstoretest.Provenance(build), ci), "malformed", nil},
		{"a statement of an unknown type", w.Attest([]byte(`{"_type":"https://in-toto.io/Statement/v9","subject":[{"digest":{"sha256":"00"}}],"predicateType":"x"}`), ci), "unsupported", nil},
		{"claims that differ", w.Attest(sigstoretest.Provenance(lying, sigstoretest.Of("app.bin", update)), ci), "claims-disagree", nil},
		{"signed after the certificate", with(func(s *sigstoretest.Signer) { s.Late = time.Hour }), "certificate-expired", nil},
		{"no log", with(func(s *sigstoretest.Signer) { s.NoLog = true }), "threshold", nil},
		{"no log is asked for", with(func(s *sigstoretest.Signer) { s.NoLog = true }), "verifies", func(d *Demand) { d.Rekor = 0 }},
		{"two logs are asked for", good, "threshold", func(d *Demand) { d.Rekor = 2 }},
		{"no timestamp", with(func(s *sigstoretest.Signer) { s.NoTimestamp = true }), "verifies", nil},
		{"a timestamp is asked for", with(func(s *sigstoretest.Signer) { s.NoTimestamp = true }), "threshold", func(d *Demand) { d.Timestamps = 1 }},
		{"a log that gives no time", with(func(s *sigstoretest.Signer) { s.Rekor2, s.NoTimestamp = true, true }), "timestamp", nil},
		{"a wrong timestamp", changed(good, func(o map[string]any) {
			flip(objectAt(o, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0), "signedTimestamp")
		}), "timestamp", nil},
		{"no certificate timestamp", with(func(s *sigstoretest.Signer) { s.NoSCT = true }), "sct", nil},
		{"no certificate timestamp is asked for", with(func(s *sigstoretest.Signer) { s.NoSCT = true }), "verifies", func(d *Demand) { d.SCTs = 0 }},
		{"two certificate timestamps are asked for", good, "sct", func(d *Demand) { d.SCTs = 2 }},
		{"a key where a certificate is asked for", w.Sign(update, sigstoretest.Signer{Key: key}), "key", nil},
		{"a certificate where a key is asked for", good, "key", func(d *Demand) { d.SCTs, d.Keys = 0, [][]byte{key.Public()} }},
		{"a key", w.Sign(update, sigstoretest.Signer{Key: key}), "verifies", func(d *Demand) { d.SCTs, d.Keys = 0, [][]byte{key.Public()} }},
		{"one of two keys", w.Attest(attested, sigstoretest.Signer{Key: key}), "verifies",
			func(d *Demand) { d.SCTs, d.Keys = 0, [][]byte{sigstoretest.NewKey().Public(), key.Public()} }},
		{"another key", w.Sign(update, sigstoretest.Signer{Key: key}), "signature", func(d *Demand) { d.SCTs, d.Keys = 0, [][]byte{sigstoretest.NewKey().Public()} }},
		{"signed long after now", with(func(s *sigstoretest.Signer) { s.At = now.AddDate(0, 1, 0) }), "timestamp", nil},
	} {
		d := w.demand
		if tt.d != nil {
			tt.d(&d)
		}
		if _, err := check(tt.data, digestOnly, d); codeOf(err) != tt.want {
			t.Errorf("%s: %s (%v), want %s", tt.name, codeOf(err), err, tt.want)
		}
	}
}

func TestDemandsThatNothingMeetsAreOurs(t *testing.T) {
	w := newWorld(t)
	b, err := Parse(w.Sign(update, ci))
	if err != nil {
		t.Fatal(err)
	}
	key := sigstoretest.NewKey().Public()
	for name, d := range map[string]Demand{
		"nothing":            {},
		"a negative count":   {Instance: w.demand.Instance, Rekor: -1},
		"logs without any":   {Keys: [][]byte{key}, Rekor: 1},
		"a key's SCT":        {Instance: w.demand.Instance, Keys: [][]byte{key}, SCTs: 1},
		"too many keys":      {Keys: make([][]byte, maxKeys+1)},
		"a key that is none": {Keys: [][]byte{{1, 2, 3}}},
	} {
		key := b
		if len(d.Keys) > 0 {
			if key, err = Parse(w.Sign(update, sigstoretest.Signer{Key: sigstoretest.NewKey()})); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Verify(key, digestOnly, d, now); err == nil || code(err) != "" {
			t.Errorf("%s: %v, want an error about us", name, err)
		}
	}
}

// A certificate that is valid for years needs nobody to say when it signed.
func TestLongLivedCertificateIsJudgedNow(t *testing.T) {
	w := newWorld(t)
	by := ci
	by.NoLog, by.NoTimestamp = true, true
	b, err := Parse(w.Sign(update, by))
	if err != nil {
		t.Fatal(err)
	}
	d := Demand{Instance: w.demand.Instance}
	r, err := Verify(b, digestOnly, d, now.Add(time.Minute))
	if err != nil || !r.SignedAt.IsZero() {
		t.Errorf("while it is valid: %v, signed at %s", err, r.SignedAt)
	}
	if _, err := Verify(b, digestOnly, d, now.AddDate(0, 0, 1)); code(err) != CertificateExpired {
		t.Errorf("a day later: %v", err)
	}
	if _, err := Verify(b, digestOnly, w.demand, now.Add(time.Minute)); code(err) != Timestamp {
		t.Errorf("where a log is demanded: %v", err)
	}
}

func TestRetiredLogProvesNothing(t *testing.T) {
	w := newWorld(t)
	by := ci
	by.Rekor2 = true
	data := w.Sign(update, by)
	for end, want := range map[time.Time]string{now.Add(-time.Hour): "threshold", now.Add(time.Hour): "verifies"} {
		root := edit(t, w.TrustedRoot(), func(o map[string]any) {
			objectAt(o, "tlogs", 1, "publicKey", "validFor")["end"] = end.Format(time.RFC3339)
		})
		i, err := NewInstance(root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := check(data, digestOnly, Demand{Instance: i, Rekor: 1}); codeOf(err) != want {
			t.Errorf("log in use until %s: %v, want %s", end, err, want)
		}
	}
}

// What is about another update is nothing to this one, however few vouch for it.
func TestOrderOfTheLastSteps(t *testing.T) {
	w := newWorld(t)
	d := w.demand
	d.Rekor = 2
	lying := build
	lying.Commit = "ffffffffffffffffffffffffffffffffffffffff"
	for want, statement := range map[Code][]byte{
		SubjectMismatch: sigstoretest.Provenance(lying, sigstoretest.Of("app.bin", []byte("another"))),
		ClaimsDisagree:  sigstoretest.Provenance(lying, sigstoretest.Of("app.bin", update)),
		Threshold:       sigstoretest.Provenance(build, sigstoretest.Of("app.bin", update)),
	} {
		if r, err := check(w.Attest(statement, ci), digestOnly, d); code(err) != want || r.Signer.Name != ci.Identity {
			t.Errorf("%v by %q, want %s", err, r.Signer.Name, want)
		}
	}
}
