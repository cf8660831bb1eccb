package sigstore_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

func beside(bundle []byte) map[string][]byte {
	return map[string][]byte{"app-1.2.3.tar.gz.sigstore.json": bundle}
}

func anchors(change func(*verify.SigstoreAnchor)) []verify.SigstoreAnchor {
	return []verify.SigstoreAnchor{acme(change)}
}

func TestWhatIsSaid(t *testing.T) {
	s := signer
	s.Workload.Runner = "github-hosted"
	found := (&look{files: beside(provenance(s, sigstoretest.Of("app", update)))}).want(t, "valid valid")
	f := found[0]
	if !slices.Equal(f.Anchors, []string{"acme"}) || f.Signer.Name != workflow || f.Signer.Issuer != issuer || f.Signer.Fingerprint == "" || f.Signer.Root == "" {
		t.Errorf("anchors %q, signer %+v", f.Anchors, f.Signer)
	}
	if want := at.Add(time.Minute); !f.SignedAt.Equal(want) {
		t.Errorf("signed at %s, want %s", f.SignedAt, want)
	}
	if a := f.Attestation; a == nil || a.PredicateType != sigstoretest.SLSA1 || a.Predicate != "slsa" || a.Builder != build.Builder || a.Source != build.Source {
		t.Errorf("attestation %+v", a)
	}
	if w := f.Workload; w == nil || w.Source != s.Workload.Source || w.Runner != "github-hosted" {
		t.Errorf("workload %+v", w)
	}
	if len(f.Evidence) != 1 || f.Evidence[0].URL != "./app-1.2.3.tar.gz.sigstore.json" || f.Evidence[0].SHA256.IsZero() {
		t.Errorf("evidence %+v", f.Evidence)
	}
}

