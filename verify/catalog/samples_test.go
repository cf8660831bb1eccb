package catalog

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/authenticode"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// samplesAt is when the samples are judged: after the last of them was signed.
var samplesAt = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// sample reads a file below the samples' directory, or skips the test.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real catalogues are left out")
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if os.IsNotExist(err) {
		t.Skipf("%s is not among the samples: it is left out", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// samples are real catalogues, with the embedded roots.
var samples = []struct {
	file, signer string
	want         []verifytest.Want
}{
	{"cat/PSReadLine-2.0.0.cat", "Microsoft Corporation", want("valid:valid", "valid:catalog-members")},
	{"cat/PSReadLine-2.1.0.cat", "Microsoft Corporation", want("valid:valid", "valid:catalog-members")},
	{"cat/signify-oem89.cat", "Microsoft Corporation", want("valid:valid", "valid:catalog-members", "valid:driver-catalog")},
	{"cat/velocidex-ntexe.cat", "Microsoft Corporation", want("valid:valid", "valid:catalog-members")},
	{"cat/relic-hyperv.cat", "Microsoft Corporation", want("valid:valid", "valid:weak-digest", "valid:catalog-members")},
}

func TestRealSamples(t *testing.T) {
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			expected := append([]verifytest.Want{}, s.want...)
			expected[0].Signer = s.signer
			verifytest.Run(t, New(), verifytest.Case{Name: s.file, Data: sample(t, s.file), Env: verify.Env{At: samplesAt}, Want: expected, Flips: -1})
		})
	}
}

// TestCatalogueVouchesForItsModule has the catalogue of a PowerShell module vouch for the module's own files: scripts by
// all their bytes, a program by its image.
func TestCatalogueVouchesForItsModule(t *testing.T) {
	vouches := vouchesOf(t, sample(t, "cat/PSReadLine-2.1.0.cat"))
	for _, name := range []string{"PSReadLine.psd1", "PSReadLine.psm1", "PSReadLine.format.ps1xml", "SamplePSReadLineProfile.ps1"} {
		b := sample(t, "powershell/PSReadLine-2.1.0/"+name)
		sum := sha256.Sum256(b)
		f, ok := vouches.find(fileSHA256, sum[:])
		if !ok || f.Status != verify.Valid || f.Signer.Organization != "Microsoft Corporation" || !bytes.Contains([]byte(f.Detail), []byte(name)) {
			t.Errorf("%s: %+v, %v", name, f, ok)
		}
		withoutCR := sha256.Sum256(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
		if _, ok := vouches.find(fileSHA256, withoutCR[:]); ok {
			t.Errorf("%s with other line ends is vouched for", name)
		}
	}
	program := sample(t, "authenticode-pe/psreadline/Microsoft.PowerShell.PSReadLine2.dll")
	sums := map[string][]byte{}
	tap := authenticode.New().Tap(program)
	tap.Write(program)
	tap.Sum(sums)
	if f, ok := vouches.find(imageSHA256, sums[imageSHA256]); !ok || f.Status != verify.Valid {
		t.Errorf("the module's program is not vouched for: %+v, %v", f, ok)
	}
}

// TestAgreesWithOsslsigncode has osslsigncode look up the same files in the same catalogues.
func TestAgreesWithOsslsigncode(t *testing.T) {
	tool := osslsigncode(t)
	for catalogue, files := range map[string][]string{
		"cat/PSReadLine-2.1.0.cat": {"authenticode-pe/psreadline/Microsoft.PowerShell.PSReadLine2.dll", "authenticode-pe/velocidex/dmdskres.dll"},
		"cat/velocidex-ntexe.cat":  {"authenticode-pe/velocidex/dmdskres.dll", "authenticode-pe/psreadline/Microsoft.PowerShell.PSReadLine2.dll"},
	} {
		vouches := vouchesOf(t, sample(t, catalogue))
		for _, file := range files {
			sums := imageDigests(t, sample(t, file))
			_, ours := vouches.find(imageSHA256, sums[crypto.SHA256])
			theirs := listed(t, tool, filepath.Join(os.Getenv("SALLYPORT_SAMPLES"), catalogue), filepath.Join(os.Getenv("SALLYPORT_SAMPLES"), file),
				"../internal/authenticode/roots/codesigning.pem", "../internal/authenticode/roots/timestamping.pem")
			if ours != theirs {
				t.Errorf("%s in %s: listed by us %v, by osslsigncode %v", file, catalogue, ours, theirs)
			}
		}
	}
}

func osslsigncode(t *testing.T) string {
	t.Helper()
	tool, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed: the comparison with it is left out")
	}
	return tool
}

var verified = regexp.MustCompile(`(?m)^Signature verification: ok`)

// listed reports whether osslsigncode finds a file in a catalogue that it trusts.
func listed(t *testing.T, tool, catalogue, file, roots, stampRoots string) bool {
	out, err := exec.CommandContext(t.Context(), tool, "verify", "-ignore-cdp", "-ignore-crl", "-catalog", catalogue,
		"-CAfile", roots, "-TSA-CAfile", stampRoots, "-in", file).CombinedOutput()
	t.Logf("%s: %v", file, err)
	if err != nil {
		t.Logf("%s", out)
	}
	return err == nil && verified.Match(out)
}

// TestEachRegionOfRealCatalogues changes one byte in each region of a real catalogue.
func TestEachRegionOfRealCatalogues(t *testing.T) {
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			data := sample(t, s.file)
			for _, r := range at.Regions(data) {
				changed := bytes.Clone(data)
				changed[r.At] ^= 1
				found, err := New().Verify(t.Context(), artifactOf(changed), verify.Env{At: samplesAt})
				if err != nil {
					t.Fatal(err)
				}
				if got := len(found) > 0 && allValid(found); got != r.Uncovered {
					t.Errorf("%s: byte %d changed: valid %v, want %v: %+v", r.Name, r.At, got, r.Uncovered, found)
				}
				vouches, err := New().Vouches(t.Context(), artifactOf(changed), verify.Env{At: samplesAt})
				if err != nil || len(vouches) > 0 != r.Uncovered {
					t.Errorf("%s: %d vouches, %v", r.Name, len(vouches), err)
				}
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
	return true
}

// TestOsslsigncodeReadsOurCatalogues makes catalogues of programs here, one of them of no round size, and has osslsigncode
// look the programs up; and changes them.
func TestOsslsigncodeReadsOurCatalogues(t *testing.T) {
	tool := osslsigncode(t)
	w := newWorld()
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	roots := write("root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.env.Trust.CodeSigning[0].Raw}))
	for name, image := range map[string][]byte{"round": at.BuildPE(at.Image{}), "not round": append(at.BuildPE(at.Image{}), 1, 2, 3)} {
		c := at.Catalog{Members: []at.Member{{Sum: imageDigests(t, image)[crypto.SHA256], Kind: cms.OIDPEImageData}}}
		catalogue := write(name+".cat", c.Sign(at.Signature{Signer: w.vendor}))
		if !listed(t, tool, catalogue, write(name+".exe", image), roots, roots) {
			t.Errorf("%s: osslsigncode does not find the program in the catalogue that was made of it", name)
		}
		changed := bytes.Clone(image)
		changed[len(changed)-1] ^= 1
		if listed(t, tool, catalogue, write("changed.exe", changed), roots, roots) || bytes.Equal(imageDigests(t, changed)[crypto.SHA256], c.Members[0].Sum) {
			t.Errorf("%s: a changed program is found", name)
		}
	}
}
