package checksums

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
)

// Lists that coreutils write are read as they check them, names that need escapes included.
func TestAgainstCoreutils(t *testing.T) {
	dir := t.TempDir()
	names := []string{"plain.bin", "with space", "back\\slash", "line\nend", "(b) = c", "*star"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"sha256sum"}, {"sha256sum", "-b"}, {"sha256sum", "--tag"}, {"sha512sum"}, {"sha384sum", "--tag"}, {"cksum", "-a", "sha256"}, {"cksum", "-a", "sha512", "--untagged"}} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("%s is not installed: the comparison with coreutils is left out", args[0])
		}
		cmd := exec.Command(args[0], append(append(args[1:len(args):len(args)], "--"), names...)...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Logf("%v is not known here: %v", args, err)
			continue
		}
		l, err := parseList(out)
		if err != nil {
			t.Errorf("%v: %v in\n%s", args, err, out)
			continue
		}
		for _, name := range names {
			found, several := l.find(name)
			if several || len(found) != 1 {
				t.Errorf("%v: %q is not found in\n%s", args, name, out)
				continue
			}
			h := functions[found[0].algorithm.name].New()
			h.Write([]byte(name))
			if !bytes.Equal(h.Sum(nil), found[0].sum) {
				t.Errorf("%v: %q has another digest", args, name)
			}
		}
	}
}

// A list as Fedora publishes it, clearsigned by the real gpg, and one with a detached signature.
func TestListsSignedByGnuPG(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed: the comparison with GnuPG is left out")
	}
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	gpg := func(in string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		return out
	}
	gpg("", "--faked-system-time", "20260101T000000", "--quick-generate-key", "a@example.org", "ed25519", "sign", "never")
	list := "# tool.tar.gz: 1700 bytes\n" + bsd("tool.tar.gz", content) + bsd("- dash", nil)
	at := []string{"--faked-system-time", "20260601T000000"}
	ring := verify.Keyring{Anchor: "acme", Data: gpg("", "--export", "a@example.org")}
	for name, files := range map[string]map[string][]byte{
		"clearsigned": {"CHECKSUM": gpg(list, append(at, "--clearsign")...)},
		"detached":    {"SHA256SUMS": []byte(list), "SHA256SUMS.gpg": gpg(list, append(at, "--detach-sign")...)},
		"over text":   {"SHA256SUMS": []byte(list), "SHA256SUMS.asc": gpg(list, append(at, "--textmode", "--armor", "--detach-sign")...)},
	} {
		for i, want := range []string{"valid:checksums/valid", "invalid:checksums/digest-mismatch"} {
			data := bytes.Clone(content)
			data[3] ^= byte(i)
			found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", data),
				verify.Env{Sidecars: besidetest.NewFolder(files), At: now, Trust: verify.Trust{Keyrings: []verify.Keyring{ring}}})
			if got := besidetest.Codes(found); err != nil || got != want {
				t.Errorf("%s: %v %s, want %s: %v", name, err, got, want, found)
			}
		}
	}
}

// A real update script with its list, signed in signify's embedded form.
func TestRealSignifyList(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real lists are left out")
	}
	dir = filepath.Join(dir, "signify", "qbit-snap")
	script, err := os.ReadFile(filepath.Join(dir, "snap"))
	if err != nil {
		t.Skipf("%v: the real list is left out", err)
	}
	files := map[string][]byte{}
	for _, name := range []string{"SHA256", "SHA256.sig"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	key := func(name string) verify.PublicKey {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(strings.Split(string(b), "\n")[1])
		if err != nil {
			t.Fatal(err)
		}
		return verify.PublicKey{Anchor: "snap", System: "signify", Data: raw}
	}
	changed := bytes.Clone(script)
	changed[100] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		key  string
		want string
	}{
		{"genuine", script, "snap.pub", "valid:checksums/valid"},
		{"changed", changed, "snap.pub", "invalid:checksums/digest-mismatch"},
		{"under an old key", script, "old_pubkeys/snap.pub", "untrusted:checksums/untrusted-list"},
	} {
		found, err := New().Verify(context.Background(), besidetest.Artifact("snap", c.data),
			verify.Env{Sidecars: besidetest.NewFolder(files), At: now, Trust: verify.Trust{PublicKeys: []verify.PublicKey{key(c.key)}}})
		if got := besidetest.Codes(found); err != nil || got != c.want {
			t.Errorf("%s: %v %s, want %s", c.name, err, got, c.want)
		}
	}
}
