package sigstore

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// later is after everything in the samples was signed.
var later = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// Everything that sigstore-go refuses is refused, and everything of these that it accepts is accepted.
func TestRealBundlesAsSigstoreGoJudges(t *testing.T) {
	dir := moduleData(t)
	for _, tt := range []struct{ bundle, root string }{
		{"examples/bundle-provenance.json", "examples/trusted-root-public-good.json"},
		{"pkg/testing/data/bundles/sigstore.js@2.0.0-provenance.sigstore.json", "pkg/testing/data/trusted-roots/public-good.json"},
	} {
		data, root := read(t, filepath.Join(dir, tt.bundle)), read(t, filepath.Join(dir, tt.root))
		i, err := NewInstance(root)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(data)
		if err != nil {
			t.Errorf("%s: %v", tt.bundle, err)
			continue
		}
		s, ok := b.Statement()
		if !ok {
			t.Fatalf("%s has no statement", tt.bundle)
		}
		d := Demand{Instance: i, Rekor: 1, SCTs: 1}
		for digest, want := range map[string]string{s.Subjects[0].Digest["sha512"]: "verifies", strings.Repeat("00", 64): "subject-mismatch"} {
			a := Artifact{Digest: func(string) ([]byte, error) { return unhex(t, digest), nil }}
			_, err := Verify(b, a, d, later)
			if codeOf(err) != want {
				t.Errorf("%s: %v, want %s", tt.bundle, err, want)
			}
			if alone := bare(data, root, a, d); (alone == nil) != (err == nil) {
				t.Errorf("%s: %v, sigstore-go alone says %v", tt.bundle, err, alone)
			}
		}
	}
}

