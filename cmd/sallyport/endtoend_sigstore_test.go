package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// jsonSite serves what is put into it, by path, as the media type that goes with the name; without an ending that is JSON, as
// registries serve it. What begins with "=> " is a redirect.
type jsonSite struct {
	mu sync.Mutex
	by map[string][]byte
}

func newJSONSite() *jsonSite { return &jsonSite{by: map[string][]byte{}} }

func (s *jsonSite) put(path string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[path] = body; body == nil {
		delete(s.by, path)
	}
}

// ServeHTTP implements http.Handler.
func (s *jsonSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	body, ok := s.by[r.URL.Path]
	s.mu.Unlock()
	to, redirects := strings.CutPrefix(string(body), "=> ")
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case redirects:
		http.Redirect(w, r, to, http.StatusFound)
		return
	case strings.Contains(r.URL.Path, "/store/"), strings.HasSuffix(r.URL.Path, ".tgz"):
		w.Header().Set("Content-Type", "application/octet-stream")
	default:
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body)
}

// realPackage returns a real package of npm with the provenance that was recorded for it.
func realPackage(t *testing.T) (tarball, provenance []byte) {
	t.Helper()
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: the real package of npm with its real provenance is left out; .ci/test fetches it")
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, "sigstore", filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			t.Skipf("%s is not among the samples: the real package of npm with its real provenance is left out", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	return read("npm/sigstore-2.0.0.tgz"), read("sigstore-go/bundles/sigstore.js@2.0.0-provenance.sigstore.json")
}

const (
	realHost     = "registry.example"
	realTarball  = "/sigstore/-/sigstore-2.0.0.tgz"
	realAttested = "/-/npm/v1/attestations/sigstore@2.0.0"
	realIdentity = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main"
)

// realPolicy asks for packages by one identity, and for what they are built from.
func realPolicy(identity string) string {
	return fmt.Sprintf(`version: 1
defaults: {hosts: tunnel, hold_max: 2m}
anchors: {publisher: {sigstore: {issuer: "https://token.actions.githubusercontent.com", identity: %q}}}
channels:
- name: npm
  hosts: [%s]
  require:
  - signed_by: [publisher]
  - provenance: {source: "https://github.com/sigstore/sigstore-js", ref: "refs/heads/main", predicate: slsa, signed_by: [publisher]}
`, identity, realHost)
}

// registryOf is a registry of npm with one package.
func registryOf(tarball, provenance []byte) *jsonSite {
	s := newJSONSite()
	long, short := sha512.Sum512(tarball), sha1.Sum(tarball)
	version := map[string]any{"name": "sigstore", "version": "2.0.0", "dist": map[string]any{
		"tarball": "https://" + realHost + realTarball, "integrity": "sha512-" + base64.StdEncoding.EncodeToString(long[:]), "shasum": fmt.Sprintf("%x", short),
	}}
	document, err := json.Marshal(map[string]any{
		"name": "sigstore", "dist-tags": map[string]string{"latest": "2.0.0"}, "versions": map[string]any{"2.0.0": version},
	})
	if err != nil {
		panic(err) // strings and maps of them always fit
	}
	s.put("/sigstore", document)
	s.put(realTarball, tarball)
	s.put(realAttested, sigstoretest.NPM(provenance))
	return s
}

// findingIn returns the first finding of a record with that code, and reports whether there is one.
func findingIn(rec audit.Record, code string) (audit.Finding, bool) {
	for _, f := range rec.Findings {
		if f.Code == code {
			return f, true
		}
	}
	return audit.Finding{}, false
}

// A real package with its real provenance is let through for the identity that built it, and for no other.
func TestNPMProvenanceThroughTheProxy(t *testing.T) {
	tarball, provenance := realPackage(t)
	registry := registryOf(tarball, provenance)
	g := newGateway(t, realPolicy(realIdentity), map[string]string{realHost: tlsOrigin(t, registry, realHost)})
	g.start()
	get := func(agent string) fetched { return g.curl("https://"+realHost+realTarball, "-A", agent) }
	if got := get("a/1"); got.status != "200" || !bytes.Equal(got.body, tarball) {
		t.Fatalf("status %s, %d bytes: %.1000s", got.status, len(got.body), got.body)
	}
	rec := g.decisions()[0]
	f, ok := findingIn(rec, "sigstore/valid")
	if !ok || f.Signer != realIdentity || f.Issuer != "https://token.actions.githubusercontent.com" || f.Attestation == nil || f.Attestation.Source != "https://github.com/sigstore/sigstore-js" || f.SignedAt.IsZero() {
		t.Errorf("findings %q: %+v", codes(rec), f)
	}
	out, errs, code := g.sallyport("audit", "show", rec.ID)
	for _, want := range []string{realIdentity + ", issuer https://token.actions", "states   slsa (https://slsa.dev/provenance/v1)", "source https://github.com/sigstore/sigstore-js", "run      https://github.com/sigstore/sigstore-js/actions/runs/"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("audit show does not say %q: %s%s", want, out, errs)
		}
	}

	// A single byte, and the provenance is another file's.
	bad := bytes.Clone(tarball)
	bad[len(bad)/2] ^= 1
	registry.put(realTarball, bad)
	if got := get("a/2"); got.status != "403" || !strings.Contains(string(got.body), "sigstore/") {
		t.Errorf("a changed package: status %s: %.1000s", got.status, got.body)
	}
	if rec := g.decisions()[0]; !strings.Contains(codes(rec), "sigstore/subject-mismatch") {
		t.Errorf("a changed package: %q", codes(rec))
	}
	registry.put(realTarball, tarball)

	// Provenance that was always there and now is not.
	registry.put(realAttested, nil)
	if got := get("a/3"); got.status != "403" {
		t.Errorf("without its provenance: status %s", got.status)
	}
	if rec := g.decisions()[0]; !strings.Contains(codes(rec), "sigstore/regressed") {
		t.Errorf("without its provenance: %q", codes(rec))
	}
	registry.put(realAttested, sigstoretest.NPM(provenance))

	// Somebody else's identity.
	g.write("policy.yaml", realPolicy("https://github.com/somebody/else/.github/workflows/release.yml@*"))
	var got fetched
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if got = get("a/4"); got.status == "403" {
			break
		}
	}
	if got.status != "403" || !strings.Contains(string(got.body), realIdentity) {
		t.Errorf("for another identity: status %s: %.1000s", got.status, got.body)
	}
	rec = g.decisions()[0]
	if f, ok := findingIn(rec, "sigstore/unknown-signer"); !ok || f.Signer != realIdentity || f.Status != verify.Untrusted {
		t.Errorf("for another identity: %q %+v", codes(rec), f)
	}
}

