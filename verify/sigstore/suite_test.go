package sigstore_test

import (
	"context"
	"encoding/csv"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

func TestSuite(t *testing.T) {
	from, err := url.Parse(defaultURL)
	if err != nil {
		t.Fatal(err)
	}
	env := func(bundle []byte, anchors ...verify.SigstoreAnchor) verify.Env {
		return verify.Env{Sidecars: &quiet{defaultURL + ".sigstore.json", bundle}, At: at.AddDate(0, 0, 1), Trust: verify.Trust{Sigstore: anchors}}
	}
	key := sigstoretest.NewEd25519Key()
	valid := []verifytest.Want{{Status: verify.Valid, Code: "sigstore/valid", Anchor: "acme", Signer: workflow}}
	verifytest.Run(t, sigstore.New(),
		verifytest.Case{Name: "message", Data: update, Artifact: verify.Artifact{URL: from}, Env: env(instance.Sign(update, signer), acme()), Want: valid, Flips: 60},
		verifytest.Case{Name: "statement", Data: update, Artifact: verify.Artifact{URL: from}, Env: env(provenance(signer, sigstoretest.Of("app", update)), acme()), Want: valid, Flips: 60},
		verifytest.Case{Name: "statement with SHA-512", Data: update, Artifact: verify.Artifact{URL: from}, Env: env(provenance(signer, sigstoretest.OfNPM("app", update)), acme()), Want: valid, Flips: 60},
		verifytest.Case{Name: "Ed25519 over the bytes", Data: update, Artifact: verify.Artifact{URL: from},
			Env:  env(instance.Sign(update, sigstoretest.Signer{Key: key, NoLog: true, NoTimestamp: true}), keyAnchor("key", key)),
			Want: []verifytest.Want{{Status: verify.Valid, Code: "sigstore/valid", Anchor: "key"}}, Flips: 60},
		verifytest.Case{Name: "metadata", Data: update, Artifact: verify.Artifact{URL: from, Role: verify.Metadata}, Env: env(nil, acme())},
		verifytest.Case{Name: "in a container", Data: update, Artifact: verify.Artifact{Inner: true}, Env: env(nil, acme())},
	)
}

// failing is content that cannot be read.
type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is broken") }

// TestErrorsAreOurs: what cannot be read is an error, a context that ends is too, and neither is a verdict.
func TestErrorsAreOurs(t *testing.T) {
	v := sigstore.New()
	env := verify.Env{Sidecars: &quiet{defaultURL + ".sigstore.json", provenance(signer, sigstoretest.OfNPM("app", update))}, At: at, Trust: verify.Trust{Sigstore: []verify.SigstoreAnchor{acme()}}}
	a := artifactAt(t, defaultURL, update)
	a.Content = failing{}
	if found, err := v.Verify(t.Context(), a, env); err == nil {
		t.Errorf("a broken disk is a verdict: %v", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := v.Verify(ctx, artifactAt(t, defaultURL, update), env); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v, %v", found, err)
	}
	env.Memory = brokenMemory{}
	if found, err := v.Verify(t.Context(), artifactAt(t, defaultURL, update), env); err == nil {
		t.Errorf("memory that cannot be read is a verdict: %v", found)
	}
}

type brokenMemory struct{}

func (brokenMemory) Load(string, string) ([]byte, error)          { return nil, errors.New("no memory") }
func (brokenMemory) Advance(string, string, []byte, []byte) error { return errors.New("no memory") }

// TestVectors verifies bundles of the public conformance suite, and those of real releases of CPython: each with the right digest, a
// wrong one, and for another identity.
func TestVectors(t *testing.T) {
	dir := os.Getenv("SALLYPORT_VECTORS")
	if dir == "" {
		t.Skip("SALLYPORT_VECTORS names no directory of conformance vectors (index.tsv, index-cpython.tsv): they are left out")
	}
	v := sigstore.New()
	for _, index := range []string{"index.tsv", "index-cpython.tsv"} {
		f, err := os.Open(filepath.Join(dir, index))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r := csv.NewReader(f)
		r.Comma, r.LazyQuotes = '\t', true
		lines, err := r.ReadAll()
		if err != nil || len(lines) < 2 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		for _, line := range lines[1:] {
			vector(t, v, dir, line)
		}
		t.Logf("%s: %d checks", index, len(lines)-1)
	}
}

// vector checks one line: name, expected, mode, bundle, trusted root, key, identity, issuer, artifact, sha256.
func vector(t *testing.T, v *sigstore.Verifier, dir string, line []string) {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	anchor := verify.SigstoreAnchor{Anchor: "vector", Issuer: line[7], Identity: line[6], Rekor: 1, SCTs: 1}
	if line[4] != "-" && line[4] != "trusted_root_public_good.json" {
		anchor.TrustedRoot = read(line[4])
	}
	if line[2] == "key" {
		anchor.Issuer, anchor.Identity, anchor.Rekor, anchor.SCTs = "", "", 0, 0
		anchor.Keys = [][]byte{derOf(t, read(line[5]))}
	}
	a := artifactAt(t, defaultURL, nil)
	a.Content = failing{} // the digest is all that is needed
	if line[8] != "-" {
		a = artifactAt(t, defaultURL, read(line[8]))
	}
	var err error
	if a.Digests.SHA256, err = verify.ParseDigest(line[9]); err != nil {
		t.Fatal(err)
	}
	found, err := v.Verify(t.Context(), a, verify.Env{
		Sidecars: &quiet{defaultURL + ".sigstore.json", read(line[3])}, At: today, Trust: verify.Trust{Sigstore: []verify.SigstoreAnchor{anchor}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if valid := len(found) == 1 && found[0].Status == verify.Valid; valid != (line[1] == "pass") {
		t.Errorf("%s: %q, want %s: %+v", line[0], codes(found), line[1], found)
	}
}
