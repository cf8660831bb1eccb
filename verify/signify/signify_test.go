package signify

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

var content = bytes.Repeat([]byte("install.img or so\n"), 300)

func env(files map[string][]byte, keys ...verify.PublicKey) verify.Env {
	return verify.Env{Sidecars: besidetest.NewFolder(files), Trust: verify.Trust{PublicKeys: keys}}
}

func TestSuite(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	k, other := signifytest.NewKey(t, 1), signifytest.NewKey(t, 2)
	valid := verifytest.Want{Status: verify.Valid, Code: "signify/valid", Anchor: "bsd", Signer: "signify key 0000000000000001"}
	want := func(status verify.Status, code string) verifytest.Want {
		return verifytest.Want{Status: status, Code: "signify/" + code}
	}
	of := func(name, suffix string, sig []byte, want verifytest.Want) verifytest.Case {
		return verifytest.Case{
			Name: name, Data: content, Artifact: *besidetest.Artifact("tool", content), Want: []verifytest.Want{want}, Flips: 60,
			Env: env(map[string][]byte{"tool" + suffix: sig}, k.Public("signify", "bsd"), k.Public("minisign", "other system")),
		}
	}
	verifytest.Run(t, New(),
		of("beside as .sig", ".sig", k.Signify(content), valid),
		of("beside as .signify", ".signify", k.Signify(content), valid),
		of("of another file", ".sig", k.Signify(content[1:]), want(verify.Invalid, "bad-signature")),
		of("by an unknown key", ".sig", other.Signify(content), want(verify.Untrusted, "unknown-key")),
		of("embedded", ".sig", k.Embedded(content), want(verify.Absent, "unsigned")),
		of("of minisign", ".sig", k.Minisign(content, false, "file:tool"), want(verify.Absent, "unsigned")),
		of("of OpenPGP", ".sig", []byte("-----BEGIN PGP SIGNATURE-----\n"), want(verify.Absent, "unsigned")),
		of("over a digest", ".sig", bytes.Join(bytes.SplitAfter(k.Minisign(content, true, "x"), []byte("\n"))[:2], nil), want(verify.Invalid, "malformed")),
		of("none", ".other", nil, want(verify.Absent, "unsigned")),
	)
}

func program(t *testing.T) string {
	for _, name := range []string{"signify-openbsd", "signify"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("signify-openbsd is not installed: the comparison with it is left out")
	return ""
}

// What signify makes is accepted, what it refuses is refused, and it accepts what the tests make.
func TestAgainstSignify(t *testing.T) {
	signify, dir := program(t), t.TempDir()
	run := func(args ...string) error {
		cmd := exec.Command(signify, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		t.Logf("signify %s: %v %s", strings.Join(args, " "), err, out)
		return err
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tool", content)
	if run("-G", "-n", "-p", "key.pub", "-s", "key.sec") != nil || run("-S", "-s", "key.sec", "-m", "tool", "-x", "tool.sig") != nil {
		t.Fatal("signify made no signature")
	}
	public, _ := os.ReadFile(filepath.Join(dir, "key.pub"))
	raw, err := base64.StdEncoding.DecodeString(strings.Split(string(public), "\n")[1])
	if err != nil {
		t.Fatal(err)
	}
	sig, _ := os.ReadFile(filepath.Join(dir, "tool.sig"))
	e := env(map[string][]byte{"tool.sig": sig}, verify.PublicKey{Anchor: "bsd", System: "signify", Data: raw})
	for i, want := range []string{"valid:signify/valid", "invalid:signify/bad-signature"} {
		data := bytes.Clone(content)
		data[5] ^= byte(i)
		write("tool", data)
		found, err := New().Verify(context.Background(), besidetest.Artifact("tool", data), e)
		if got := besidetest.Codes(found); err != nil || got != want {
			t.Errorf("%v %s, want %s", err, got, want)
		}
		if accepted := run("-V", "-p", "key.pub", "-m", "tool", "-x", "tool.sig") == nil; accepted != (i == 0) {
			t.Errorf("signify accepts file %d: %v", i, accepted)
		}
	}
	k := signifytest.NewKey(t, 7)
	write("tool", content)
	write("tool.sig", k.Signify(content))
	write("ours.pub", []byte("untrusted comment: x\n"+base64.StdEncoding.EncodeToString(k.Public("", "").Data)+"\n"))
	if run("-V", "-p", "ours.pub", "-m", "tool", "-x", "tool.sig") != nil {
		t.Error("signify refuses what the tests make")
	}
}
