package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

func TestRootsOfAPolicyAreVerifiedWhenItIsLoaded(t *testing.T) {
	repo, err := tuftest.New(tuftest.Options{At: time.Now(), Seed: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Publish(); err != nil {
		t.Fatal(err)
	}
	good := repo.TrustedRoot(1)
	unsigned := bytes.Replace(good, []byte(`"version":1}`), []byte(`"version":2}`), 1)
	if bytes.Equal(good, unsigned) {
		t.Fatal("the root has no version to change")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	for _, text := range []string{
		`tuf: {root: root.json, metadata: "https://tuf.example/m/", targets: "https://tuf.example/t/"}`,
		`sigstore: {issuer: "https://issuer.example", identity: "a@example.org", trusted_root: {root: root.json, metadata: "https://tuf.example/m/", targets: "https://tuf.example/t/"}}`,
	} {
		policy := "version: 1\nanchors: {acme: {" + text + "}}\nchannels: [{name: a, hosts: [a.example], require: [{signed_by: [acme]}]}]\n"
		for _, c := range []struct {
			root []byte
			want string
		}{{good, ""}, {unsigned, "anchor acme: the root metadata cannot be used: "}} {
			for name, data := range map[string][]byte{"root.json": c.root, "policy.yaml": []byte(policy)} {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := loadPolicy(file)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.40s: %v, want %q", text, err, c.want)
			}
		}
	}
}

func TestTrustedRootsOfAPolicyAreReadWhenItIsLoaded(t *testing.T) {
	good := sigstoretest.New("sigstore.test", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)).TrustedRoot()
	// With the outline of a trusted root, but nobody in it whom the verifier could make anything of.
	nobody := []byte(`{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "tlogs": [{}], "ctlogs": [{}], "certificateAuthorities": [{}]}`)
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	policy := "version: 1\nanchors: {acme: {sigstore: {issuer: \"https://issuer.example\", identity: \"a@example.org\", trusted_root: root.json}}}\n" +
		"channels: [{name: a, hosts: [a.example], require: [{signed_by: [acme]}]}]\n"
	for _, c := range []struct {
		root []byte
		want string
	}{
		{good, ""},
		{nobody, "anchor acme: the trusted root cannot be used: "},
		{bytes.Replace(good, []byte(`"tlogs"`), []byte(`"tlogs":[],"tlogs"`), 1), "anchor acme: the trusted root cannot be used: "},
	} {
		for name, data := range map[string][]byte{"root.json": c.root, "policy.yaml": []byte(policy)} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := loadPolicy(file)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