// The real npm installs through the proxy what has the right provenance, and not what has not.
func TestNPMInstallThroughTheProxy(t *testing.T) {
	need(t, "npm")
	tarball, provenance := realPackage(t)
	registry := registryOf(tarball, provenance)
	g := newGateway(t, realPolicy(realIdentity), map[string]string{realHost: tlsOrigin(t, registry, realHost)})
	g.start()
	ca := g.exportCA()
	install := func() (string, string, error) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"test","version":"1.0.0"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("npm", "install", "sigstore@2.0.0", "--registry", "https://"+realHost+"/", "--proxy", "http://"+g.address, "--https-proxy", "http://"+g.address,
			"--noproxy", "", "--cafile", ca, "--cache", filepath.Join(dir, "cache"), "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries", "0", "--userconfig", filepath.Join(dir, "npmrc"))
		cmd.Dir, cmd.Env = dir, clean(os.Environ())
		out, err := cmd.CombinedOutput()
		return filepath.Join(dir, "node_modules", "sigstore", "package.json"), string(out), err
	}
	if file, out, err := install(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	} else if _, err := os.Stat(file); err != nil {
		t.Fatalf("npm says that it installed: %v\n%s", err, out)
	}
	if rec := g.decisions()[0]; rec.Channel != "npm" || !strings.Contains(codes(rec), "sigstore/valid") {
		t.Errorf("%q", codes(rec))
	}
	g.stop()
	g.write("policy.yaml", realPolicy("https://github.com/somebody/else/*"))
	g.run()
	if file, out, err := install(); err == nil || !strings.Contains(out, "403") {
		t.Errorf("for another identity: %v\n%s", err, out)
	} else if _, err := os.Stat(file); err == nil {
		t.Error("for another identity it is installed all the same")
	}
}

