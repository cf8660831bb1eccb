package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rpmWorkshop builds and signs packages and repositories with the distribution's own tools.
type rpmWorkshop struct {
	t    *testing.T
	dir  string
	repo string // served as the root of the repository
	key  string // file of the public key
}

func newRPMWorkshop(t *testing.T) *rpmWorkshop {
	t.Helper()
	for _, tool := range []string{"rpm", "rpmbuild", "rpmsign", "createrepo_c", "gpg", "dnf"} {
		need(t, tool)
	}
	w := &rpmWorkshop{t: t, dir: t.TempDir()}
	w.repo, w.key = filepath.Join(w.dir, "repo"), filepath.Join(w.dir, "key.asc")
	for _, d := range []string{"gnupg", "repo/Packages"} {
		if err := os.MkdirAll(filepath.Join(w.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", filepath.Join(w.dir, "gnupg"), "--kill", "all").Run() })
	w.run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", "builder@example.org", "rsa2048", "sign", "0")
	if err := os.WriteFile(w.key, w.run("gpg", "--armor", "--export", "builder@example.org"), 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *rpmWorkshop) run(name string, args ...string) []byte {
	w.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(clean(os.Environ()), "GNUPGHOME="+filepath.Join(w.dir, "gnupg"), "LC_ALL=C")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, errs.String())
	}
	return out
}

// pkg puts a signed package of this version into the repository and returns its path there.
func (w *rpmWorkshop) pkg(version string) string {
	w.t.Helper()
	spec := filepath.Join(w.dir, "hello.spec")
	text := "Name: hello\nVersion: " + version + "\nRelease: 1\nSummary: hello\nLicense: MIT\nBuildArch: noarch\n%description\nhello\n" +
		"%install\nmkdir -p %{buildroot}/opt/hello\nseq 5000 > %{buildroot}/opt/hello/numbers\n%files\n/opt/hello\n"
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.run("rpmbuild", "-bb", "--define", "_topdir "+w.dir+"/top", "--define", "debug_package %{nil}", spec)
	name := "Packages/hello-" + version + "-1.noarch.rpm"
	data, err := os.ReadFile(filepath.Join(w.dir, "top/RPMS/noarch", filepath.Base(name)))
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.repo, name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.run("rpmsign", "--define", "_gpg_name builder@example.org", "--define",
		"__gpg_sign_cmd /usr/bin/gpg gpg --batch --no-armor -u %{_gpg_name} -sbo %{__signature_filename} --digest-algo sha256 %{__plaintext_filename}",
		"--addsign", file)
	return name
}

// publish makes the repository's metadata as of that moment and signs it.
func (w *rpmWorkshop) publish(at time.Time) {
	w.t.Helper()
	w.run("createrepo_c", "--quiet", "--revision", fmt.Sprint(at.Unix()), "--set-timestamp-to-revision", w.repo)
	repomd := filepath.Join(w.repo, "repodata", "repomd.xml")
	os.Remove(repomd + ".asc")
	w.run("gpg", "--batch", "--armor", "--detach-sign", "-u", "builder@example.org", repomd)
}

// dnfClient is the real dnf with an installation of its own.
type dnfClient struct {
	t    *testing.T
	dir  string
	args []string
}

func newDNF(t *testing.T, agent, proxy, baseurl, key string) *dnfClient {
	t.Helper()
	d := &dnfClient{t: t, dir: t.TempDir()}
	repos := filepath.Join(d.dir, "repos")
	for _, sub := range []string{"repos", "log", "cache", "persist", "root"} {
		if err := os.MkdirAll(filepath.Join(d.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("[ours]\nname=ours\nbaseurl=%s\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://%s\nproxy=http://%s\nretries=1\nzchunk=0\nuser_agent=%s\n", baseurl, key, proxy, agent)
	if err := os.WriteFile(filepath.Join(repos, "ours.repo"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	d.args = []string{
		"-y", "--installroot=" + d.root(), "--releasever=1", "--setopt=reposdir=" + repos, "--setopt=cachedir=" + filepath.Join(d.dir, "cache"),
		"--setopt=persistdir=" + filepath.Join(d.dir, "persist"), "--setopt=logdir=" + filepath.Join(d.dir, "log"),
		"--setopt=install_weak_deps=0", "--setopt=plugins=0", "--setopt=module_platform_id=platform:test", "--setopt=varsdir=" + repos,
	}
	return d
}

func (d *dnfClient) root() string { return filepath.Join(d.dir, "root") }

// dnf returns what dnf printed and whether it succeeded.
func (d *dnfClient) dnf(args ...string) (string, bool) {
	d.t.Helper()
	cmd := exec.Command("dnf", append(append([]string{}, d.args...), args...)...)
	cmd.Env = append(clean(os.Environ()), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// installed returns what rpm says is installed.
func (d *dnfClient) installed() string {
	out, _ := exec.Command("rpm", "--root", d.root(), "-qa").CombinedOutput()
	return string(out)
}

// A signed repository of our own: what dnf installs is let through, a changed package and a replayed index are not.
func TestDNFThroughTheProxy(t *testing.T) {
	w := newRPMWorkshop(t)
	first := w.pkg("1.0")
	w.publish(time.Now().Add(-72 * time.Hour))
	server := httptest.NewServer(http.FileServer(http.Dir(w.dir)))
	defer server.Close()
	const host = "packages.example"
	g := newGateway(t, fmt.Sprintf(`version: 1
defaults: {hosts: inspect, hold_max: 5m}
anchors: {ours: {openpgp: {keyring: %s}}}
channels:
- {name: ours, hosts: [%s], paths: ["/**"], require: [{signed_by: [ours]}]}
`, w.key, host), map[string]string{host: server.Listener.Addr().String()})
	g.start()
	// What one client fetched is, for some seconds, not asked of the origin again for another; clients that call
	// themselves differently share nothing.
	clients := 0
	client := func() *dnfClient {
		clients++
		return newDNF(t, fmt.Sprintf("dnf/test.%d", clients), g.address, "http://"+host+"/repo", w.key)
	}

	d := client()
	if out, ok := d.dnf("install", "hello"); !ok || !strings.Contains(d.installed(), "hello-1.0-1.noarch") {
		t.Fatalf("dnf install hello: %s\ninstalled: %s", out, d.installed())
	}
	rec := g.decisions()[0]
	for _, code := range []string{"rpm/valid", "rpm-repo/listed"} {
		if !strings.Contains(codes(rec), code) {
			t.Errorf("findings %q lack %s", codes(rec), code)
		}
	}

	file := filepath.Join(w.repo, first)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[len(bad)-100] ^= 1
	if err := os.WriteFile(file, bad, 0o644); err != nil {
		t.Fatal(err)
	}
	d = client()
	if out, ok := d.dnf("install", "hello"); ok || !strings.Contains(out, "403") || strings.Contains(d.installed(), "hello") {
		t.Errorf("a changed package passes dnf: %s\ninstalled: %s", out, d.installed())
	}
	rec = g.decisions()[0]
	for _, code := range []string{"rpm/digest-mismatch", "rpm-repo/digest-mismatch"} {
		if !strings.Contains(codes(rec), code) {
			t.Errorf("findings %q lack %s", codes(rec), code)
		}
	}
	if err := os.WriteFile(file, good, 0o644); err != nil {
		t.Fatal(err)
	}

	old := map[string][]byte{}
	files, err := filepath.Glob(filepath.Join(w.repo, "repodata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if old[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	w.pkg("1.1")
	w.publish(time.Now().Add(-time.Hour))
	d = client()
	if out, ok := d.dnf("install", "hello"); !ok || !strings.Contains(d.installed(), "hello-1.1-1.noarch") {
		t.Fatalf("the new index: %s\ninstalled: %s", out, d.installed())
	}
	for f, body := range old {
		if err := os.WriteFile(f, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d = client()
	if out, ok := d.dnf("install", "hello"); ok || !strings.Contains(out, "403") {
		t.Errorf("a replayed index passes dnf: %s", out)
	}
	if rec := g.decisions()[0]; !strings.Contains(codes(rec), "rpm-repo/rollback") {
		t.Errorf("findings %q", codes(rec))
	}
}
