package minisign

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
	"github.com/sallyport-project/sallyport/verify/signify/signifytest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var content = bytes.Repeat([]byte("\x7fELF or so \r\n"), 300)

func env(files map[string][]byte, keys ...verify.PublicKey) verify.Env {
	return verify.Env{Sidecars: besidetest.NewFolder(files), Trust: verify.Trust{PublicKeys: keys}}
}

func TestSuite(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	k, other := signifytest.NewKey(t, 1), signifytest.NewKey(t, 2)
	twin := signifytest.NewKey(t, 1) // another key with the same id
	valid := verifytest.Want{Status: verify.Valid, Code: "minisign/valid", Anchor: "acme", Signer: "minisign key 0000000000000001"}
	bad := func(status verify.Status, code string) verifytest.Want {
		return verifytest.Want{Status: status, Code: "minisign/" + code}
	}
	of := func(name string, sig []byte, want ...verifytest.Want) verifytest.Case {
		return verifytest.Case{
			Name: name, Data: content, Artifact: *besidetest.Artifact("tool", content), Want: want, Flips: 60,
			Env: env(map[string][]byte{"tool.minisig": sig}, twin.Public("minisign", "twin"), k.Public("minisign", "acme"), k.Public("signify", "other system")),
		}
	}
	changed := k.Minisign(content, true, "timestamp:1700000000\tfile:tool\thashed")
	verifytest.Run(t, New(),
		of("prehashed", k.Minisign(content, true, "timestamp:1700000000\tfile:tool\thashed"), valid),
		of("legacy", k.Minisign(content, false, "timestamp:1700000000\tfile:tool"), valid),
		of("with a comment of its own", k.Minisign(content, true, "release 1.2"), valid),
		of("of another file", k.Minisign(content[1:], true, "file:tool"), bad(verify.Invalid, "bad-signature")),
		of("of another name", k.Minisign(content, true, "timestamp:1\tfile:other-tool"), bad(verify.Invalid, "wrong-file")),
		of("with a changed comment", bytes.Replace(changed, []byte("1700000000"), []byte("1800000000"), 1), bad(verify.Invalid, "bad-signature")),
		of("by an unknown key", other.Minisign(content, true, "file:tool"), bad(verify.Untrusted, "unknown-key")),
		of("of signify", k.Signify(content), bad(verify.Invalid, "malformed")),
		of("broken", []byte("untrusted comment: x\nRWQ\n"), bad(verify.Invalid, "malformed")),
		of("a page", []byte("<html>"), bad(verify.Absent, "unsigned")),
		of("none", nil, bad(verify.Absent, "unsigned")),
	)
}

func TestKeysOfOneAnchorAndOfSeveral(t *testing.T) {
	k, other := signifytest.NewKey(t, 1), signifytest.NewKey(t, 2)
	files := map[string][]byte{"tool.minisig": k.Minisign(content, true, "file:tool")}
	found, err := New().Verify(context.Background(), besidetest.Artifact("tool", content),
		env(files, other.Public("minisign", "acme"), k.Public("minisign", "acme"), k.Public("minisign", "also acme")))
	if err != nil || len(found) != 1 || strings.Join(found[0].Anchors, "+") != "acme+also acme" || !found[0].SignedAt.IsZero() {
		t.Errorf("%v %+v", err, found)
	}
	for _, e := range []verify.Env{env(files), env(files, k.Public("signify", "x"))} {
		found, err := New().Verify(context.Background(), besidetest.Artifact("tool", content), e)
		if asked := e.Sidecars.(*besidetest.Folder).Asked(); err != nil || found != nil || asked != nil {
			t.Errorf("without a key: %v %v, asked for %v", err, found, asked)
		}
	}
}

