package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/console"
)

// aRevocationList is some list, in DER.
func aRevocationList(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCRLSign}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, ca, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(der)
}

// written writes files into a folder, by name.
func written(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A policy is kept with all that it was made of, so that it can go on after a restart when none of that is on disk any more.
func TestAPolicyIsKeptAsItWasRead(t *testing.T) {
	const minisign = "untrusted comment: x\nRWR35TKDJJTSwgvgtwx21j+gLtjOyTiuLUHxwLofdQILpTHyowANLpK/\n"
	list := aRevocationList(t)
	tests := []struct {
		name  string
		files map[string]string
	}{
		{"nothing but itself", map[string]string{"policy.yaml": "version: 1\n"}},
		{"a key", map[string]string{"policy.yaml": "version: 1\nanchors: {k: {minisign: {file: keys/k.pub}}}\n", "keys/k.pub": minisign}},
		{"a key under two names", map[string]string{"policy.yaml": "version: 1\nanchors: {k: {minisign: {file: keys/k.pub}}, l: {minisign: {file: ./keys/../keys/k.pub}}}\n", "keys/k.pub": minisign}},
		{"a folder of lists", map[string]string{"policy.yaml": "version: 1\nrevocation: {crls: [crls]}\n", "crls/a.crl": list, "crls/b.txt": "no list", "crls/c.crl/d": "x"}},
		{"the catalogue", map[string]string{"policy.yaml": "version: 1\nuse: [catalogue/7-zip]\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, state := t.TempDir(), stateDir(t.TempDir())
			written(t, dir, tt.files)
			path := filepath.Join(dir, "policy.yaml")
			p, source, err := readPolicy(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(dir); err != nil { // whoever changes it at this moment
				t.Fatal(err)
			}
			if err := state.keepPolicy(p, path, source); err != nil {
				t.Fatal(err)
			}
			last, kept, err := state.lastPolicy()
			if err != nil || last.Digest() != p.Digest() || kept.Path != path {
				t.Errorf("%v, %v", last, err)
			}
		})
	}
}

// guarded is a policy file whose guard says of a policy that it loosens if it has "loose" in its name for a channel.
func guarded(t *testing.T, path string, state stateDir, fails *error) *policyFile {
	t.Helper()
	return &policyFile{
		path: path, dir: state, metrics: proxy.NewMetrics(), log: zap.NewNop(), append: func(audit.Record) (audit.Receipt, error) { return audit.Receipt{}, nil },
		loosening: func(_ context.Context, _, next *policy.Policy) (*replay.Loosened, error) {
			if *fails != nil {
				return nil, *fails
			}
			if names := next.Channels(); len(names) > 0 && strings.HasPrefix(names[0], "loose") {
				return &replay.Loosened{Count: 1}, nil
			}
			return &replay.Loosened{}, nil
		},
	}
}

func channelNamed(name string) string {
	return "version: 1\nanchors: {a: {authenticode: {organization: A}}}\nchannels:\n- {name: " + name + ", hosts: [example.com], require: [{signed_by: [a]}]}\n"
}

// TestWhoeverChangesTheFileTwice checks what is said of a policy that was held back, whatever the file was in between.
func TestWhoeverChangesTheFileTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) { written(t, filepath.Dir(path), map[string]string{"policy.yaml": text}) }
	write(channelNamed("strict"))
	p, source, err := readPolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	f := guarded(t, path, stateDir(t.TempDir()), new(error))
	if err := f.start(p, source, ""); err != nil {
		t.Fatal(err)
	}
	for _, between := range []string{channelNamed("strict"), "version: 1\nbroken: yes\n"} {
		for range 2 {
			write(channelNamed("loose"))
			f.reload(t.Context())
			health, why := f.health(t.Context())
			if health != console.Warning || !strings.Contains(why, "the file is not in force") || !strings.Contains(why, "it loosens") {
				t.Errorf("with a policy that is held back: %v, %s", health, why)
			}
			if f.current.Load().Digest() != p.Digest() {
				t.Fatal("it is in force")
			}
			write(between)
			f.reload(t.Context())
			if _, why := f.health(t.Context()); strings.Contains(why, "loosens") {
				t.Errorf("with another file: %s", why)
			}
		}
	}
}

