package authenticode

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// samplesDir returns the directory of real signed programs, or skips the test.
func samplesDir(t *testing.T) string {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real samples are left out; .ci/test fetches them")
	}
	return dir
}

// samplesAt is when the samples are judged: after the last of them was signed.
var samplesAt = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// samples are the real programs of verifytest/samples, with the embedded roots. The signer is that of the first finding.
var samples = []struct {
	file, signer string
	want         []verifytest.Want
}{
	{"node-pty/OpenConsole-x64.exe", "Microsoft Corporation", want("valid:valid")},
	{"node-pty/conpty-x64.dll", "Microsoft Corporation", want("valid:valid")},
	{"node-pty/conpty-arm64.dll", "Microsoft Corporation", want("valid:valid")},
	{"winstaller/signtool-2010.exe", "Microsoft Corporation", want("valid:valid", "valid:weak-digest")},
	{"npm-signtool/makecat.exe", "Microsoft Corporation", want("valid:valid", "valid:valid", "valid:weak-digest")},
	{"npm-signtool/wintrust.dll", "Microsoft Corporation", want("valid:valid", "valid:valid", "valid:weak-digest")},
	{"edge-js/vcruntime140-arm64.dll", "Microsoft Corporation", want("valid:valid", "valid:valid")},
	{"kde/snoretoast-x86.exe", "K Desktop Environment e.V.", want("valid:valid")},
	{"typescript/tsgo.exe", "Microsoft Corporation", want("valid:valid")},
	{"winappcli/winapp.exe", "Microsoft Corporation", want("valid:valid")},
	{"winappcli/libSkiaSharp.dll", "Microsoft Corporation", want("valid:valid")},
	{"nodejs/node-10.3.0.exe", "Node.js Foundation", want("valid:valid", "valid:weak-digest")},
	{"openai/gmodule-2.0-0.dll", "OpenAI OpCo, LLC", want("valid:valid")},
	{"openai/libffi-8.dll", "OpenAI OpCo, LLC", want("valid:valid")},
	{"saferwall/putty_modified.exe", "", want("invalid:digest-mismatch", "invalid:digest-mismatch")},
	{"saferwall/brave.exe", "Brave Software, Inc.", want("valid:valid")},
	{"saferwall/liblzo2-2.dll", "Express Vpn LLC", want("valid:valid")},
	{"saferwall/SgrmEnclave_secure.dll", "Microsoft Corporation", want("valid:valid")},
	{"saferwall/acpi.sys", "Microsoft Corporation", want("valid:valid")},
	{"saferwall/amdxata.sys", "Microsoft Corporation", want("valid:valid")},
	{"saferwall/mscorlib.dll", "Microsoft Corporation", want("valid:valid")},
	{"saferwall/YourPhone.Exp.WinRT.dll", "Microsoft Corporation", want("valid:valid")},
	{"relic/WindowsFormsApplication1.exe", "", want("untrusted:untrusted-root")},
}

func TestRealSamples(t *testing.T) {
	dir := samplesDir(t)
	for _, s := range samples {
		expected := append([]verifytest.Want{}, s.want...)
		expected[0].Signer = s.signer
		path := filepath.Join(dir, "authenticode-pe", filepath.FromSlash(s.file))
		verifytest.Run(t, New(), verifytest.Case{
			Name: s.file, File: path, Want: expected, Flips: -1, Env: verify.Env{At: samplesAt},
		})
	}
}

// TestAgreesWithOsslsigncode compares verdicts over every program below the samples' directory. Where the two differ
// on purpose, the file is listed with the reason.
func TestAgreesWithOsslsigncode(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the comparison with osslsigncode is left out, it takes a minute")
	}
	dir := samplesDir(t)
	tool, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed: the comparison with it is left out")
	}
	stricter := map[string]string{
		"certpad-cve-2013-3900_conpty.dll": "osslsigncode does not look at bytes after the signature",
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "authenticode-pe") {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		t.Run(name, func(t *testing.T) {
			ours, detail := passes(t, path)
			theirs := osslsigncode(t, tool, path)
			reason, known := stricter[filepath.Base(path)]
			switch {
			case ours == theirs:
			case known && theirs && !ours:
				t.Logf("stricter: %s", reason)
			default:
				t.Errorf("accepted by us: %v, by osslsigncode: %v\n%s", ours, theirs, detail)
			}
			t.Logf("%-60s ours=%-40s osslsigncode=%v", name, detail, theirs)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// passes reports whether a policy could accept the program, and the codes.
func passes(t *testing.T, path string) (bool, string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	found, err := New().Verify(t.Context(), &verify.Artifact{Size: info.Size(), Content: f}, verify.Env{At: samplesAt})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ok := true
	for _, finding := range found {
		ok = ok && finding.Status == verify.Valid
		codes = append(codes, strings.TrimPrefix(finding.Code, "authenticode/"))
	}
	return ok, strings.Join(codes, ",")
}

var verified = regexp.MustCompile(`(?m)^Signature verification: (\w+)`)

// osslsigncode reports whether the tool accepts every signature of a program, with the embedded roots.
func osslsigncode(t *testing.T, tool, path string) bool {
	out, err := exec.CommandContext(t.Context(), tool, "verify", "-ignore-cdp", "-ignore-crl",
		"-CAfile", "../internal/authenticode/roots/codesigning.pem", "-TSA-CAfile", "../internal/authenticode/roots/timestamping.pem", "-in", path).CombinedOutput()
	if err == nil {
		return true
	}
	all := verified.FindAllSubmatch(out, -1)
	for _, m := range all {
		if string(m[1]) != "ok" {
			return false
		}
	}
	return len(all) > 0
}
