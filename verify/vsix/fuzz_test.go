package vsix

import (
	"archive/zip"
	"bytes"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

func parseURL(t *testing.T, s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// FuzzVerify looks for packages on which Verify panics, fails or keeps silent, and for packages that are vouched for
// although their parts are not those that were signed.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	for _, x := range []extension{{signer: w.vendor}, {signer: w.vendor, detached: true, transform: true}, {signer: w.stranger}} {
		data := x.build(f)
		f.Add(data)
		known[parts(data)] = true
	}
	f.Add(pack(f, []file{{manifestName, "<x/>"}}))
	v := New()
	f.Fuzz(func(t *testing.T, b []byte) {
		a := artifact("a.vsix", b)
		if !v.Match(a) {
			return
		}
		found, err := v.Verify(t.Context(), a, w.env)
		if err != nil || len(found) == 0 {
			t.Fatalf("%d findings, error %v", len(found), err)
		}
		for _, finding := range found {
			if finding.Status == verify.Valid && !finding.Signer.IsZero() && !known[parts(b)] {
				t.Fatalf("another package is vouched for: %+v", finding)
			}
		}
	})
}

// parts returns the names and contents of a package's payload, as another reader sees them.
func parts(b []byte) string {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, e := range z.File {
		if strings.HasPrefix(e.Name, "package/services/digital-signature/") || e.Name == typesName || strings.HasSuffix(e.Name, ".rels") {
			continue
		}
		r, err := e.Open()
		if err != nil {
			return err.Error()
		}
		content, err := io.ReadAll(r)
		out = append(out, e.Name+"\x00"+string(content))
		if err != nil {
			return err.Error()
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\x00")
}

// FuzzManifest looks for manifests on which the parser panics, or that it takes without a digest.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(signatureManifest([]byte("x"))))
	f.Add([]byte(`{"package":{"size":1e3}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseManifest(b); err == nil && (m.size < 0 || len(m.sum) != 32) {
			t.Fatalf("%+v", m)
		}
	})
}

// BenchmarkVerify verifies a package of 50 MB.
func BenchmarkVerify(b *testing.B) {
	w := newWorld()
	data := extension{signer: w.vendor, payload: strings.Repeat("0123456789abcdef", 50<<20/16)}.build(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		found, err := New().Verify(b.Context(), artifact("a.vsix", data), w.env)
		if err != nil || found[0].Status != verify.Valid {
			b.Fatal(found, err)
		}
	}
}

// TestRealSamples judges the samples with the embedded roots.
func TestRealSamples(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real samples are left out; .ci/test fetches them")
	}
	for name, expected := range map[string][]verifytest.Want{
		"ms-python.python-2024.7.11511013.sigzip": want("valid:valid", "valid:valid"),
		"relic-VSIXProject1.vsix":                 want("untrusted:untrusted-root"),
		"OpenVsixSignToolTest-Signed.vsix":        want("untrusted:untrusted-root"),
	} {
		path := filepath.Join(dir, "vsix", name)
		if _, err := os.Stat(path); err != nil {
			t.Logf("%s is not there: it is left out", name)
			continue
		}
		verifytest.Run(t, New(), verifytest.Case{Name: name, File: path, Want: expected, Flips: 40, Env: verify.Env{At: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}})
	}
}

// TestRelicAgrees signs with relic and has it verify what is made here.
func TestRelicAgrees(t *testing.T) {
	tool, err := exec.LookPath("relic")
	if err != nil {
		t.Skip("relic is not installed: the comparison with it is left out")
	}
	w := newWorld()
	good := filepath.Join(t.TempDir(), "good.vsix")
	data := extension{signer: w.vendor}.build(t)
	if err := os.WriteFile(good, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.CommandContext(t.Context(), tool, "verify", "--no-trust-chain", good).CombinedOutput(); err != nil {
		t.Errorf("relic refuses what is made here: %v\n%s", err, msg)
	}
}
