package appx

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/sallyport-project/sallyport/verify"
	ax "github.com/sallyport-project/sallyport/verify/appx/appxtest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// tool is osslsigncode in a folder of its own, with keys.
type tool struct {
	path, dir string
	w         *world
}

func newTool(t *testing.T) *tool {
	path, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed: the comparison with it is left out")
	}
	o := &tool{path: path, dir: t.TempDir(), w: newWorld()}
	key, err := x509.MarshalPKCS8PrivateKey(o.w.vendor.Key)
	if err != nil {
		t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.w.vendor.Certificate.Raw})
	chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.w.vendor.Chain[0]})...)
	o.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	o.write(t, "chain.pem", chain)
	o.write(t, "root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.w.root.Certificate.Raw}))
	return o
}

func (o *tool) write(t *testing.T, name string, b []byte) string {
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (o *tool) sign(t *testing.T, b []byte) []byte {
	in, out := o.write(t, "in.msix", b), filepath.Join(o.dir, "out.msix")
	os.Remove(out)
	text, err := exec.CommandContext(t.Context(), o.path, "sign", "-certs", filepath.Join(o.dir, "chain.pem"), "-key", filepath.Join(o.dir, "key.pem"), "-in", in, "-out", out).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	signed, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// accepts reports whether osslsigncode verifies a package.
func (o *tool) accepts(t *testing.T, b []byte) bool {
	in := o.write(t, "check.msix", b)
	_, err := exec.CommandContext(t.Context(), o.path, "verify", "-CAfile", filepath.Join(o.dir, "root.pem"), "-ignore-cdp", "-in", in).CombinedOutput()
	return err == nil
}

func (o *tool) weAccept(t *testing.T, b []byte) bool {
	found, err := New().Verify(t.Context(), artifact(b), o.w.env)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Status != verify.Valid {
			return false
		}
	}
	return true
}

func TestAgreesWithOsslsigncode(t *testing.T) {
	o := newTool(t)
	for name, p := range map[string]ax.Package{
		"package":        {},
		"SHA-512":        {Hash: crypto.SHA512},
		"code integrity": {Catalogue: true},
		"bundle":         {Inner: []ax.Inner{{Name: "app.msix", Version: "1.2.3.4", Content: ax.Package{}.Bytes()}}},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := o.sign(t, p.Bytes())
			if !o.weAccept(t, theirs) {
				found, _ := New().Verify(t.Context(), artifact(theirs), o.w.env)
				t.Errorf("what osslsigncode signed is refused: %+v", found)
			}
			p.Signer = o.w.vendor
			ours := p.Bytes()
			if !o.weAccept(t, ours) || !o.accepts(t, ours) {
				t.Errorf("a package of ours is accepted by us %v, by osslsigncode %v", o.weAccept(t, ours), o.accepts(t, ours))
			}
			refused := 0
			for at := 17; at < len(theirs); at += len(theirs)/24 + 1 {
				changed := append([]byte{}, theirs...)
				changed[at] ^= 4
				if o.accepts(t, changed) {
					continue
				}
				refused++
				if o.weAccept(t, changed) {
					t.Errorf("with byte %d changed, osslsigncode refuses the package and we accept it", at)
				}
			}
			if refused < 6 {
				t.Errorf("osslsigncode refused only %d changed packages: something is wrong with the comparison", refused)
			}
		})
	}
}

func TestRealSamples(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real samples are left out; .ci/test fetches them")
	}
	ran := 0
	for _, s := range []struct{ file, signer string }{
		{"jsign-minimal-signed-by-signtool.msix", "Jsign Code Signing Test Certificate 2022 (RSA)"},
		{"relic-App1_1.0.3.0_x64.appx", "ralph"},
	} {
		b, err := os.ReadFile(filepath.Join(dir, "appx", s.file))
		if err != nil {
			t.Logf("%s is left out: %v", s.file, err)
			continue
		}
		ran++
		list := want("untrusted:untrusted-root", "valid:identity")
		list[0].Signer = s.signer
		verifytest.Run(t, New(), verifytest.Case{Name: s.file, Data: b, Env: verify.Env{At: now}, Want: list, Flips: -1})
		for at := 5; at < len(b); at += len(b)/30 + 1 {
			changed := append([]byte{}, b...)
			changed[at] ^= 0x10
			found, err := New().Verify(t.Context(), artifact(changed), verify.Env{At: now})
			if err != nil || found[0].Status == verify.Untrusted && !strings.Contains(found[0].Code, "root") {
				t.Fatal(err, found)
			}
			bad := false
			for _, f := range found {
				bad = bad || f.Status == verify.Invalid || f.Status == verify.Absent
			}
			if !bad {
				t.Logf("%s: byte %d of %d changed: %s", s.file, at, len(b), found[0].Code)
			}
		}
	}
	if ran == 0 {
		t.Skip("none of the samples is there")
	}
}
