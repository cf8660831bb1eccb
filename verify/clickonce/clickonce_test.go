package clickonce

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// want is a list of codes with their statuses, such as "valid:valid".
func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent, "inconclusive": verify.Inconclusive}
	var out []verifytest.Want
	for _, item := range list {
		status, code, _ := strings.Cut(item, ":")
		out = append(out, verifytest.Want{Status: statuses[status], Code: "clickonce/" + code})
	}
	return out
}

var someFiles = map[string]string{"App.exe": "MZ app", `lib\data.txt`: "some data"}

// openssl makes a timestamp as authorities before RFC 3161 did: a signature of the value itself, with the time.
func (w *world) openssl(t testing.TB) func([]byte) []byte {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed: timestamps of the old kind are left out")
	}
	return func(value []byte) []byte {
		dir := t.TempDir()
		write := func(name string, b []byte) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		key, err := x509.MarshalPKCS8PrivateKey(w.tsa.Key)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "out")
		msg, err := exec.CommandContext(t.Context(), tool, "cms", "-sign", "-binary", "-nodetach", "-md", "sha256", "-outform", "DER", "-in", write("in", value), "-out", out,
			"-inkey", write("key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
			"-signer", write("cert", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.tsa.Certificate.Raw}))).CombinedOutput()
		if err != nil {
			t.Fatalf("openssl: %v\n%s", err, msg)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestSignedManifests(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	expired := w.root.Issue(at.Leaf{Organization: "Deployer", RSA: true, NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	for name, d := range map[string]deployment{
		"plain":                         {signer: w.vendor},
		"with files":                    {signer: w.vendor, files: someFiles},
		"SHA-512":                       {signer: w.vendor, hash: crypto.SHA512, files: someFiles},
		"with timestamp":                {signer: expired, stamp: w.token(t, 2022)},
		"another key for strong naming": {signer: w.vendor, strong: w.stranger},
	} {
		data := d.build(t)
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: verify.Artifact{Name: "App.application"}, Data: data, Env: w.env, Want: want("valid:valid"), Flips: 150})
	}
}

func TestBadManifests(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	expired := w.root.Issue(at.Leaf{Organization: "Deployer", RSA: true, NotAfter: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	other := w.root.Issue(at.Leaf{Organization: "Deployer", RSA: true})
	sub := func(old, by string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("there is no %s", old)
			}
			return strings.Replace(s, old, by, 1)
		}
	}
	good := string(deployment{signer: w.vendor, files: someFiles}.build(t))
	relData := good[strings.Index(good, "<msrel:RelData") : strings.Index(good, "</msrel:RelData>")+len("</msrel:RelData>")]
	for name, c := range map[string]struct {
		d    deployment
		want []verifytest.Want
	}{
		"a stranger":                     {deployment{signer: w.stranger}, want("untrusted:untrusted-root")},
		"expired":                        {deployment{signer: expired}, want("untrusted:expired")},
		"SHA-1":                          {deployment{signer: w.vendor, hash: crypto.SHA1}, want("untrusted:weak-digest")},
		"SHA-1 before 2021":              {deployment{signer: w.vendor, hash: crypto.SHA1, stamp: w.token(t, 2016)}, want("valid:valid", "valid:weak-digest")},
		"old timestamp":                  {deployment{signer: w.vendor, stamp: w.openssl(t)}, want("valid:valid")},
		"old timestamp of another value": {deployment{signer: w.vendor, stamp: func([]byte) []byte { return w.openssl(t)([]byte("else")) }}, want("valid:valid", "invalid:bad-timestamp")},
		"timestamp of another value":     {deployment{signer: w.vendor, stamp: func([]byte) []byte { return w.token(t, 2022)([]byte("else")) }}, want("valid:valid", "invalid:bad-timestamp")},
		"no timestamp in its place":      {deployment{signer: w.vendor, stamp: func([]byte) []byte { return []byte("MZ") }}, want("valid:valid", "invalid:bad-timestamp")},
		"strong name only":               {deployment{signer: w.vendor, strongOnly: true}, want("untrusted:strong-name-only")},
		"wrong token":                    {deployment{signer: w.vendor, token: "0123456789abcdef"}, want("invalid:identity-mismatch")},
		"changed size":                   {deployment{signer: w.vendor, files: someFiles, manifest: sub(`size="6"`, `size="7"`)}, want("invalid:digest-mismatch")},
		"file added":                     {deployment{signer: w.vendor, manifest: sub("<Signature ", `<file name="x"/><Signature `)}, want("invalid:digest-mismatch")},
		"file added after the signature": {deployment{signer: w.vendor, manifest: sub("</assembly>", `<file name="x"/></assembly>`)}, want("invalid:digest-mismatch")},
		"license of another manifest":    {deployment{signer: w.vendor, manifest: func(s string) string { return replaceLicense(s, relData) }}, want("invalid:digest-mismatch")},
		"license of another identity":    {deployment{signer: w.vendor, license: sub(`version="1.0.0.0"`, `version="2.0.0.0"`)}, want("invalid:identity-mismatch")},
		"license of another publisher":   {deployment{signer: w.vendor, license: sub("CN=Deployer", "CN=Somebody")}, want("invalid:identity-mismatch")},
		"license changed":                {deployment{signer: w.vendor, manifest: sub(`Description=""`, `Description="x"`)}, want("invalid:digest-mismatch")},
		"license without digest":         {deployment{signer: w.vendor, license: sub(` Hash="`, ` Hsah="`)}, want("invalid:malformed")},
		"another certificate":            {deployment{signer: w.vendor, manifest: func(s string) string { return swapCertificate(s, other) }}, want("invalid:bad-signature")},
		"two signatures":                 {deployment{signer: w.vendor, manifest: func(s string) string { return double(s) }}, want("invalid:malformed")},
		"signature in the body":          {deployment{signer: w.vendor, body: `<x><Signature xmlns="` + nsDS + `"></Signature></x>`}, want("invalid:malformed")},
		"object in the signature":        {deployment{signer: w.vendor, manifest: sub("</KeyInfo></Signature></assembly>", "</KeyInfo><Object>MZ</Object></Signature></assembly>")}, want("invalid:malformed")},
		"element in KeyInfo":             {deployment{signer: w.vendor, manifest: sub("</KeyInfo></Signature></assembly>", "<x/></KeyInfo></Signature></assembly>")}, want("invalid:malformed")},
		"element in the license":         {deployment{signer: w.vendor, manifest: sub("</r:issuer>", "</r:issuer><x/>")}, want("invalid:malformed")},
		"another identifier":             {deployment{signer: w.vendor, manifest: sub(`Id="AuthenticodeSignature"`, `Id="x"`)}, want("invalid:malformed")},
		"script in a comment":            {deployment{signer: w.vendor, manifest: sub("<assemblyIdentity", "<!--<script>x()</script>--><assemblyIdentity")}, want("valid:valid", "invalid:hidden-data")},
		"much in comments":               {deployment{signer: w.vendor, manifest: sub("<assemblyIdentity", "<!--"+strings.Repeat("x", 40<<10)+"--><assemblyIdentity")}, want("valid:valid", "invalid:hidden-data")},
		"a remark in a comment":          {deployment{signer: w.vendor, manifest: sub("<assemblyIdentity", "<!-- UAC options --><assemblyIdentity")}, want("valid:valid")},
		"document type":                  {deployment{signer: w.vendor, manifest: sub("<assembly ", "<!DOCTYPE assembly><assembly ")}, want("invalid:malformed")},
		"unknown algorithm":              {deployment{signer: w.vendor, manifest: sub(nsDS+"sha256", nsDS+"sha3")}, want("inconclusive:unsupported")},
		"another root":                   {deployment{signer: w.vendor, manifest: func(s string) string { return strings.ReplaceAll(s, "assembly ", "assemblies ") }}, want("invalid:malformed")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: verify.Artifact{Name: "App.application"}, Data: c.d.build(t), Env: w.env, Want: c.want, Flips: -1})
	}
	verifytest.Run(t, New(),
		verifytest.Case{Name: "unsigned.manifest", Data: []byte(`<assembly xmlns="` + nsV1 + `"/>`), Want: want("absent:unsigned")},
		verifytest.Case{Name: "wide.manifest", Data: []byte("\xff\xfe<\x00a\x00/\x00>\x00"), Want: want("inconclusive:unsupported")},
		verifytest.Case{Name: "by content", Data: []byte(good), Env: w.env, Want: want("valid:valid"), Flips: -1},
		verifytest.Case{Name: "other.xml", Data: []byte("<x/>")},
		verifytest.Case{Name: "empty.txt", Data: nil, File: os.DevNull},
	)
}