// What minisign makes is accepted, what it refuses is refused, and it accepts what the tests make.
func TestAgainstMinisign(t *testing.T) {
	if _, err := exec.LookPath("minisign"); err != nil {
		t.Skip("minisign is not installed: the comparison with it is left out")
	}
	dir := t.TempDir()
	run := func(args ...string) error {
		cmd := exec.Command("minisign", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		t.Logf("minisign %s: %v %s", strings.Join(args, " "), err, out)
		return err
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tool", content)
	if err := run("-G", "-W", "-p", "key.pub", "-s", "key.sec"); err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(dir, "key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Split(string(public), "\n")[1])
	if err != nil {
		t.Fatal(err)
	}
	key := verify.PublicKey{Anchor: "acme", System: "minisign", Data: raw}
	ours := func(data []byte) string {
		t.Helper()
		sig, err := os.ReadFile(filepath.Join(dir, "tool.minisig"))
		if err != nil {
			t.Fatal(err)
		}
		found, err := New().Verify(context.Background(), besidetest.Artifact("tool", data), env(map[string][]byte{"tool.minisig": sig}, key))
		if err != nil {
			t.Fatal(err)
		}
		return besidetest.Codes(found)
	}
	for _, args := range [][]string{{}, {"-l"}, {"-H"}, {"-t", "a comment of our own"}} {
		if err := run(append([]string{"-S", "-s", "key.sec", "-m", "tool"}, args...)...); err != nil {
			t.Fatal(err)
		}
		if got := ours(content); got != "valid:minisign/valid" {
			t.Errorf("minisign -S %v: %s", args, got)
		}
		changed := bytes.Clone(content)
		changed[7] ^= 1
		write("tool", changed)
		refused := run("-V", "-p", "key.pub", "-m", "tool") != nil
		if got := ours(changed); !refused || got != "invalid:minisign/bad-signature" {
			t.Errorf("a changed file: %s, minisign refuses: %v", got, refused)
		}
		write("tool", content)
	}
	k := signifytest.NewKey(t, 7)
	for _, prehashed := range []bool{true, false} {
		write("tool.minisig", k.Minisign(content, prehashed, "timestamp:1\tfile:tool"))
		if run("-V", "-P", base64.StdEncoding.EncodeToString(k.Public("", "").Data), "-m", "tool") != nil {
			t.Errorf("minisign refuses what the tests make, prehashed %v", prehashed)
		}
	}
}

func samples(t testing.TB) string {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real signatures are left out")
	}
	dir = filepath.Join(dir, "minisign")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("there are no real minisign signatures in SALLYPORT_SAMPLES: they are left out")
	}
	return dir
}

func TestRealSignatures(t *testing.T) {
	dir := samples(t)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Skipf("%v: the comparison is left out", err)
		}
		return b
	}
	key := func(name string) verify.PublicKey {
		for _, line := range strings.Split(string(read(name)), "\n") {
			if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line)); err == nil && len(raw) == 42 {
				return verify.PublicKey{Anchor: "real", System: "minisign", Data: raw}
			}
		}
		t.Fatalf("%s has no key", name)
		return verify.PublicKey{}
	}
	matches, _ := filepath.Glob(filepath.Join(dir, "dnscrypt-resolvers", "*", "*.minisig"))
	for _, more := range []string{"aead", "rekor"} { // of the test data of libraries
		found, _ := filepath.Glob(filepath.Join(dir, more, "*.minisig"))
		matches = append(matches, found...)
	}
	if len(matches) == 0 {
		t.Skip("there are no real minisign signatures in SALLYPORT_SAMPLES: they are left out")
	}
	seen := 0
	for _, sig := range matches {
		rel, _ := filepath.Rel(dir, sig)
		name := strings.TrimSuffix(filepath.ToSlash(rel), ".minisig")
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // only the signature was collected
		}
		seen++
		base := filepath.Base(name)
		found, err := New().Verify(context.Background(), besidetest.Artifact(base, data),
			env(map[string][]byte{base + ".minisig": read(rel)}, key(filepath.ToSlash(filepath.Dir(rel))+"/minisign.pub")))
		if got := besidetest.Codes(found); err != nil || got != "valid:minisign/valid" {
			t.Errorf("%s: %v %s", name, err, got)
		}
		t.Logf("%s: %s", name, found[0].Detail)
	}
	if seen == 0 {
		t.Error("no real file was verified")
	}
}

func BenchmarkVerify(b *testing.B) {
	k := signifytest.NewKey(b, 1)
	data := make([]byte, 64<<20)
	for name, prehashed := range map[string]bool{"prehashed": true, "legacy": false} {
		e := env(map[string][]byte{"tool.minisig": k.Minisign(data, prehashed, "file:tool")}, k.Public("minisign", "acme"))
		a := besidetest.Artifact("tool", data)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if found, err := New().Verify(context.Background(), a, e); err != nil || besidetest.Codes(found) != "valid:minisign/valid" {
					b.Fatal(err, found)
				}
			}
		})
	}
}
