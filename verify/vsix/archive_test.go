package vsix

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// signatureManifest is the manifest of a signature archive over a package.
func signatureManifest(data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf(`{"package":{"size":%d,"digests":{"sha256":"%s"}},"entries":{"%s":{"size":4,"digests":{"sha256":"%s"}}}}`,
		len(data), encode(sum[:]), encode([]byte(manifestName)), encode(sum[:]))
}

// openssl signs content, detached, with the openssl tool.
func openssl(t testing.TB, content string, signer *at.Signer) string {
	t.Helper()
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed: signature archives that it signs are left out")
	}
	dir := t.TempDir()
	write := func(name, kind string, ders ...[]byte) string {
		var b []byte
		for _, der := range ders {
			b = append(b, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(signer.Key)
	if err != nil {
		t.Fatal(err)
	}
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"cms", "-sign", "-binary", "-md", "sha384", "-outform", "DER", "-in", in, "-out", out, "-inkey", write("key", "PRIVATE KEY", key),
		"-signer", write("signer", "CERTIFICATE", signer.Certificate.Raw)}
	if len(signer.Chain) > 0 {
		args = append(args, "-certfile", write("chain", "CERTIFICATE", signer.Chain...))
	}
	if msg, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sidecars serves one file.
type sidecars struct {
	ref  string
	data []byte
	err  error
}

func (s sidecars) Fetch(_ context.Context, ref string, _ int64) ([]byte, error) {
	if ref != s.ref {
		return nil, verify.ErrNotExist
	}
	return s.data, s.err
}

func TestSignatureArchives(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	data := pack(t, []file{{manifestName, "<x/>"}})
	manifest := signatureManifest(data)
	p7s := openssl(t, manifest, w.vendor)
	good := pack(t, []file{{archiveManifest, manifest}, {archiveSignature, p7s}})
	signed := func(manifest string) []byte {
		return pack(t, []file{{archiveManifest, manifest}, {archiveSignature, openssl(t, manifest, w.vendor)}})
	}
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"good":                {good, want("valid:valid")},
		"by a stranger":       {pack(t, []file{{archiveManifest, manifest}, {archiveSignature, openssl(t, manifest, w.stranger)}}), want("untrusted:untrusted-root")},
		"changed manifest":    {pack(t, []file{{archiveManifest, strings.Replace(manifest, `"size":4`, `"size":5`, 1)}, {archiveSignature, p7s}}), want("invalid:bad-signature")},
		"no signature":        {pack(t, []file{{archiveManifest, manifest}}), want("invalid:malformed")},
		"empty signature":     {pack(t, []file{{archiveManifest, manifest}, {archiveSignature, ""}}), want("absent:unsigned")},
		"Open VSX":            {pack(t, []file{{archiveManifest, manifest}, {archiveSignature, ""}, {archiveOpen, strings.Repeat("x", 64)}}), want("inconclusive:foreign-signature")},
		"another entry":       {pack(t, []file{{archiveManifest, manifest}, {archiveSignature, p7s}, {"x.exe", "MZ"}}), want("invalid:malformed")},
		"manifest twice":      {pack(t, []file{{archiveManifest, manifest}, {archiveManifest, "{}"}, {archiveSignature, p7s}}), want("invalid:malformed")},
		"a key twice":         {signed(strings.Replace(manifest, `{"package"`, `{"package":{"size":1,"digests":{"sha256":"`+encode(make([]byte, 32))+`"}},"package"`, 1)), want("invalid:malformed")},
		"an unknown key":      {signed(strings.Replace(manifest, `{"package"`, `{"x":1,"package"`, 1)), want("invalid:malformed")},
		"a key in capitals":   {signed(strings.Replace(manifest, `"package"`, `"Package"`, 1)), want("invalid:malformed")},
		"no package":          {signed(`{"entries":{}}`), want("invalid:malformed")},
		"text after it":       {signed(manifest + "x"), want("invalid:malformed")},
		"a short digest":      {signed(`{"package":{"size":1,"digests":{"sha256":"AAAA"}}}`), want("invalid:malformed")},
		"a negative size":     {signed(strings.Replace(manifest, `"size":4`, `"size":-4`, 1)), want("invalid:malformed")},
		"something before it": {append([]byte("MZ"), good...), nil},
	} {
		expected := c.want
		if expected == nil {
			expected = want("invalid:malformed")
		}
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: verify.Artifact{Name: "a.sigzip"}, Data: c.data, Env: w.env, Want: expected, Flips: -1})
	}
	verifytest.Run(t, New(), verifytest.Case{Name: "flipped", Artifact: verify.Artifact{Name: "a.sigzip"}, Data: good, Env: w.env, Want: want("valid:valid"), Uncovered: uncovered(good), Flips: 200})
}

func TestArchiveBesideAnExtension(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	data := pack(t, []file{{manifestName, "<x/>"}})
	manifest := signatureManifest(data)
	good := pack(t, []file{{archiveManifest, manifest}, {archiveSignature, openssl(t, manifest, w.vendor)}})
	changed := pack(t, []file{{manifestName, "<y/>"}})
	env := func(s verify.Sidecars) verify.Env {
		e := w.env
		e.Sidecars = s
		return e
	}
	for name, c := range map[string]struct {
		data []byte
		s    verify.Sidecars
		want []verifytest.Want
	}{
		"good":          {data, sidecars{"./a%20b.sigzip", good, nil}, want("valid:valid")},
		"changed":       {changed, sidecars{"./a%20b.sigzip", good, nil}, want("invalid:digest-mismatch")},
		"absent":        {data, sidecars{}, want("absent:unsigned")},
		"none at all":   {data, verify.NoSidecars{}, want("absent:unsigned")},
		"not to be had": {data, sidecars{"./a%20b.sigzip", nil, context.DeadlineExceeded}, want("inconclusive:no-sidecar")},
		"too large":     {data, sidecars{"./a%20b.sigzip", nil, verify.ErrTooLarge}, want("inconclusive:no-sidecar")},
		"a page":        {data, sidecars{"./a%20b.sigzip", []byte("<html>"), nil}, want("inconclusive:no-sidecar")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: verify.Artifact{Name: "a b.vsix"}, Data: c.data, Env: env(c.s), Want: c.want, Flips: 40})
	}
}

func TestSidecarReferences(t *testing.T) {
	for where, ref := range map[string]string{
		"https://x.example/a/pub.ext-1.0.0.vsix": "./pub.ext-1.0.0.sigzip",
		"https://x.example/extensions/p/e/1.0.0/1/Microsoft.VisualStudio.Services.VSIXPackage?targetPlatform=linux-x64": "./Microsoft.VisualStudio.Services.VsixSignature?targetPlatform=linux-x64",
		"https://x.example/vspackage": "",
	} {
		a := artifact("x", nil)
		a.URL = parseURL(t, where)
		if got := sidecar(a); got != ref {
			t.Errorf("%s: %q, want %q", where, got, ref)
		}
	}
}