func TestRealOddBundles(t *testing.T) {
	dir := filepath.Join(moduleData(t), "pkg/testing/data")
	scaffolding, err := NewInstance(read(t, filepath.Join(dir, "trusted-roots/scaffolding.json")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(read(t, filepath.Join(dir, "bundles/dsse-2sigs.sigstore.json"))); code(err) != Malformed {
		t.Errorf("two signatures: %v", err)
	}
	b, err := Parse(read(t, filepath.Join(dir, "bundles/othername.sigstore.json")))
	if err != nil {
		t.Fatal(err)
	}
	d := Demand{Instance: scaffolding, Rekor: 1}
	var a Artifact
	if digest, ok := b.MessageDigest(); ok {
		a.SHA256 = digest
	}
	r, err := Verify(b, a, d, later)
	if err != nil || r.SANType != "other" || r.Signer.Name == "" {
		t.Errorf("a name of type otherName: %v, %s %q", err, r.SANType, r.Signer.Name)
	}
	key := pemKey(t, filepath.Join(dir, "public-keys/public-key-validity.pem"))
	if b, err = Parse(read(t, filepath.Join(dir, "bundles/public-key-validity.sigstore.json"))); err != nil {
		t.Fatal(err)
	}
	instance, err := NewInstance(read(t, filepath.Join(dir, "trusted-roots/public-key-validity.json")))
	if err != nil {
		t.Fatal(err)
	}
	a = Artifact{}
	if digest, ok := b.MessageDigest(); ok {
		a.SHA256 = digest
	}
	if r, err := Verify(b, a, Demand{Instance: instance, Keys: [][]byte{key}, Timestamps: 1}, later); err != nil || r.SignedAt.IsZero() {
		t.Errorf("a key with a timestamp: %v, signed at %s", err, r.SignedAt)
	}
}

// The samples by their reference verdicts: cosign's, or what their names say.
func TestSamples(t *testing.T) {
	dir := samplesDir(t)
	var npm struct {
		Keys []struct{ PublicKey struct{ RawBytes []byte } }
	}
	if data, err := os.ReadFile(filepath.Join(dir, "npm-registry-keys.json")); err == nil {
		if err := json.Unmarshal(data, &npm); err != nil {
			t.Fatal(err)
		}
	}
	var keys [][]byte
	for _, k := range npm.Keys {
		keys = append(keys, k.PublicKey.RawBytes)
	}
	instance := must(NewInstance(PublicGood()))
	seen := 0
	for _, tt := range sampleCases(dir) {
		data, err := os.ReadFile(tt.bundle)
		if err != nil {
			continue
		}
		a := Artifact{}
		if content, err := os.ReadFile(tt.artifact); err == nil {
			a = artifactOf(content)
		} else if tt.artifact != "" {
			continue
		}
		for _, raw := range bundlesIn(data) {
			seen++
			name := filepath.Base(tt.bundle)
			b, err := Parse(raw)
			d := Demand{Instance: instance, Rekor: 1, SCTs: 1}
			want := tt.want
			if err == nil && !b.HasCertificate() {
				d, want = Demand{Instance: instance, Keys: keys, Rekor: 1}, tt.byKey
			}
			if err == nil {
				_, err = Verify(b, a, d, later)
			}
			if codeOf(err) != want {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
			if alone := bare(raw, PublicGood(), a, d); err == nil && d.Keys == nil && alone != nil {
				t.Errorf("%s verifies, and sigstore-go alone says %v", name, alone)
			} else if err != nil && alone == nil && d.Keys == nil {
				t.Errorf("%s: %v, and sigstore-go alone accepts it", name, err)
			}
		}
	}
	t.Logf("%d bundles", seen)
}

type sampleCase struct{ bundle, artifact, want, byKey string }

func sampleCases(dir string) []sampleCase {
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	cases := []sampleCase{
		{in("gh-cli", "custom-issuer.sigstore.json"), in("gh-cli", "custom-issuer-artifact"), "verifies", ""},
		{in("gh-cli", "reusable-workflow-attestation.sigstore.json"), in("gh-cli", "reusable-workflow-artifact"), "verifies", ""},
		{in("gh-cli", "reusable-workflow-attestation.sigstore.json"), in("gh-cli", "custom-issuer-artifact"), "subject-mismatch", ""},
		{in("gh-cli", "sigstoreBundle-invalid-signature.json"), "", "unsupported", ""},
		{in("gh-cli", "github_provenance_demo-0.0.12-py3-none-any-bundle-missing-cert.jsonl"), "", "malformed", ""},
		{in("gh-cli", "github_provenance_demo-0.0.12-py3-none-any-bundle-missing-verification-material.jsonl"), "", "malformed", ""},
		{in("gh-cli", "github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl"), "", "timestamp", ""}, // GitHub's own instance
		{in("gh-cli", "sigstore-js-2.1.0-bundle-v0.1.json"), in("npm", "sigstore-2.1.0.tgz"), "verifies", ""},
		{in("gh-cli", "sigstore-js-2.1.0_with_2_bundles.jsonl"), in("npm", "sigstore-2.1.0.tgz"), "verifies", ""},
		{in("slsa-go", "binary-linux-amd64-push-v14.2.intoto.jsonl"), in("slsa-go", "binary-linux-amd64-push-v14.2"), "verifies", ""},
		{in("npm", "bundle-provenance.json"), in("npm", "sigstore-1.3.0.tgz"), "verifies", ""},
	}
	bundles, _ := filepath.Glob(in("npm-attestations", "*.json"))
	for _, bundle := range bundles {
		c := sampleCase{bundle, strings.TrimSuffix(bundle, ".json"), "verifies", "verifies"}
		if strings.Contains(bundle, "invalidsigprov") {
			c.want = "signature"
		}
		if strings.Contains(bundle, "invalidsigpub") {
			c.byKey = "signature"
		}
		cases = append(cases, c)
	}
	return cases
}

// Google's summary of a machine image: its key's id is no digest of the key, and its subject no digest of a file.
func TestSampleByKey(t *testing.T) {
	dir := samplesDir(t)
	data, err := os.ReadFile(filepath.Join(dir, "vsa", "gke-gce-pre.bcid-vsa.jsonl"))
	if err != nil {
		t.Skip("the samples have no summary by Google: a verification summary by a key is left out")
	}
	b, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Verify(b, digestOnly, Demand{Keys: [][]byte{pemKey(t, filepath.Join(dir, "vsa", "vsa_signing_public_key.pem"))}}, later)
	if code(err) != SubjectMismatch || r.Attestation == nil || r.Attestation.Result != "PASSED" || r.Attestation.Levels != "BCID_L1 SLSA_BUILD_LEVEL_2" {
		t.Errorf("%v, %+v", err, r.Attestation)
	}
}

func pemKey(t testing.TB, name string) []byte {
	t.Helper()
	block, _ := pem.Decode(read(t, name))
	if block == nil {
		t.Fatalf("%s is not PEM", name)
	}
	return block.Bytes
}
