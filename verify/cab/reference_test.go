package cab

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crypto/x509"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// rig signs and verifies with osslsigncode.
type rig struct {
	tool, dir string
	env       verify.Env
}

func newRig(t *testing.T, w *world) *rig {
	tool, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed: the comparison with it is left out")
	}
	r := &rig{tool: tool, dir: t.TempDir(), env: w.env}
	key, err := x509.MarshalPKCS8PrivateKey(w.vendor.Key)
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	chain := append([][]byte{w.vendor.Certificate.Raw}, w.vendor.Chain...)
	r.write(t, "chain.pem", certificates(chain...))
	r.write(t, "root.pem", certificates(w.root.Certificate.Raw))
	return r
}

func certificates(all ...[]byte) []byte {
	var out []byte
	for _, der := range all {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) write(t *testing.T, name string, b []byte) {
	if err := os.WriteFile(r.path(name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sign has osslsigncode sign a cabinet.
func (r *rig) sign(t *testing.T, b []byte, options ...string) []byte {
	r.write(t, "in.cab", b)
	os.Remove(r.path("out.cab"))
	args := append([]string{"sign", "-certs", r.path("chain.pem"), "-key", r.path("key.pem")}, options...)
	if out, err := exec.CommandContext(t.Context(), r.tool, append(args, "-in", r.path("in.cab"), "-out", r.path("out.cab"))...).CombinedOutput(); err != nil {
		t.Fatalf("osslsigncode: %v\n%s", err, out)
	}
	signed, err := os.ReadFile(r.path("out.cab"))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// theirs reports whether osslsigncode accepts a cabinet.
func (r *rig) theirs(t *testing.T, b []byte) (bool, string) {
	r.write(t, "verify.cab", b)
	out, err := exec.CommandContext(t.Context(), r.tool, "verify", "-CAfile", r.path("root.pem"), "-in", r.path("verify.cab")).CombinedOutput()
	return err == nil, string(out)
}

// ours reports whether we do, and what we find.
func (r *rig) ours(t *testing.T, b []byte) (bool, string) {
	found, err := New().Verify(t.Context(), &verify.Artifact{Size: int64(len(b)), Content: bytes.NewReader(b)}, r.env)
	if err != nil {
		t.Fatal(err)
	}
	ok, said := true, ""
	for _, f := range found {
		ok = ok && f.Status == verify.Valid
		said += f.Code + ": " + f.Detail + "\n"
	}
	return ok, said
}

// gcab has gcab make a cabinet, or skips the test.
func gcab(t *testing.T, options ...string) []byte {
	tool, err := exec.LookPath("gcab")
	if err != nil {
		t.Skip("gcab is not installed: cabinets that it makes are left out")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(strings.Repeat("some text, ", 9000)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, append(append([]string{"-c"}, options...), "a.cab", "a.txt")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcab: %v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "a.cab"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAcceptsWhatOsslsigncodeSigns(t *testing.T) {
	r := newRig(t, newWorld())
	cabinets := map[string][]byte{
		"gcab, MSZIP": gcab(t, "-z"), "gcab, stored": gcab(t),
		"ours":            unsigned(func(c *cabtest.Cabinet) { c.Reserve = nil }),
		"ours, with room": unsigned(),
	}
	for name, b := range cabinets {
		for _, hash := range []string{"sha256", "sha384"} {
			if name == "ours, with room" {
				continue // osslsigncode takes the empty reserve for a broken one
			}
			signed := r.sign(t, b, "-h", hash)
			if ok, said := r.ours(t, signed); !ok {
				t.Errorf("%s, %s: %s", name, hash, said)
			}
			again := r.sign(t, signed, "-h", "sha512", "-nest")
			if ok, said := r.ours(t, again); !ok || strings.Count(said, "authenticode/valid") != 2 {
				t.Errorf("%s, %s, nested: %s", name, hash, said)
			}
		}
	}
}

func TestOsslsigncodeAcceptsWhatIsSignedHere(t *testing.T) {
	w := newWorld()
	r := newRig(t, w)
	for name, change := range map[string]func(*cabtest.Cabinet){
		"alone":          func(*cabtest.Cabinet) {},
		"first of a set": func(c *cabtest.Cabinet) { c.Next = [2]string{"b.cab", "two"} },
	} {
		signed := cabtest.Sign(unsigned(change), at.Signature{Signer: w.vendor})
		if ok, said := r.theirs(t, signed); !ok {
			t.Errorf("%s: osslsigncode refuses it:\n%s", name, said)
		}
	}
}

// One byte in each region of a cabinet that osslsigncode signed: what it refuses, we refuse. Where we are stricter, the
// case says so.
func TestRefusesWhatOsslsigncodeRefuses(t *testing.T) {
	r := newRig(t, newWorld())
	signed := r.sign(t, gcab(t, "-z"))
	le := binary.LittleEndian
	end := int(le.Uint32(signed[44:]))
	stricter := 0
	for at := 0; at < len(signed); at += 1 + at/60*13 {
		b := bytes.Clone(signed)
		b[at] ^= 1 << (at % 8)
		ours, said := r.ours(t, b)
		theirs, output := r.theirs(t, b)
		if ours && !theirs {
			t.Errorf("byte %d changed: we accept it, osslsigncode does not: %s%s", at, said, output)
		}
		if !ours && theirs {
			stricter++
			if at >= 60 && at < end {
				t.Errorf("byte %d changed: osslsigncode accepts it: %s", at, output)
			}
		}
	}
	t.Logf("stricter in %d places", stricter)
}
