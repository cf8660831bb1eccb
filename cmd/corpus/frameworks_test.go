package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// TestBundles lays out a case as the conformance suite does, and a bundle by another identity, and changes both.
func TestBundles(t *testing.T) {
	w := newWorld(t)
	instance := sigstoretest.New("sigstore.test", time.Now().Add(-time.Hour))
	artifact := []byte(strings.Repeat("content ", 20))
	who := sigstoretest.Signer{Identity: "alice@example.com", Issuer: "https://accounts.example.com"}
	statement := sigstoretest.Provenance(sigstoretest.Build{Builder: "https://builder.example"}, sigstoretest.Of("a.txt", artifact))
	for name, c := range map[string]struct {
		bundle  []byte
		verdict string
	}{
		"good":       {instance.Sign(artifact, who), "expected PASS; cosign 9.9 FAIL"},
		"statement":  {instance.Attest(statement, who), "expected PASS"},
		"other_fail": {instance.Sign([]byte("another"), who), "expected FAIL; cosign 9.9 PASS"},
	} {
		dir := suiteFolder + name + "/"
		w.add("sigstore-bundle", dir+"bundle.sigstore.json", c.bundle, c.verdict)
		w.add("sigstore-bundle", dir+"identity", []byte(who.Identity+"\n"), "")
		w.write(dir+"issuer", []byte(who.Issuer))
		w.write(dir+"trusted_root.json", instance.TrustedRoot())
	}
	w.add("sigstore-bundle", suiteFolder+"rekor2-alone/bundle.sigstore.json", []byte("{}"), "expected PASS")
	w.write(suiteFolder+"a.txt", artifact)
	out, err := w.run(60)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"ours: valid sigstore/valid (alice@example.com)", "ours: invalid sigstore/", "the suite has it", "sigstore-bundle (beside)"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "STILL GOOD") || strings.Count(out, " agree\n") != 3 {
		t.Errorf("unexplained:\n%s", out)
	}
}

// TestNPMAttestations lays out a package as its registry publishes it.
func TestNPMAttestations(t *testing.T) {
	w := newWorld(t)
	tarball := []byte("no package, but bytes")
	for name, bundle := range map[string]string{"scoped": "pkg:npm/%40acme/app@1.2.3", "none": "pkg:npm/"} {
		statement := sigstoretest.Statement(sigstoretest.SLSA1, map[string]any{}, sigstoretest.OfNPM(bundle, tarball))
		instance := sigstoretest.New("sigstore.test", time.Now().Add(-time.Hour))
		attested := sigstoretest.NPM(instance.Attest(statement, sigstoretest.Signer{Identity: "https://ci.example/x", Issuer: actions}))
		w.add("npm-attestations", npmFolder+name+".tgz", tarball, "")
		w.add("npm-attestations", npmFolder+name+".tgz.json", attested, "cosign 2.6.5: provenance FAIL, publish attestation PASS")
	}
	out, err := w.run(0)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// It is by an instance that nobody trusts.
	for _, want := range []string{"@acme/app@1.2.3", "untrusted sigstore/unknown-instance", "attestations that name no package"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestRepositories lays a TUF repository out as its maintainers keep it, one that has expired since.
func TestRepositories(t *testing.T) {
	w := newWorld(t)
	r, err := tuftest.New(tuftest.Options{At: time.Now().AddDate(-2, 0, 0), Seed: "corpus", Keys: 3, Threshold: 2})
	if err != nil {
		t.Fatal(err)
	}
	r.Add(r.Targets, "dir/app.bin", bytes.Repeat([]byte("app "), 30))
	files, err := r.Publish()
	if err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]*tuftest.Role{"root": r.Root, "snapshot": r.Snapshot, "targets": r.Targets, "timestamp": r.Timestamp} {
		w.add("tuf", "tuf/acme/metadata/"+name+".json", files[r.FileName(role)], "own check (x): PASS")
	}
	w.add("tuf", "tuf/acme/metadata/root_history/1.root.json", files["metadata/1.root.json"], "")
	w.add("tuf", "tuf/acme/targets/dir/app.bin", files["targets/dir/app.bin"], "own check (x): PASS")
	w.add("tuf", "tuf/acme/targets/other", []byte("not listed"), "own check (x): FAIL")
	w.add("tuf", "tuf/partly/metadata/root.json", files["metadata/1.root.json"], "")
	out, err := w.run(40)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"ours: valid tuf/listed", "ours: valid tuf/metadata", "ours: absent tuf/not-listed", "a repository whose timestamp is not there", "tuf (beside)"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "STILL GOOD") || strings.Count(out, " agree\n") != 6 {
		t.Errorf("unexplained:\n%s", out)
	}
}

// TestRealBundleAgrees judges a package of npm with the provenance that its registry has of it.
func TestRealBundleAgrees(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real samples are left out")
	}
	w := newWorld(t)
	st := &store{dirs: []string{dir}}
	bundle, tarball := st.find("sigstore/npm/bundle-provenance.json", ""), st.find("sigstore/npm/sigstore-1.3.0.tgz", "")
	if bundle == nil || tarball == nil {
		t.Skip("the package or its provenance is not among the samples: it is left out")
	}
	w.add("sigstore-bundle", bundle.file, bundle.data, "cosign verify-blob-attestation: PASS")
	w.write(tarball.file, tarball.data)
	if out, err := w.run(20); err != nil || !strings.Contains(out, " agree\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
