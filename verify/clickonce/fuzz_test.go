package clickonce

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// FuzzVerify looks for manifests on which Verify panics, fails or keeps silent, and for manifests that are vouched for
// although what they say is not what was signed.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	known := map[string]bool{}
	for _, d := range []deployment{{signer: w.vendor, files: someFiles}, {signer: w.vendor, stamp: w.token(f, 2022)}, {signer: w.stranger}, {signer: w.vendor, strongOnly: true}} {
		data := d.build(f)
		f.Add(data)
		known[said(data)] = true
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := New()
		a := artifact("App.application", b)
		if !v.Match(a) {
			return
		}
		found, err := v.Verify(t.Context(), a, w.env)
		if err != nil || len(found) == 0 {
			t.Fatalf("%d findings, error %v", len(found), err)
		}
		for _, finding := range found {
			if finding.Status == verify.Valid && !finding.Signer.IsZero() && !known[said(b)] {
				t.Fatalf("another manifest is vouched for: %+v", finding)
			}
		}
	})
}

// said is what a manifest says, without its signature.
func said(b []byte) string {
	d, err := xmldsig.Parse(b)
	if err != nil {
		return err.Error()
	}
	e, err := d.Root.Only(xmldsig.NS, "Signature")
	if err != nil {
		return err.Error()
	}
	return string(d.Canonical(xmldsig.Method{Exclusive: true}, e))
}

// BenchmarkVerify verifies a manifest of 5000 files.
func BenchmarkVerify(b *testing.B) {
	w := newWorld()
	files := map[string]string{}
	for i := range 5000 {
		files[strings.Repeat("x", 20)+string(rune('a'+i%26))+encode([]byte{byte(i), byte(i >> 8)})[:3]+".dll"] = "content"
	}
	data := deployment{signer: w.vendor, files: files}.build(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		found, err := New().Verify(b.Context(), artifact("App.exe.manifest", data), w.env)
		if err != nil || found[0].Status != verify.Valid {
			b.Fatal(found, err)
		}
	}
}

// TestRelicAgrees has relic verify what is made here, and a changed copy of it.
func TestRelicAgrees(t *testing.T) {
	tool, err := exec.LookPath("relic")
	if err != nil {
		t.Skip("relic is not installed: the comparison with it is left out")
	}
	w := newWorld()
	data := deployment{signer: w.vendor, files: someFiles}.build(t)
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"good":    {data, true},
		"changed": {bytes.Replace(data, []byte(`size="6"`), []byte(`size="7"`), 1), false},
	} {
		path := filepath.Join(t.TempDir(), "app.manifest")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		msg, err := exec.CommandContext(t.Context(), tool, "verify", "--no-trust-chain", path).CombinedOutput()
		if (err == nil) != c.want {
			t.Errorf("%s: relic says %v\n%s", name, err, msg)
		}
	}
}