func replaceLicense(s, by string) string {
	from, to := strings.Index(s, "<msrel:RelData"), strings.Index(s, "</msrel:RelData>")+len("</msrel:RelData>")
	return s[:from] + by + s[to:]
}

func double(s string) string {
	from, to := strings.Index(s, `<Signature xmlns="`+nsDS+`" Id="StrongNameSignature"`), strings.LastIndex(s, "</assembly>")
	return s[:to] + s[from:to] + s[to:]
}

func swapCertificate(s string, other *at.Signer) string {
	from, to := strings.Index(s, "<X509Certificate>")+len("<X509Certificate>"), strings.Index(s, "</X509Certificate>")
	return s[:from] + encode(other.Certificate.Raw) + s[to:]
}

// tree serves files by reference.
type tree map[string][]byte

func (m tree) Fetch(_ context.Context, ref string, _ int64) ([]byte, error) {
	if b, ok := m[ref]; ok {
		return b, nil
	}
	return nil, verify.ErrNotExist
}

func TestDeployedFiles(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	good := deployment{signer: w.vendor, files: someFiles}.build(t)
	old := deployment{signer: w.vendor, hash: crypto.SHA1, files: someFiles, stamp: w.token(t, 2016)}.build(t)
	bad := deployment{signer: w.stranger, files: someFiles}.build(t)
	env := func(s verify.Sidecars) verify.Env {
		e := w.env
		e.Sidecars = s
		return e
	}
	place := func(path string) verify.Artifact {
		return verify.Artifact{Name: filepath.Base(path), URL: &url.URL{Scheme: "https", Host: "x.example", Path: path}}
	}
	const folder = "/app/Application Files/App_1_0_0_0/"
	for name, c := range map[string]struct {
		where, content string
		s              verify.Sidecars
		want           []verifytest.Want
	}{
		"program":                    {folder + "App.exe.deploy", "MZ app", tree{"./App.exe.manifest": good}, want("valid:listed")},
		"data in a folder":           {folder + "lib/data.txt.deploy", "some data", tree{"./../App.exe.manifest": good}, want("valid:listed")},
		"without the ending":         {folder + "App.exe", "MZ app", tree{"./App.exe.manifest": good}, want("valid:listed")},
		"manifest of a library":      {folder + "lib/data.txt.deploy", "some data", tree{"./../App.dll.manifest": good}, want("valid:listed")},
		"SHA-1 before 2021":          {folder + "App.exe.deploy", "MZ app", tree{"./App.exe.manifest": old}, want("valid:listed")},
		"changed":                    {folder + "App.exe.deploy", "MZ apq", tree{"./App.exe.manifest": good}, want("invalid:digest-mismatch")},
		"longer":                     {folder + "App.exe.deploy", "MZ app ", tree{"./App.exe.manifest": good}, want("invalid:digest-mismatch")},
		"not listed":                 {folder + "evil.exe.deploy", "MZ app", tree{"./App.exe.manifest": good}, want("absent:not-listed")},
		"manifest by a stranger":     {folder + "App.exe.deploy", "MZ app", tree{"./App.exe.manifest": bad}, want("absent:not-listed")},
		"page instead of a manifest": {folder + "App.exe.deploy", "MZ app", tree{"./App.exe.manifest": []byte("<html>")}, want("absent:not-listed")},
		"no manifest":                {folder + "App.exe.deploy", "MZ app", tree{}, want("absent:not-listed")},
		"nothing to be had":          {folder + "App.exe.deploy", "MZ app", failing{}, want("inconclusive:no-manifest")},
		"elsewhere":                  {"/app/App.exe", "MZ app", tree{}, nil},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Artifact: place(c.where), Data: []byte(c.content), Env: env(c.s), Want: c.want, Flips: 12})
	}
}

