package sigstore_test

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// sample returns a real file, or skips the test where the samples were not fetched.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real bundles are left out (see verify/verifytest/samples)")
	}
	data, err := os.ReadFile(filepath.Join(dir, "sigstore", filepath.FromSlash(name)))
	if os.IsNotExist(err) {
		t.Skipf("%s is not among the samples: it is left out", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const (
	githubIssuer = "https://token.actions.githubusercontent.com"
	sigstoreJS   = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main"
)

var today = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// good is an anchor for an identity of the public-good instance.
func good(name, identity string) verify.SigstoreAnchor {
	return verify.SigstoreAnchor{Anchor: name, Issuer: githubIssuer, Identity: identity, Rekor: 1, SCTs: 1}
}

func derOf(t *testing.T, public []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(public)
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

// TestRealNPM verifies packages of npm with the provenance and the publish attestation that the registry serves for them.
func TestRealNPM(t *testing.T) {
	for _, c := range []struct{ tarball, version, provenance, publish string }{
		{"npm/sigstore-1.3.0.tgz", "1.3.0", "npm/bundle-provenance.json", "npm/bundle-publish.json"},
		{"npm/sigstore-2.0.0.tgz", "2.0.0", "sigstore-go/bundles/sigstore.js@2.0.0-provenance.sigstore.json", ""},
	} {
		t.Run(c.version, func(t *testing.T) {
			tarball, bundles := sample(t, c.tarball), [][]byte{sample(t, c.provenance)}
			registry := verify.SigstoreAnchor{Anchor: "npm", Keys: [][]byte{derOf(t, sample(t, "npm/publish_key.pub"))}}
			ours, theirs := []string{"valid valid"}, []string{"untrusted unknown-signer"}
			both := ours
			if c.publish != "" {
				bundles = append(bundles, sample(t, c.publish))
				ours, theirs = append(ours, "untrusted unknown-key"), append(theirs, "untrusted unknown-key")
				both = []string{"valid valid", "valid valid"}
			}
			from := "https://registry.example.com/sigstore/-/sigstore-" + c.version + ".tgz"
			doc := map[string][]byte{"/-/npm/v1/attestations/sigstore@" + c.version: sigstoretest.NPM(bundles...)}
			v := sigstore.New()
			found := (&look{url: from, files: doc, data: tarball, at: today, verifier: v, anchors: []verify.SigstoreAnchor{good("js", sigstoreJS)}}).want(t, ours...)
			if a := found[0].Attestation; found[0].Signer.Name != sigstoreJS || a == nil || a.Predicate != "slsa" || a.Source != "https://github.com/sigstore/sigstore-js" {
				t.Errorf("signer %+v, attestation %+v", found[0].Signer, a)
			}
			(&look{url: from, files: doc, data: tarball, at: today, verifier: v, anchors: []verify.SigstoreAnchor{good("other", "https://github.com/other/*")}}).want(t, theirs...)
			(&look{url: from, files: doc, data: tarball, at: today, verifier: v, anchors: []verify.SigstoreAnchor{good("js", sigstoreJS), registry}}).want(t, both...)
			(&look{url: from, files: doc, data: append([]byte("x"), tarball[1:]...), at: today, verifier: v, anchors: []verify.SigstoreAnchor{good("js", sigstoreJS)}}).want(t, "invalid subject-mismatch")
			// Another version, or another package, in its place.
			for _, other := range []string{"sigstore/-/sigstore-9.9.9.tgz", "evil/-/evil-" + c.version + ".tgz"} {
				name := strings.TrimSuffix(other[strings.Index(other, "/-/")+3:], ".tgz")
				at := strings.LastIndexByte(name, '-')
				doc := map[string][]byte{"/-/npm/v1/attestations/" + name[:at] + "@" + name[at+1:]: sigstoretest.NPM(bundles[0])}
				(&look{url: "https://registry.example.com/" + other, files: doc, data: tarball, at: today, verifier: v, anchors: []verify.SigstoreAnchor{good("js", sigstoreJS)}}).want(t, "invalid wrong-package")
			}
			// As a release asset, with the bundle beside it.
			(&look{url: "https://dl.example.com/sigstore.tgz", files: map[string][]byte{"sigstore.tgz.sigstore.json": bundles[0]}, data: tarball, at: today, verifier: v,
				anchors: []verify.SigstoreAnchor{good("js", sigstoreJS)}}).want(t, "valid valid")
		})
	}
}

// TestRealRegistryDocuments judges documents of the npm registry; those with "invalidsig" in their names were altered.
func TestRealRegistryDocuments(t *testing.T) {
	var keys struct {
		Keys []struct {
			PublicKey struct {
				RawBytes []byte `json:"rawBytes"`
			} `json:"publicKey"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(sample(t, "npm-registry-keys.json"), &keys); err != nil {
		t.Fatal(err)
	}
	registry := verify.SigstoreAnchor{Anchor: "npm", Keys: [][]byte{keys.Keys[0].PublicKey.RawBytes}}
	for name, want := range map[string][]string{
		"provenance-npm-test-ossf":                         {"valid valid", "valid valid"},
		"provenance-npm-test-ossf-invalidsigprov":          {"valid valid", "invalid signature"},
		"provenance-npm-test-cli-v02-prega-invalidsigpub":  {"invalid signature", "valid valid"},
		"provenance-npm-test-cli-v02-prega-invalidsigprov": {"valid valid", "invalid signature"},
		"gundam-visor-cli-v1-tag-invalidsigpub":            {"invalid signature", "valid valid"},
		"gundam-visor-cli-v1-tag-invalidsigprov":           {"valid valid", "invalid signature"},
		"supreme-googles-cli-v02-tag-invalidsigpub":        {"invalid signature", "valid valid"},
		"supreme-googles-cli-v02-tag-invalidsigprov":       {"valid valid", "invalid signature"},
	} {
		t.Run(name, func(t *testing.T) {
			tarball, doc := sample(t, "npm-attestations/"+name+".tgz"), sample(t, "npm-attestations/"+name+".tgz.json")
			purl := purlOf(t, doc)
			at := strings.LastIndexByte(purl, '@')
			pack, version := strings.Replace(purl[:at], "%40", "@", 1), purl[at+1:]
			base := pack[strings.LastIndexByte(pack, '/')+1:]
			(&look{
				url: "https://registry.example.com/" + pack + "/-/" + base + "-" + version + ".tgz", data: tarball, at: today,
				files:   map[string][]byte{"https://registry.example.com/-/npm/v1/attestations/" + strings.Replace(pack, "/", "%2F", 1) + "@" + version: doc},
				anchors: []verify.SigstoreAnchor{good("any", "https://github.com/*"), registry},
			}).want(t, want...)
		})
	}
}

func purlOf(t *testing.T, doc []byte) string {
	t.Helper()
	var d struct {
		Attestations []struct {
			Bundle struct {
				Envelope struct {
					Payload []byte `json:"payload"`
				} `json:"dsseEnvelope"`
			} `json:"bundle"`
		} `json:"attestations"`
	}
	var statement struct {
		Subject []struct {
			Name string `json:"name"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Attestations[0].Bundle.Envelope.Payload, &statement); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(statement.Subject[0].Name, "pkg:npm/")
}

// TestRealGitHub judges what GitHub's command line client is tested with.
func TestRealGitHub(t *testing.T) {
	workflows := []verify.SigstoreAnchor{good("any", "https://github.com/*")}
	beside := func(name, bundle string) map[string][]byte { return map[string][]byte{name: sample(t, bundle)} }
	// One attestation, twice in one collection.
	two := sample(t, "gh-cli/sigstore-js-2.1.0_with_2_bundles.jsonl")
	js := sample(t, "npm/sigstore-2.1.0.tgz")
	(&look{url: "https://dl.example.com/js.tgz", data: js, at: today, files: map[string][]byte{"js.tgz.sigstore.json": two}, anchors: workflows}).want(t, "valid valid")
	(&look{url: "https://dl.example.com/js.tgz", data: js, at: today, files: beside("js.tgz.sigstore", "gh-cli/sigstore-js-2.1.0-bundle-v0.1.json"), anchors: workflows}).want(t, "valid valid")
	// By GitHub's own instance, which no anchor names.
	wheel := sample(t, "gh-cli/github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl")
	(&look{url: "https://dl.example.com/demo.whl", data: js, at: today, files: map[string][]byte{"demo.whl.sigstore.json": wheel}, anchors: workflows}).want(t, "invalid subject-mismatch")
	artifact := sample(t, "gh-cli/custom-issuer-artifact")
	(&look{url: "https://dl.example.com/a", data: artifact, at: today, files: beside("a.sigstore.json", "gh-cli/custom-issuer.sigstore.json"), anchors: workflows}).want(t, "untrusted unknown-signer")
	custom := good("custom", "https://github.com/too-legit/*")
	custom.Issuer = githubIssuer + "/hammer-time"
	(&look{url: "https://dl.example.com/a", data: artifact, at: today, files: beside("a.sigstore.json", "gh-cli/custom-issuer.sigstore.json"), anchors: []verify.SigstoreAnchor{custom}}).want(t, "valid valid")
	artifact = sample(t, "gh-cli/reusable-workflow-artifact")
	(&look{url: "https://dl.example.com/a", data: artifact, at: today, files: beside("a.sigstore.json", "gh-cli/reusable-workflow-attestation.sigstore.json"), anchors: workflows}).want(t, "valid valid")
}

// TestRealSLSA judges what the SLSA project's verifier is tested with.
func TestRealSLSA(t *testing.T) {
	binary := sample(t, "slsa-go/binary-linux-amd64-push-v14.2")
	l := look{url: "https://dl.example.com/binary", data: binary, at: today, anchors: []verify.SigstoreAnchor{good("any", "https://github.com/*")}, files: map[string][]byte{
		"binary.intoto.jsonl": sample(t, "slsa-go/binary-linux-amd64-push-v14.2.intoto.jsonl")}}
	l.want(t, "valid valid")
	// A summary of a verification, whose subject is an image that has no digest of bytes: it is about no file.
	google := verify.SigstoreAnchor{Anchor: "bcid", Keys: [][]byte{derOf(t, sample(t, "vsa/vsa_signing_public_key.pem"))}}
	(&look{url: "https://dl.example.com/image", data: binary, at: today, anchors: []verify.SigstoreAnchor{google}, files: map[string][]byte{
		"image.intoto.jsonl": sample(t, "vsa/gke-gce-pre.bcid-vsa.jsonl")}}).want(t, "invalid subject-mismatch")
}
