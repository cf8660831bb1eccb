package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/apt/apttest"
)

// aptClient is the real apt with directories of its own.
type aptClient struct {
	t    *testing.T
	dir  string
	args []string
}

func newApt(t *testing.T, proxy, sources string) *aptClient {
	t.Helper()
	need(t, "apt-get")
	a := &aptClient{t: t, dir: t.TempDir()}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "etc", "downloads"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(a.dir, "etc", "sources.list"), []byte(sources), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "state", "status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []string{
		"Dir::State=" + a.dir + "/state", "Dir::State::status=" + a.dir + "/state/status", "Dir::Cache=" + a.dir + "/cache",
		"Dir::Etc::SourceList=" + a.dir + "/etc/sources.list", "Dir::Etc::SourceParts=-", "APT::Sandbox::User=root",
		"Acquire::http::Proxy=http://" + proxy, "Acquire::https::Proxy=http://" + proxy, "Acquire::Retries=0",
		"Acquire::Languages=none", "APT::Architecture=amd64", "APT::Architectures=amd64",
	} {
		a.args = append(a.args, "-o", o)
	}
	return a
}

// get runs apt-get and returns what it printed and whether it succeeded.
func (a *aptClient) get(args ...string) (string, bool) {
	a.t.Helper()
	cmd := exec.Command("apt-get", append(append([]string{}, a.args...), args...)...)
	cmd.Dir = filepath.Join(a.dir, "downloads")
	cmd.Env = append(clean(os.Environ()), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil && !bytes.Contains(out, []byte("\nE: ")) && !bytes.Contains(out, []byte("\nW: Failed"))
}

func (a *aptClient) downloads() []string {
	names, _ := filepath.Glob(filepath.Join(a.dir, "downloads", "*.deb"))
	return names
}

func aptPolicy(host, keyring string) string {
	return fmt.Sprintf(`version: 1
defaults: {hosts: inspect, hold_max: 5m}
anchors: {debian: {openpgp: {keyring: %s}}}
channels:
- {name: debian, hosts: [%s], paths: ["/**"], require: [{signed_by: [debian]}]}
`, keyring, host)
}

// A signed archive of our own: what apt fetches is let through, a flipped byte and a replayed index are not.
func TestAptThroughTheProxy(t *testing.T) {
	need(t, "apt-get")
	key, err := apttest.NewKey("Test Archive", time.Now().Add(-240*time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	archive := apttest.NewArchive("/debian")
	publish := func(date time.Time, version string) apttest.Package {
		t.Helper()
		pkg, err := apttest.Deb("hello", version, "amd64", "end to end")
		if err != nil {
			t.Fatal(err)
		}
		err = archive.Publish(apttest.Suite{
			Path: "bookworm", Origin: "Debian", Label: "Debian", Suite: "stable", Codename: "bookworm", Date: date,
			ValidUntil: date.Add(240 * time.Hour), Packages: []apttest.Package{pkg}, ByHash: true, Signers: []*apttest.Key{key},
		})
		if err != nil {
			t.Fatal(err)
		}
		return pkg
	}
	first := publish(time.Now().Add(-72*time.Hour), "1.0")
	old := archive.Get("dists/bookworm/InRelease")
	server := httptest.NewServer(archive)
	defer server.Close()
	const host = "archive.example"
	g := newGateway(t, aptPolicy(host, "archive.asc"), map[string]string{host: server.Listener.Addr().String()})
	g.write("archive.asc", string(public))
	g.start()
	sources := "deb [signed-by=" + filepath.Join(g.dir, "archive.asc") + "] http://" + host + "/debian bookworm main\n"
	apt := newApt(t, g.address, sources)

	if out, ok := apt.get("update"); !ok {
		t.Fatalf("apt-get update: %s", out)
	}
	if out, ok := apt.get("download", "hello"); !ok || len(apt.downloads()) != 1 {
		t.Fatalf("apt-get download hello: %s", out)
	}
	rec := g.decisions()[0]
	text, _, code := g.sallyport("audit", "show", rec.ID)
	for _, word := range []string{"debian", "bookworm", "Packages", "apt/valid", "allow"} {
		if code != 0 || !strings.Contains(text, word) {
			t.Errorf("audit show does not name %q:\n%s", word, text)
		}
	}

	archive.Flip(first.Path(false))
	os.Remove(apt.downloads()[0])
	out, ok := apt.get("download", "hello")
	if ok || !strings.Contains(out, "403") || len(apt.downloads()) != 0 {
		t.Errorf("a flipped byte passes apt-get: %s", out)
	}
	if rec := g.decisions()[0]; !strings.Contains(codes(rec), "apt/digest-mismatch") {
		t.Errorf("findings %q", codes(rec))
	}

	publish(time.Now().Add(-time.Hour), "1.1")
	if out, ok := apt.get("update"); !ok {
		t.Fatalf("the new index: %s", out)
	}
	archive.Set("dists/bookworm/InRelease", old)
	out, ok = apt.get("update")
	if ok || !strings.Contains(out, "403") {
		t.Errorf("a replayed index passes apt-get: %s", out)
	}
	if rec := g.decisions()[0]; !strings.Contains(codes(rec), "apt/rollback") {
		t.Errorf("findings %q", codes(rec))
	}
}

// machineSources returns the first source of this machine's own apt: its URI, a suite and its keyring.
func machineSources(t *testing.T) (uri *url.URL, suite, keyring string) {
	t.Helper()
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(SITE)|$(REPO_URI)|$(SUITE)|$(SIGNED_BY)|$(CREATED_BY)").Output()
	if err != nil {
		t.Skipf("this machine's apt has no sources to try: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) == 5 && f[4] == "Packages" && strings.HasPrefix(f[1], "http") {
			u, err := url.Parse(f[1])
			keyring := f[3]
			if keyring == "" {
				keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
			}
			if _, statErr := os.Stat(keyring); err == nil && statErr == nil {
				return u, f[2], keyring
			}
		}
	}
	t.Skip("this machine's apt has no source over HTTP whose keyring is known")
	return nil, "", ""
}

// The machine's own archive, as it is and through a mirror that lies about one byte.
func TestMachinesOwnArchiveThroughTheProxy(t *testing.T) {
	need(t, "apt-get")
	online(t)
	uri, suite, keyring := machineSources(t)
	g := newGateway(t, aptPolicy(uri.Hostname(), keyring), map[string]string{uri.Hostname(): ""})
	g.start()
	sources := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, uri, suite)
	apt := newApt(t, g.address, sources)
	if out, ok := apt.get("update"); !ok {
		t.Fatalf("apt-get update: %s", out)
	}
	if out, ok := apt.get("download", "hello"); !ok || len(apt.downloads()) != 1 {
		t.Fatalf("apt-get download hello: %s", out)
	}
	text, _, _ := g.sallyport("audit", "show", g.decisions()[0].ID)
	for _, word := range []string{"hello", "apt/valid", "debian", suite, "Packages"} {
		if !strings.Contains(text, word) {
			t.Errorf("audit show does not name %q:\n%s", word, text)
		}
	}
	g.stop()

	g.origins[uri.Hostname()] = lyingMirror(t, uri)
	g.start()
	apt = newApt(t, g.address, strings.Replace(sources, "https://", "http://", 1))
	if out, ok := apt.get("update"); !ok {
		t.Fatalf("apt-get update through the mirror: %s", out)
	}
	if out, ok := apt.get("download", "hello"); ok || !strings.Contains(out, "403") || len(apt.downloads()) != 0 {
		t.Errorf("a flipped byte passes apt-get: %s", out)
	}
	if rec := g.decisions()[0]; !strings.Contains(codes(rec), "apt/digest-mismatch") {
		t.Errorf("findings %q", codes(rec))
	}
}

// lyingMirror passes everything on to the archive, but flips one byte of every package.
func lyingMirror(t *testing.T, archive *url.URL) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := *r.URL
		u.Scheme, u.Host = archive.Scheme, archive.Host
		req, err := http.NewRequestWithContext(r.Context(), r.Method, u.String(), nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req.Header.Set("Accept-Encoding", "identity")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if strings.HasSuffix(u.Path, ".deb") && len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		w.WriteHeader(resp.StatusCode)
		w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// online skips a test that needs this machine's package registries, unless the run may use them.
func online(t *testing.T) {
	t.Helper()
	if os.Getenv("SALLYPORT_ONLINE") == "" {
		t.Skip("SALLYPORT_ONLINE is not set: fetching from this machine's package registries is left out; .ci/test sets it")
	}
}
