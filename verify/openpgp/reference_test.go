package openpgp

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
)

// gnupg is the real gpg with a home of its own.
type gnupg struct {
	t   *testing.T
	dir string
}

func newGnuPG(t *testing.T) *gnupg {
	t.Helper()
	for _, program := range []string{"gpg", "gpgv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: the comparison with GnuPG is left out", program)
		}
	}
	dir, err := os.MkdirTemp("", "gpg") // a short path: gpg-agent makes a socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return &gnupg{t, dir}
}

func (g *gnupg) run(args ...string) []byte {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.dir, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--no-auto-check-trustdb"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.Bytes()
}

// accepts reports whether gpgv takes a signature of a file under a keyring, and what it said.
func (g *gnupg) accepts(ring, sig, file []byte) (bool, string) {
	g.t.Helper()
	for name, data := range map[string][]byte{"ring.gpg": ring, "sig": sig, "file": file} {
		if err := os.WriteFile(filepath.Join(g.dir, name), data, 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	out, err := exec.Command("gpgv", "--homedir", g.dir, "--keyring", filepath.Join(g.dir, "ring.gpg"), "--status-fd", "1", filepath.Join(g.dir, "sig"), filepath.Join(g.dir, "file")).CombinedOutput()
	return err == nil, string(out)
}

// What gpg makes is accepted, what it refuses is refused; where this is stricter than gpgv, the case says so.
func TestAgainstGnuPG(t *testing.T) {
	g := newGnuPG(t)
	file := filepath.Join(g.dir, "tool.tar.gz")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	const long = "20200101T000000"
	key := func(name, algo, use, expire string) {
		g.run("--faked-system-time", long, "--quick-generate-key", name, algo, use, expire)
	}
	key("ed@example.org", "ed25519", "sign", "never")
	key("rsa@example.org", "rsa2048", "sign", "never")
	key("nist@example.org", "nistp256", "sign", "never")
	key("expired@example.org", "ed25519", "sign", "2021-01-01")
	key("sub@example.org", "ed25519", "cert", "never")
	fpr := strings.Split(string(g.run("--with-colons", "--list-keys", "sub@example.org")), "fpr:::::::::")[1][:40]
	g.run("--faked-system-time", long, "--quick-add-key", fpr, "ed25519", "sign", "never")
	signed := func(who string, args ...string) []byte {
		return g.run(append(append([]string{"--faked-system-time", "20200601T000000", "--local-user", who, "--output", "-"}, args...), "--detach-sign", file)...)
	}
	for _, c := range []struct {
		name, who string
		args      []string
		change    bool
		want      string
		looser    bool // gpgv takes it
	}{
		{"Ed25519", "ed@example.org", nil, false, "valid:openpgp/valid", false},
		{"armoured", "ed@example.org", []string{"--armor"}, false, "valid:openpgp/valid", false},
		{"RSA", "rsa@example.org", []string{"--digest-algo", "SHA512"}, false, "valid:openpgp/valid", false},
		{"ECDSA", "nist@example.org", nil, false, "valid:openpgp/valid", false},
		{"by a subkey", "sub@example.org", nil, false, "valid:openpgp/valid", false},
		{"a harmless notation", "ed@example.org", []string{"--sig-notation", "x@example.org=y"}, false, "valid:openpgp/valid", false},
		{"a changed file", "ed@example.org", nil, true, "invalid:openpgp/bad-signature", false},
		{"a critical notation", "ed@example.org", []string{"--sig-notation", "!x@example.org=y"}, false, "invalid:openpgp/critical-notation", false},
		{"SHA-1", "rsa@example.org", []string{"--digest-algo", "SHA1"}, false, "untrusted:openpgp/weak-hash", true},
		{"a key that has expired since", "expired@example.org", nil, false, "untrusted:openpgp/expired-key", true},
		{"over text", "ed@example.org", []string{"--textmode"}, false, "untrusted:openpgp/text-signature", true},
	} {
		sig := signed(c.who, c.args...)
		ring := g.run("--export", c.who)
		data := bytes.Clone(content)
		if c.change {
			data[99] ^= 1
		}
		dir := besidetest.NewFolder(map[string][]byte{"tool.tar.gz.asc": sig})
		found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", data), env(dir, verify.Keyring{Anchor: "acme", Data: ring}))
		if err != nil {
			t.Fatal(err)
		}
		if got := besidetest.Codes(found); got != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, got, c.want, found[0].Detail)
		}
		accepted, said := g.accepts(ring, sig, data)
		if want := strings.HasPrefix(c.want, "valid") || c.looser; accepted != want {
			t.Errorf("%s: gpgv accepts: %v, want %v\n%s", c.name, accepted, want, said)
		}
	}
}

// gpgv accepts what the library behind this package makes, in version 4.
func TestGnuPGAcceptsOurSamples(t *testing.T) {
	g := newGnuPG(t)
	key := newKey(t, "Made here")
	sig := sign(t, key.PrivateKey, content, born.Add(time.Hour))
	if ok, said := g.accepts(keyring(t, "", key).Data, sig, content); !ok {
		t.Errorf("gpgv refuses: %s", said)
	}
	if ok, _ := g.accepts(keyring(t, "", key).Data, sig, content[1:]); ok {
		t.Error("gpgv accepts a changed file")
	}
}