func TestVerdicts(t *testing.T) {
	message := instance.Sign(update, signer)
	attestation := provenance(signer, sigstoretest.Of("app", update))
	with := func(f func(*sigstoretest.Signer)) sigstoretest.Signer { s := signer; f(&s); return s }
	key := sigstoretest.NewKey()
	keyed := sigstoretest.Signer{Key: key, NoLog: true, NoTimestamp: true}
	ed := sigstoretest.NewEd25519Key()
	for _, c := range []struct {
		name string
		look look
		want []string
	}{
		{"another identity", look{files: beside(instance.Sign(update, with(func(s *sigstoretest.Signer) { s.Identity = strings.Replace(workflow, "acme", "evil", 1) })))}, []string{"untrusted unknown-signer"}},
		{"another issuer", look{files: beside(instance.Sign(update, with(func(s *sigstoretest.Signer) { s.Issuer = "https://evil.example.com" })))}, []string{"untrusted unknown-signer"}},
		{"another SAN type", look{files: beside(message), anchors: anchors(func(a *verify.SigstoreAnchor) { a.SANType = "email" })}, []string{"untrusted unknown-signer"}},
		{"changed bytes, message", look{files: beside(message), data: []byte("changed")}, []string{"invalid digest-mismatch"}},
		{"changed bytes, statement", look{files: beside(attestation), data: []byte("changed")}, []string{"invalid subject-mismatch"}},
		{"another instance", look{files: beside(other.Sign(update, signer))}, []string{"untrusted unknown-instance"}},
		{"another instance beside ours", look{files: map[string][]byte{"app-1.2.3.tar.gz.intoto.jsonl": sigstoretest.Lines(
			other.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app", update)), signer), attestation)}}, []string{"untrusted unknown-instance", "valid valid"}},
		{"two instances, both known", look{files: beside(other.Sign(update, signer)), anchors: []verify.SigstoreAnchor{acme(), acme(func(a *verify.SigstoreAnchor) {
			a.Anchor, a.TrustedRoot = "private", other.TrustedRoot()
		})}}, []string{"valid valid"}},
		{"broken JSON", look{files: beside(message[:len(message)/2])}, []string{"invalid malformed"}},
		{"Rekor 2", look{files: beside(instance.Sign(update, with(func(s *sigstoretest.Signer) { s.Rekor2 = true })))}, []string{"valid valid"}},
		{"version 0.1", look{files: beside(instance.Sign(update, with(func(s *sigstoretest.Signer) { s.Version = "0.1" })))}, []string{"valid valid"}},
		{"seen too late", look{files: beside(instance.Sign(update, with(func(s *sigstoretest.Signer) { s.Late = time.Hour })))}, []string{"invalid certificate-expired"}},
		{"fewer log entries than asked for", look{files: beside(message), anchors: anchors(func(a *verify.SigstoreAnchor) { a.Rekor = 2 })}, []string{"untrusted threshold"}},
		{"fewer timestamps than asked for", look{files: beside(message), anchors: anchors(func(a *verify.SigstoreAnchor) { a.Timestamps = 2 })}, []string{"untrusted threshold"}},
		{"thresholds of one of two anchors", look{files: beside(message), anchors: []verify.SigstoreAnchor{acme(func(a *verify.SigstoreAnchor) { a.Anchor, a.Rekor = "strict", 2 }), acme()}}, []string{"valid valid"}},
		{"key", look{files: beside(instance.Sign(update, keyed)), anchors: []verify.SigstoreAnchor{keyAnchor("key", key)}}, []string{"valid valid"}},
		{"Ed25519 key", look{files: beside(instance.Sign(update, sigstoretest.Signer{Key: ed, NoLog: true, NoTimestamp: true})), anchors: []verify.SigstoreAnchor{keyAnchor("key", ed)}}, []string{"valid valid"}},
		{"one of two keys", look{files: beside(instance.Sign(update, keyed)), anchors: []verify.SigstoreAnchor{keyAnchor("key", ed, key)}}, []string{"valid valid"}},
		{"another key", look{files: beside(instance.Sign(update, keyed)), anchors: []verify.SigstoreAnchor{keyAnchor("key", ed)}}, []string{"untrusted unknown-key"}},
		{"key, changed bytes", look{files: beside(instance.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app", update)), keyed)), data: []byte("changed"), anchors: []verify.SigstoreAnchor{keyAnchor("key", key)}}, []string{"invalid subject-mismatch"}},
		{"key with our hint and a bad signature", look{files: beside(instance.Sign(update, sigstoretest.Signer{Key: forged(key), NoLog: true, NoTimestamp: true})), anchors: []verify.SigstoreAnchor{keyAnchor("key", key)}}, []string{"invalid signature"}},
		{"certificate where keys are known", look{files: beside(message), anchors: []verify.SigstoreAnchor{keyAnchor("key", key)}}, []string{"untrusted unknown-instance"}},
		{"a certificate without anything that shows when it signed", look{files: map[string][]byte{
			"app-1.2.3.tar.gz.intoto.jsonl": bare(t, attestation)}}, []string{"inconclusive not-logged"}},
		{"a bare envelope by a key", look{files: map[string][]byte{
			"app-1.2.3.tar.gz.intoto.jsonl": bare(t, instance.Attest(sigstoretest.Provenance(build, sigstoretest.Of("app", update)), keyed))}, anchors: []verify.SigstoreAnchor{keyAnchor("key", key)}}, []string{"valid valid"}},
		{"a summary of a verification that passed", look{files: beside(instance.Attest(sigstoretest.Summary("https://v.example.com", "PASSED", sigstoretest.Of("app", update)), signer))}, []string{"valid valid"}},
		{"a summary of a verification that failed", look{files: beside(instance.Attest(sigstoretest.Summary("https://v.example.com", "FAILED", sigstoretest.Of("app", update)), signer))}, []string{"invalid verification-failed"}},
		{"no trusted root yet", look{files: beside(message), anchors: anchors(func(a *verify.SigstoreAnchor) {
			a.TrustedRoot, a.RootSource = nil, &verify.TUFAnchor{Repositories: []verify.TUFRepository{{Root: []byte("{}"), Metadata: []string{"https://tuf.example.com/"}}}, Targets: "https://tuf.example.com/targets/"}
		})}, []string{"inconclusive no-trusted-root"}},
		{"a trusted root that cannot be read", look{files: beside(message), anchors: anchors(func(a *verify.SigstoreAnchor) { a.TrustedRoot = []byte("{") })}, []string{"inconclusive no-trusted-root"}},
		{"public good knows nothing of ours", look{files: beside(message), anchors: anchors(func(a *verify.SigstoreAnchor) { a.TrustedRoot = nil })}, []string{"untrusted unknown-instance"}},
	} {
		t.Run(c.name, func(t *testing.T) { c.look.want(t, c.want...) })
	}
}

// forged returns another key under the name of k.
func forged(k *sigstoretest.Key) *sigstoretest.Key {
	out := sigstoretest.NewKey()
	out.Hint = k.Hint
	return out
}

// bare takes a bundle apart and leaves what the generators of the SLSA project published: the envelope, with the certificate in it.
func bare(t *testing.T, bundle []byte) []byte {
	t.Helper()
	var b struct {
		Material struct {
			Certificate struct{ RawBytes []byte }
		} `json:"verificationMaterial"`
		Envelope map[string]any `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		t.Fatal(err)
	}
	if der := b.Material.Certificate.RawBytes; der != nil {
		b.Envelope["signatures"].([]any)[0].(map[string]any)["cert"] = pemOf(der)
	}
	out, err := json.Marshal(b.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSubjectsOfPackages(t *testing.T) {
	npm := func(subject sigstoretest.Subject) []string {
		return codes((&look{url: npmURL, files: map[string][]byte{npmDoc: sigstoretest.NPM(provenance(signer, subject))}}).run(t))
	}
	of := func(name string) sigstoretest.Subject { return sigstoretest.OfNPM(name, update) }
	for subject, want := range map[string]string{
		npmPURL:                      "valid valid",
		"pkg:npm/@acme/app@1.2.3":    "valid valid",
		"pkg:npm/%40acme/app@1.2.2":  "invalid wrong-package",
		"pkg:npm/%40acme/evil@1.2.3": "invalid wrong-package",
		"pkg:npm/app@1.2.3":          "invalid wrong-package",
		"app-1.2.3.tgz":              "invalid wrong-package",
		"pkg:npm/%40acme/app":        "invalid wrong-package",
	} {
		if got := npm(of(subject)); !slices.Equal(got, []string{want}) {
			t.Errorf("npm, subject %s: %q, want %s", subject, got, want)
		}
	}
	for subject, want := range map[string]string{
		wheelName:                               "valid valid",
		"Acme.App-1.2.3-py3-none-any.whl":       "valid valid",
		"acme_app-1.2.2-py3-none-any.whl":       "invalid wrong-package",
		"other_project-1.2.3-py3-none-any.whl":  "invalid wrong-package",
		"acme_app-1.2.3-py3-none-any.whl.other": "invalid wrong-package",
	} {
		statement := sigstoretest.Statement(sigstoretest.PyPI, nil, sigstoretest.Of(subject, update))
		l := look{url: wheelURL, files: map[string][]byte{wheelDoc: sigstoretest.PyPIProvenance(nil, instance.Attest(statement, signer))}}
		if got := codes(l.run(t)); !slices.Equal(got, []string{want}) {
			t.Errorf("PyPI, subject %s: %q, want %s", subject, got, want)
		}
	}
	// By other ways than the registry an attestation names the file as its maker calls it.
	(&look{url: npmURL, anchors: anchors(func(a *verify.SigstoreAnchor) { a.Bundles = []string{"https://api.example.org/{sha256}"} }), files: map[string][]byte{
		"https://api.example.org/" + sigstoretest.Of("", update).Digest["sha256"]: sigstoretest.GitHubAttestations(1, provenance(signer, sigstoretest.Of("app.tgz", update)))}}).want(t, "valid valid")
}

// TestNoChangeOfABundleIsValid flips bits all over bundles. What the signature does not cover (the names of keys, how certificates
// and entries are written) may change; the verdict must then still rest on the same signer, and no flip may vouch for other bytes.
func TestNoChangeOfABundleIsValid(t *testing.T) {
	v := sigstore.New()
	statement := provenance(signer, sigstoretest.Of("app", update))
	for name, bundle := range map[string][]byte{"message": instance.Sign(update, signer), "attestation": statement} {
		step := max(len(bundle)/150, 1)
		for i := 0; i < len(bundle); i += step {
			changed := bytes.Clone(bundle)
			changed[i] ^= 1 << (i % 8)
			for _, f := range (&look{files: beside(changed), verifier: v}).run(t) {
				if f.Status == verify.Valid && (f.Signer.Name != workflow || f.Signer.Issuer != issuer) {
					t.Errorf("%s, byte %d: valid by %+v", name, i, f.Signer)
				}
			}
			for _, f := range (&look{files: beside(changed), verifier: v, data: []byte("something else")}).run(t) {
				if f.Status == verify.Valid {
					t.Errorf("%s, byte %d: valid for other bytes", name, i)
				}
			}
		}
	}
}

func TestCollectionsAreBounded(t *testing.T) {
	var many [][]byte
	one := provenance(signer, sigstoretest.Of("app", update))
	for i := range 40 {
		many = append(many, append(bytes.Repeat([]byte(" "), i), one...))
	}
	(&look{files: map[string][]byte{"app-1.2.3.tar.gz.intoto.jsonl": sigstoretest.Lines(many...)}}).want(t, "valid valid") // spaces make no other bundle
	many = nil
	for range 40 {
		many = append(many, provenance(signer, sigstoretest.Of("app", update)))
	}
	found := (&look{files: map[string][]byte{"app-1.2.3.tar.gz.intoto.jsonl": sigstoretest.Lines(many...)}}).run(t)
	if n := len(found); n != 33 || found[32].Code != "sigstore/too-many" || found[31].Status != verify.Valid {
		t.Errorf("%d findings: %q", n, codes(found))
	}
}

// TestManyAtOnce has 1,000 updates verified at once by one verifier.
func TestManyAtOnce(t *testing.T) {
	v := sigstore.New()
	bundle := provenance(signer, sigstoretest.Of("app", update))
	m := &memory{}
	n := 1000
	if testing.Short() {
		n = 50
	}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			data, want := update, "valid valid"
			if i%3 == 0 {
				data, want = []byte("another"), "invalid subject-mismatch"
			}
			l := look{files: beside(bundle), verifier: v, memory: m, data: data}
			if got := codes(l.run(t)); len(got) != 1 || got[0] != want {
				t.Errorf("%q, want %s", got, want)
			}
		})
	}
	group.Wait()
}