// What cannot be compared does not come into force by a restart, either.
func TestAStartThatCannotCompareKeepsThePolicyBefore(t *testing.T) {
	dir, state := t.TempDir(), stateDir(t.TempDir())
	path := filepath.Join(dir, "policy.yaml")
	written(t, dir, map[string]string{"policy.yaml": channelNamed("strict")})
	before, source, err := readPolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := state.keepPolicy(before, path, source); err != nil {
		t.Fatal(err)
	}
	written(t, dir, map[string]string{"policy.yaml": channelNamed("other")})
	next, source, err := readPolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	fails := errors.New("the disk is on fire")
	for _, c := range []struct {
		confirmed string
		want      *policy.Policy
	}{{"", before}, {"alice", next}} {
		f := guarded(t, path, state, &fails)
		if err := f.start(next, source, c.confirmed); err != nil {
			t.Fatal(err)
		}
		if f.current.Load().Digest() != c.want.Digest() {
			t.Errorf("confirmed by %q, the wrong policy is in force", c.confirmed)
		}
		if _, why := f.health(t.Context()); (c.confirmed == "") != strings.Contains(why, "the disk is on fire") {
			t.Errorf("confirmed by %q, it says %s", c.confirmed, why)
		}
	}
}

// Nor by a change of the file, which is not broken for that; and the next time it may be found out.
func TestAReloadThatCannotCompare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	written(t, filepath.Dir(path), map[string]string{"policy.yaml": channelNamed("strict")})
	before, source, err := readPolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	var fails error
	f := guarded(t, path, stateDir(t.TempDir()), &fails)
	if err := f.start(before, source, ""); err != nil {
		t.Fatal(err)
	}
	written(t, filepath.Dir(path), map[string]string{"policy.yaml": channelNamed("other")})
	fails = errors.New("the disk is on fire")
	f.reload(t.Context())
	if health, why := f.health(t.Context()); health != console.Warning || !strings.Contains(why, "the file is not in force") || !strings.Contains(why, "the disk is on fire") {
		t.Errorf("%v, %s", health, why)
	}
	if f.current.Load().Digest() != before.Digest() {
		t.Fatal("it is in force")
	}
	fails = nil
	f.reload(t.Context())
	if health, why := f.health(t.Context()); health != console.Good || f.current.Load().Digest() == before.Digest() {
		t.Errorf("%v, %s", health, why)
	}
}

// The built-in policy can be confirmed like any other where a file's was in force before.
func TestTheBuiltInPolicyInThePlaceOfAFile(t *testing.T) {
	dir, state := t.TempDir(), stateDir(t.TempDir())
	path := filepath.Join(dir, "policy.yaml")
	written(t, dir, map[string]string{"policy.yaml": channelNamed("strict")})
	before, source, err := readPolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := state.keepPolicy(before, path, source); err != nil {
		t.Fatal(err)
	}
	builtIn, source, err := readPolicy("")
	if err != nil {
		t.Fatal(err)
	}
	f := guarded(t, "", state, new(error))
	f.loosening = func(context.Context, *policy.Policy, *policy.Policy) (*replay.Loosened, error) {
		return &replay.Loosened{Count: 1}, nil
	}
	if err := f.start(builtIn, source, ""); err != nil || f.current.Load().Digest() != before.Digest() {
		t.Fatalf("the policy before is not in force: %v", err)
	}
	done, err := f.order(t.Context(), console.ReloadOrder{Confirm: true, By: "alice", Policy: "sha256:" + before.Digest().String()})
	if !errors.Is(err, console.ErrOrder) {
		t.Errorf("confirmed for another policy: %+v, %v", done, err)
	}
	done, err = f.order(t.Context(), console.ReloadOrder{Confirm: true, By: "alice", Policy: "sha256:" + builtIn.Digest().String()})
	if err != nil || done.Outcome != console.ReloadInForce || f.current.Load().Digest() != builtIn.Digest() {
		t.Errorf("%+v, %v", done, err)
	}
	if last, kept, err := state.lastPolicy(); err != nil || kept.Path != "" || last.Digest() != builtIn.Digest() {
		t.Errorf("kept is %+v, %v", kept, err)
	}
}
