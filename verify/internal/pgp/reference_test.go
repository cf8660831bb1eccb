package pgp

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// gpgv runs the reference verifier and reads its status lines as apt does: it ends with 0 for an expired key too.
func gpgv(t *testing.T, ring []byte, files ...[]byte) bool {
	t.Helper()
	tool, err := exec.LookPath("gpgv")
	if err != nil {
		t.Skip("gpgv is not installed: the comparison with the reference verifier is left out")
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	args := []string{"--homedir", dir, "--status-fd", "1", "--keyring", write("ring.gpg", ring), "--weak-digest", "SHA1"}
	for i, f := range files {
		args = append(args, write(fmt.Sprint("file", i), f))
	}
	out, err := exec.Command(tool, args...).Output()
	return err == nil && bytes.Contains(out, []byte("[GNUPG:] GOODSIG "))
}

func TestSameVerdictAsGpgv(t *testing.T) {
	today := time.Now().Truncate(time.Second)
	key, stranger := newKey(t), newKey(t)
	expired := newKey(t, func(c *packet.Config) { c.KeyLifetimeSecs = 3600 })
	tests := []struct {
		name string
		ring *openpgp.Entity
		sig  []byte
		good bool
	}{
		{"good", key, sign(t, key.PrivateKey, message, today.Add(-time.Hour)), true},
		{"by a stranger", key, sign(t, stranger.PrivateKey, message, today.Add(-time.Hour)), false},
		{"of another message", key, sign(t, key.PrivateKey, []byte("x"), today.Add(-time.Hour)), false},
		{"by an expired key", expired, sign(t, expired.PrivateKey, message, today.Add(-time.Hour)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := keyring(t, tt.ring).Verify(message, tt.sig, today)
			if err != nil {
				t.Fatal(err)
			}
			best, _ := Best(list)
			if ours := best.Outcome == Good; ours != tt.good || gpgv(t, public(t, tt.ring), tt.sig, message) != tt.good {
				t.Errorf("ours %v (%s), want both %v", ours, best.Reason, tt.good)
			}
		})
	}
}

// TestSHA1SignatureByGpg has gpg make what the library will not: a correct signature that rests on SHA-1.
func TestSHA1SignatureByGpg(t *testing.T) {
	tool, err := exec.LookPath("gpg")
	if err != nil {
		t.Skip("gpg is not installed: a correct signature over SHA-1 is left out")
	}
	home := t.TempDir()
	run := func(stdin []byte, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(tool, append([]string{"--homedir", home, "--batch", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
		cmd.Stdin = bytes.NewReader(stdin)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, &errs)
		}
		return out
	}
	t.Cleanup(func() {
		if agent, err := exec.LookPath("gpgconf"); err == nil {
			cmd := exec.Command(agent, "--homedir", home, "--kill", "gpg-agent")
			if err := cmd.Run(); err != nil {
				t.Logf("stopping gpg-agent: %v", err)
			}
		}
	})
	run(nil, "--quick-generate-key", "Archive Key <key@example.org>", "rsa2048", "sign", "never")
	ring, err := ParseKeyring(run(nil, "--export"))
	if err != nil {
		t.Fatal(err)
	}
	for digest, want := range map[string]Outcome{"SHA1": Weak, "SHA512": Good} {
		sig := run(message, "--digest-algo", digest, "--detach-sign")
		list, err := ring.Verify(message, sig, time.Now().Add(time.Minute))
		if best, _ := Best(list); err != nil || best.Outcome != want {
			t.Errorf("%s: %+v, %v, want outcome %d", digest, best, err, want)
		}
		text, clear, err := SplitClearsigned(run(message, "--digest-algo", digest, "--clear-sign"))
		if err != nil {
			t.Fatal(err)
		}
		if list, err = ring.Verify(text, clear, time.Now().Add(time.Minute)); err != nil || len(list) != 1 || list[0].Outcome != want {
			t.Errorf("%s in clear: %+v, %v, want outcome %d", digest, list, err, want)
		}
	}
}
