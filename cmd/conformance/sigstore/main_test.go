package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

func TestProtocolOfTheSuite(t *testing.T) {
	const identity, issuer = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main", "https://token.actions.githubusercontent.com"
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	update := []byte("an update")
	w := sigstoretest.New("sigstore.test", at)
	key := sigstoretest.NewKey()
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sum := sha256.Sum256(update)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	bundle := file("bundle", w.Sign(update, sigstoretest.Signer{Identity: identity, Issuer: issuer}))
	byKey := file("by-key", w.Sign(update, sigstoretest.Signer{Key: key}))
	root, artifact := file("root", w.TrustedRoot()), file("artifact", update)
	public := file("key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key.Public()}))
	broken, another := file("broken", []byte(`{"mediaType"`)), file("another", []byte("another"))
	named := []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--trusted-root", root}
	with := func(first []string, rest ...string) []string { return append(first[:len(first):len(first)], rest...) }
	for _, tt := range []struct {
		name string
		args []string
		want int
	}{
		{"a file", with([]string{"verify-bundle", "--bundle", bundle}, with(named, artifact)...), 0},
		{"a digest", with([]string{"--bundle", bundle}, with(named, digest)...), 0},
		{"another file", with([]string{"--bundle", bundle}, with(named, another)...), 1},
		{"another identity", []string{"--bundle", bundle, "--certificate-identity", identity + "x", "--certificate-oidc-issuer", issuer, "--trusted-root", root, digest}, 1},
		{"an identity with a star", []string{"--bundle", bundle, "--certificate-identity", "*", "--certificate-oidc-issuer", issuer, "--trusted-root", root, digest}, 1},
		{"another instance", []string{"--bundle", bundle, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer, digest}, 1},
		{"staging", []string{"--staging", "--bundle", bundle, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer, digest}, 1},
		{"a key", []string{"--bundle", byKey, "--key", public, "--trusted-root", root, digest}, 0},
		{"a key where a certificate is asked for", with([]string{"--bundle", byKey}, with(named, digest)...), 1},
		{"a key that is none", []string{"--bundle", byKey, "--key", artifact, digest}, 1},
		{"a broken bundle", with([]string{"--bundle", broken}, with(named, digest)...), 1},
		{"a broken digest", with([]string{"--bundle", bundle}, with(named, "sha256:00")...), 1},
		{"a bundle without end", with([]string{"--bundle", "/dev/zero"}, with(named, digest)...), 1},
		{"a folder for a bundle", with([]string{"--bundle", dir}, with(named, digest)...), 1},
		{"a folder for a file", with([]string{"--bundle", bundle}, with(named, dir)...), 1},
		{"nothing", nil, 2},
		{"no bundle", with(named, digest), 2},
		{"no identity", []string{"--bundle", bundle, digest}, 2},
		{"an unknown flag", []string{"--bundel", bundle, digest}, 2},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(tt.args, at.Add(time.Hour), &stdout, &stderr); got != tt.want {
			t.Errorf("%s: exit %d, want %d\n%s%s", tt.name, got, tt.want, &stdout, &stderr)
		}
	}
}