// releasePage is a page of releases that keeps its files in an object store, as that of a forge.
type releasePage struct {
	*gateway
	instance    *sigstoretest.Instance
	page, store *jsonSite
	objects     int
}

const (
	releaseHost     = "code.example"
	releaseFolder   = "/acme/tool/releases/download/"
	releaseIssuer   = "https://issuer.example"
	releaseIdentity = "https://code.example/acme/tool/.github/workflows/release.yml@refs/tags/v1.0.0"
)

func releasePolicy(identity string) string {
	return fmt.Sprintf(`version: 1
defaults: {hosts: tunnel, hold_max: 2m}
anchors: {acme: {sigstore: {issuer: %q, identity: %q, trusted_root: trusted-root.json}}}
channels:
- name: acme
  hosts: [%s]
  paths: ["/acme/**"]
  require:
  - provenance: {source: "https://code.example/acme/tool", ref: "refs/tags/v*", predicate: slsa, signed_by: [acme]}
`, releaseIssuer, identity, releaseHost)
}

func newReleasePage(t *testing.T, identity string) *releasePage {
	t.Helper()
	p := &releasePage{instance: sigstoretest.New("sigstore.example", time.Now().Add(-24*time.Hour)), page: newJSONSite(), store: newJSONSite()}
	p.gateway = newGateway(t, releasePolicy(identity), map[string]string{
		releaseHost: tlsOrigin(t, p.page, releaseHost), "objects.example": tlsOrigin(t, p.store, "objects.example"),
	})
	p.write("trusted-root.json", string(p.instance.TrustedRoot()))
	p.start()
	return p
}

// upload puts a file into the store under a name that says nothing, and a link to it on the page.
func (p *releasePage) upload(path string, body []byte) {
	p.objects++
	object := fmt.Sprintf("/store/%04x-%d", p.objects*7919, p.objects)
	p.store.put(object, body)
	p.page.put(path, []byte("=> https://objects.example"+object+"?X-Signature=secret"))
}

// provenance returns a bundle that says that the file was built from a tag.
func (p *releasePage) provenance(name, tag string, body []byte) []byte {
	statement := sigstoretest.Provenance(sigstoretest.Build{
		Builder: "https://code.example/builder", Type: "https://code.example/type", Source: "https://code.example/acme/tool", Ref: "refs/tags/" + tag, Commit: strings.Repeat("ab", 20),
	}, sigstoretest.Of(name, body))
	return p.instance.Attest(statement, sigstoretest.Signer{
		Identity: releaseIdentity, Issuer: releaseIssuer, Workload: verify.Workload{Runner: "hosted", Trigger: "release", Run: "https://code.example/acme/tool/runs/1"},
	})
}

