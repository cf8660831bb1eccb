package script

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// samplesAt is when the samples are judged: after the last of them was signed.
var samplesAt = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

var samples = []struct {
	file, signer string
	want         []verifytest.Want
}{
	{"PSReadLine-2.0.0/PSReadLine.psd1", "Microsoft Corporation", want("valid:valid")},
	{"PSReadLine-2.0.0/PSReadLine.format.ps1xml", "Microsoft Corporation", want("valid:valid")},
	{"PSReadLine-2.0.0/SamplePSReadLineProfile.ps1", "Microsoft Corporation", want("valid:valid")},
	{"PSReadLine-2.1.0/PSReadLine.psd1", "Microsoft Corporation", want("valid:valid")},
	{"PSReadLine-2.1.0/PSReadLine.psm1", "Microsoft Corporation", want("valid:valid")},
	{"PSReadLine-2.1.0/PSReadLine.format.ps1xml", "Microsoft Corporation", want("valid:valid")},
	{"PSReadLine-2.1.0/SamplePSReadLineProfile.ps1", "Microsoft Corporation", want("valid:valid")},
	{"openauthenticode/authenticode-timestamp.ps1", "PowerShell", want("untrusted:untrusted-root")},
}

// sample returns a real script, with the line ends that it was signed with: Git may have taken the CRs away.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real scripts are left out")
	}
	b, err := os.ReadFile(filepath.Join(dir, "powershell", filepath.FromSlash(name)))
	if os.IsNotExist(err) {
		t.Skipf("%s is not among the samples: it is left out", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

func TestRealSamples(t *testing.T) {
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			data := sample(t, s.file)
			expected := append([]verifytest.Want{}, s.want...)
			expected[0].Signer = s.signer
			run := func(name string, data []byte, want []verifytest.Want) {
				verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: named(filepath.Base(s.file)), Data: data, Env: verify.Env{At: samplesAt}, Want: want, Flips: -1})
			}
			run("as signed", data, expected)
			run("without CR", bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), want("invalid:digest-mismatch", "invalid:malformed"))
			run("with a command after it", append(bytes.Clone(data), "calc.exe\r\n"...), append(expected[:1:1], want("invalid:trailing-data")...))
		})
	}
}

// TestEachRegionOfRealScripts changes one byte in each region of a real script.
func TestEachRegionOfRealScripts(t *testing.T) {
	for _, s := range samples {
		if s.want[0].Status != verify.Valid {
			continue
		}
		t.Run(s.file, func(t *testing.T) {
			data := sample(t, s.file)
			st := styleOf(s.file)
			text, err := decode(data, st)
			if err != nil {
				t.Fatal(err)
			}
			k, err := st.find(text.units)
			if err != nil {
				t.Fatal(err)
			}
			check := func(name string, changed []byte, want bool) {
				a := &verify.Artifact{Name: s.file, Size: int64(len(changed)), Content: bytes.NewReader(changed)}
				found, err := New().Verify(t.Context(), a, verify.Env{At: samplesAt})
				if err != nil {
					t.Fatal(err)
				}
				if got := allValid(found); got != want {
					t.Errorf("%s changed: valid %v, want %v: %+v", name, got, want, found)
				}
			}
			for name, at := range map[string]int{"the first character": 0, "the last before the block": k.from - 1, "the line end before the block": k.from + 1,
				"the first mark": k.from + 6, "the last line end": k.to - 1, "the last mark": k.to - 6} {
				changed := bytes.Clone(data)
				changed[at] ^= 1
				check(name, changed, false)
			}
			style := at.PowerShell
			if st.closer != "" {
				style = at.PowerShellXML
			}
			check("nothing", append(bytes.Clone(data[:k.from]), style.Block(k.der)...), true)
			for _, r := range at.Regions(k.der) {
				der := bytes.Clone(k.der)
				der[r.At] ^= 1
				check(r.Name, append(bytes.Clone(data[:k.from]), style.Block(der)...), r.Uncovered)
			}
		})
	}
}

func allValid(found []verify.Finding) bool {
	for _, f := range found {
		if f.Status != verify.Valid {
			return false
		}
	}
	return len(found) > 0
}

// TestAgreesWithOsslsigncode has osslsigncode sign and verify scripts in each style that it knows.
func TestAgreesWithOsslsigncode(t *testing.T) {
	tool, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed: the comparison with it is left out")
	}
	w := newWorld()
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(w.vendor.Key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	certFile := write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.vendor.Certificate.Raw}))
	roots := write("root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.env.Trust.CodeSigning[0].Raw}))
	accepts := func(path string) bool {
		out, err := exec.CommandContext(t.Context(), tool, "verify", "-CAfile", roots, "-in", path).CombinedOutput()
		t.Logf("%s: %v %s", filepath.Base(path), err, out[max(0, len(out)-120):])
		return err == nil
	}
	ours := func(path string) []verify.Finding {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := New().Verify(t.Context(), &verify.Artifact{Name: filepath.Base(path), Size: int64(len(b)), Content: bytes.NewReader(b)}, w.env)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	texts := map[string]string{"a.ps1": hello, "a.psm1": "\ufeff# gr\u00fc\u00df\r\n", "b.psd1": "@{}\n", "a.ps1xml": "<a>\r\n</a>\r\n", "a.cdxml": "<a/>", "a.mof": "class A {};\r\n"}
	for name, text := range texts {
		style := at.PowerShell
		switch {
		case strings.HasSuffix(name, "xml"):
			style = at.PowerShellXML
		case strings.HasSuffix(name, "mof"):
			style = at.MOF
		}
		path := filepath.Join(dir, "signed-"+name)
		if out, err := exec.CommandContext(t.Context(), tool, "sign", "-h", "sha256", "-key", keyFile, "-certs", certFile, "-in", write(name, []byte(text)), "-out", path).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if found := ours(path); !allValid(found) {
			t.Errorf("%s signed by osslsigncode: %+v", name, found)
		}
		made := at.SignScript(style, text, "", at.Signature{Signer: w.vendor})
		if !accepts(write("made-"+name, []byte(made))) {
			t.Errorf("osslsigncode refuses %s as it is signed here", name)
		}
		broken := write("broken-"+name, []byte(strings.Replace(made, text, text+" ", 1)))
		if accepts(broken) || allValid(ours(broken)) {
			t.Errorf("%s: a changed text is accepted", name)
		}
		trailing := write("trailing-"+name, []byte(made+"calc"))
		if allValid(ours(trailing)) {
			t.Errorf("%s: a command after the block is accepted", name)
		}
	}
}