// failing is an origin that answers with errors.
type failing struct{}

func (failing) Fetch(context.Context, string, int64) ([]byte, error) {
	return nil, context.DeadlineExceeded
}

func TestSHA1EntryWithoutProofOfAge(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	files := map[string]string{"App.exe": "MZ app"}
	d := deployment{signer: w.vendor, hash: crypto.SHA1, files: files}
	listing := d.listing()
	env := w.env
	env.Sidecars = tree{"./App.exe.manifest": deployment{signer: w.vendor, body: listing}.build(t)}
	verifytest.Run(t, New(), verifytest.Case{Name: "App.exe.deploy", Data: []byte("MZ app"), Env: env, Want: want("untrusted:weak-digest")})
	twice := deployment{signer: w.vendor, files: map[string]string{"App.exe": "MZ other"}, body: listing}.build(t)
	env.Sidecars = tree{"./App.exe.manifest": twice}
	verifytest.Run(t, New(), verifytest.Case{Name: "APP.EXE.deploy", Data: []byte("MZ app"), Env: env, Want: want("absent:not-listed")})
	verifytest.Run(t, New(), verifytest.Case{Name: "App.exe.deploy", Artifact: verify.Artifact{Name: "App.exe.deploy"}, Data: []byte("MZ app"), Env: env, Want: want("inconclusive:unsupported")})
}