// A release asset whose address redirects to an object store, as does its bundle's, is judged by what lies beside the
// address that was asked for.
func TestReleaseAssetThroughTheProxy(t *testing.T) {
	p := newReleasePage(t, "https://code.example/acme/tool/.github/workflows/release.yml@refs/tags/*")
	body := bytes.Repeat([]byte("a tool of some length\n"), 5000)
	const asset = releaseFolder + "v1.0.0/tool-1.0.0.tar.gz"
	p.upload(asset, body)
	p.upload(asset+".sigstore.json", p.provenance("tool-1.0.0.tar.gz", "v1.0.0", body))
	get := func(agent, path string) fetched { return p.curl("https://"+releaseHost+path, "-L", "-A", agent) }
	if got := get("b/1", asset); got.status != "200" || !bytes.Equal(got.body, body) {
		t.Fatalf("status %s, %d bytes: %.1000s", got.status, len(got.body), got.body)
	}
	rec := p.decisions()[0]
	f, ok := findingIn(rec, "sigstore/valid")
	if !ok || rec.Channel != "acme" || rec.Artifact.Name != "tool-1.0.0.tar.gz" || f.Attestation == nil || f.Attestation.Ref != "refs/tags/v1.0.0" || f.Workload == nil || f.Workload.Run != "https://code.example/acme/tool/runs/1" {
		t.Errorf("channel %s, %q: %+v, %+v", rec.Channel, codes(rec), rec.Artifact, f)
	}
	if strings.Contains(fmt.Sprint(rec), "secret") {
		t.Error("the record holds a signed URL's secret")
	}

	// The same by the command, from a folder and without any network: the same finding, and another file is refused.
	folder := t.TempDir()
	for name, data := range map[string][]byte{"tool-1.0.0.tar.gz.sigstore.json": p.provenance("tool-1.0.0.tar.gz", "v1.0.0", body), "tool": body, "bad": body[1:]} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]int{"tool": 0, "bad": 1} {
		out, errs, exit := p.verifyWith(filepath.Join(t.TempDir(), "none"), "--url", "https://"+releaseHost+asset, "--sidecars", folder, filepath.Join(folder, file))
		if exit != want || want == 0 && !strings.Contains(out, "sigstore/valid") {
			t.Errorf("verify %s: exit %d: %s%s", file, exit, out, errs)
		}
	}

	// Other bytes in the store, under an address that redirects there.
	p.upload(asset, append([]byte("x"), body[1:]...))
	if got := get("b/2", asset); got.status != "403" {
		t.Errorf("changed bytes: status %s", got.status)
	}
	if rec := p.decisions()[0]; !strings.Contains(codes(rec), "sigstore/subject-mismatch") {
		t.Errorf("changed bytes: %q", codes(rec))
	}

	// A later release without provenance.
	const later = releaseFolder + "v1.1.0/tool-1.1.0.tar.gz"
	p.upload(later, append(body, "more"...))
	if got := get("b/3", later); got.status != "403" {
		t.Errorf("a release without provenance: status %s", got.status)
	}
	if rec := p.decisions()[0]; !strings.Contains(codes(rec), "sigstore/regressed") {
		t.Errorf("a release without provenance: %q", codes(rec))
	}
	p.upload(later+".sigstore.json", p.provenance("tool-1.1.0.tar.gz", "v1.1.0", append(body, "more"...)))
	if got := get("b/4", later); got.status != "200" {
		t.Errorf("with its provenance: status %s: %.1000s", got.status, got.body)
	}

	// Built from something that is no tag.
	const branch = releaseFolder + "nightly/tool-1.2.0.tar.gz"
	p.upload(branch, append(body, "nightly"...))
	statement := sigstoretest.Provenance(sigstoretest.Build{Builder: "https://code.example/builder", Source: "https://code.example/acme/tool", Ref: "refs/heads/main"}, sigstoretest.Of("tool-1.2.0.tar.gz", append(body, "nightly"...)))
	p.upload(branch+".sigstore.json", p.instance.Attest(statement, sigstoretest.Signer{Identity: releaseIdentity, Issuer: releaseIssuer}))
	if got := get("b/5", branch); got.status != "403" || !strings.Contains(string(got.body), "refs/heads/main") {
		t.Errorf("from a branch: status %s: %.1000s", got.status, got.body)
	}
}

// The same asset for another identity, and with a bundle by an instance that nobody trusts.
func TestReleaseAssetOfSomebodyElse(t *testing.T) {
	p := newReleasePage(t, "https://code.example/somebody/else/*")
	body := bytes.Repeat([]byte("a tool of some length\n"), 5000)
	const asset = releaseFolder + "v1.0.0/tool-1.0.0.tar.gz"
	p.upload(asset, body)
	p.upload(asset+".sigstore.json", p.provenance("tool-1.0.0.tar.gz", "v1.0.0", body))
	if got := p.curl("https://"+releaseHost+asset, "-L"); got.status != "403" || !strings.Contains(string(got.body), "refs/tags/v1.0.0") {
		t.Errorf("status %s: %.1000s", got.status, got.body)
	}
	if rec := p.decisions()[0]; !strings.Contains(codes(rec), "sigstore/unknown-signer") {
		t.Errorf("%q", codes(rec))
	}
	p.instance = sigstoretest.New("another.example", time.Now().Add(-24*time.Hour))
	p.upload(asset+".sigstore.json", p.provenance("tool-1.0.0.tar.gz", "v1.0.0", body))
	if got := p.curl("https://"+releaseHost+asset, "-L", "-A", "c/2"); got.status != "403" {
		t.Errorf("another instance: status %s", got.status)
	}
	if rec := p.decisions()[0]; strings.Contains(codes(rec), "sigstore/valid") || !strings.Contains(codes(rec), "sigstore/") {
		t.Errorf("another instance: %q", codes(rec))
	}
}
