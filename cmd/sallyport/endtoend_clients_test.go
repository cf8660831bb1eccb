package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

const openPolicy = "version: 1\ndefaults: {hosts: tunnel}\nhosts: {inspect: [inspected.example]}\n"

func TestCurlThroughTheProxy(t *testing.T) {
	page := []byte("<!doctype html><p>hello\n")
	origin := newFiles()
	origin.put("/", page)
	plain := httptest.NewServer(origin)
	defer plain.Close()
	secure := tlsOrigin(t, origin, "inspected.example", "tunnelled.example")
	g := newGateway(t, openPolicy, map[string]string{
		"inspected.example": secure, "tunnelled.example": secure, "plain.example": plain.Listener.Addr().String(),
	})
	g.start()
	for _, c := range []struct {
		name, url string
		args      []string
	}{
		{"inspected, HTTP/1.1", "https://inspected.example/", []string{"--http1.1"}},
		{"inspected, HTTP/2", "https://inspected.example/", []string{"--http2"}},
		{"tunnelled, HTTP/2", "https://tunnelled.example/", []string{"--http2", "--cacert", testCA(t).file}},
		{"plain", "http://plain.example/", nil},
	} {
		if got := g.curl(c.url, c.args...); got.status != "200" || !bytes.Equal(got.body, page) {
			t.Errorf("%s: status %s, body %q", c.name, got.status, got.body)
		} else if c.name == "inspected, HTTP/2" && !strings.Contains(got.header, "HTTP/2 200") {
			t.Errorf("%s: %s", c.name, got.header)
		}
	}
}

// The addresses that no client may reach through the proxy, by number and by name.
func TestPrivateAddressesAreOutOfReach(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request reached a loopback server")
	}))
	defer inside.Close()
	port := inside.URL[strings.LastIndex(inside.URL, ":")+1:]
	g := newGateway(t, "version: 1\ndefaults: {hosts: inspect}\nhosts: {ports: ["+port+"]}\n", nil)
	g.start()
	// Only what a test's own origins need is allowed in this configuration: not localhost by its other names.
	config, err := os.ReadFile(filepath.Join(g.dir, "sallyport.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	g.stop()
	g.write("sallyport.yaml", strings.Replace(string(config), "allow_private: [127.0.0.1]", "allow_private: []", 1))
	g.run()
	for _, target := range []string{
		"http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://[::1]:" + port + "/", "https://[::1]/",
		"http://127.0.0.1:" + port + "/", "http://localhost:" + port + "/", "https://localhost/", "http://0.0.0.0:" + port + "/",
		"http://[::ffff:127.0.0.1]:" + port + "/", "http://2130706433:" + port + "/", "http://0x7f.1:" + port + "/",
		"http://10.0.0.1/", "http://" + g.address + "/",
	} {
		got := g.curl(target, "--max-time", "10")
		if got.status != "403" && got.status != "400" {
			t.Errorf("%s: status %s: %.200s", target, got.status, got.body)
		}
	}
}

func TestNpmThroughTheProxy(t *testing.T) {
	need(t, "npm")
	online(t)
	registry, err := exec.Command("npm", "config", "get", "registry").Output()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(strings.TrimSpace(string(registry)))
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, "version: 1\n", map[string]string{u.Hostname(): ""})
	g.start()
	cmd := exec.Command("npm", "pack", "is-number@7.0.0", "--proxy", "http://"+g.address, "--https-proxy", "http://"+g.address, "--noproxy", "", "--cache", t.TempDir())
	cmd.Dir = t.TempDir()
	cmd.Env = clean(os.Environ())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm pack: %v\n%s", err, out)
	}
	if found, _ := filepath.Glob(filepath.Join(cmd.Dir, "*.tgz")); len(found) != 1 {
		t.Errorf("npm left %v", found)
	}
	g.mustHaveTunnelled(u.Hostname())
}

func TestGoThroughTheProxy(t *testing.T) {
	online(t)
	out, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), ",")
	u, err := url.Parse(first)
	if err != nil || u.Hostname() == "" {
		t.Skipf("GOPROXY begins with %q, which is no address to fetch from", first)
	}
	g := newGateway(t, "version: 1\n", map[string]string{u.Hostname(): ""})
	g.start()
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/google/uuid@v1.6.0")
	cmd.Dir = t.TempDir()
	cmd.Env = append(clean(os.Environ()), "HTTPS_PROXY=http://"+g.address, "HTTP_PROXY=http://"+g.address, "GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw", "SSL_CERT_FILE="+os.Getenv("SSL_CERT_FILE"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod download: %v\n%s", err, out)
	}
	g.mustHaveTunnelled(u.Hostname())
}

// mustHaveTunnelled checks that the log tells of a connection to a host that was not looked into.
func (g *gateway) mustHaveTunnelled(host string) {
	g.t.Helper()
	for range 100 {
		if out, _, code := g.sallyport("audit", "list", "--kind", "tunnel", "--json"); code == 0 && strings.Contains(out, host) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	out, errs, _ := g.sallyport("audit", "list", "--kind", "tunnel", "--json")
	g.t.Errorf("no record of a tunnel: %s%s", out, errs)
}

// Killed in the middle, again and again: nothing is half-released, the log verifies, and the proxy goes on.
func TestKilledAtAnyInstant(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 3
		t.Log("-short: 3 rounds instead of 50")
	}
	image := authenticodetest.BuildPE(authenticodetest.Image{Size: 2 << 20})
	origin := newFiles()
	for i := range 20 {
		body := bytes.Clone(image)
		body[len(body)-1] = byte(i)
		origin.put(fmt.Sprintf("/%d.exe", i), body)
	}
	g := newGateway(t, `version: 1
channels: [{name: all, hosts: [updates.example], paths: ["/**"], require: []}]
`, map[string]string{"updates.example": tlsOrigin(t, origin, "updates.example")})
	g.start()
	ca := g.exportCA()
	for i := range rounds {
		var wg sync.WaitGroup
		for j := range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				cmd := exec.Command("curl", "-s", "--max-time", "5", "--noproxy", "", "--proxy", "http://"+g.address, "--cacert", ca, "-o", os.DevNull, fmt.Sprintf("https://updates.example/%d.exe", (i*4+j)%20))
				cmd.Env = clean(os.Environ())
				cmd.Run()
			}()
		}
		time.Sleep(time.Duration(i*7%60) * time.Millisecond)
		g.kill()
		wg.Wait()
		g.run()
	}
	for i := range 20 {
		got := g.curl(fmt.Sprintf("https://updates.example/%d.exe", i))
		if got.status != "200" || !bytes.Equal(got.body, origin.by[fmt.Sprintf("/%d.exe", i)]) {
			t.Errorf("file %d: status %s, %d bytes", i, got.status, len(got.body))
		}
	}
	g.stop()
	if out, errs, code := g.sallyport("audit", "verify"); code != 0 {
		t.Errorf("audit verify: exit %d: %s%s", code, out, errs)
	}
	if left, _ := filepath.Glob(filepath.Join(g.dir, "state", "vault", "incoming", "*")); len(left) != 0 {
		t.Errorf("left behind for ever: %v", left)
	}
}

func TestVaultWithoutRoomSaysSo(t *testing.T) {
	origin := newFiles()
	origin.put("/large.exe", authenticodetest.BuildPE(authenticodetest.Image{Size: 8 << 20}))
	origin.put("/small.exe", authenticodetest.BuildPE(authenticodetest.Image{}))
	g := newGateway(t, `version: 1
channels: [{name: all, hosts: [updates.example], paths: ["/**"], require: []}]
`, map[string]string{"updates.example": tlsOrigin(t, origin, "updates.example")})
	g.config = "limits: {update: 16MiB, vault: 16MiB, client: 4MiB}\n"
	g.start()
	if got := g.curl("https://updates.example/large.exe"); got.status != "503" || len(got.body) > 4096 {
		t.Errorf("status %s, %d bytes", got.status, len(got.body))
	}
	if got := g.curl("https://updates.example/small.exe"); got.status != "200" {
		t.Errorf("a file that fits: status %s: %.300s", got.status, got.body)
	}
}

// A policy that does not parse leaves the old one in force; one that does takes its place without a connection lost.
func TestPolicyReloadedWhileServing(t *testing.T) {
	origin := newFiles()
	origin.put("/a.exe", authenticodetest.BuildPE(authenticodetest.Image{}))
	g := newGateway(t, authenticodePolicy, map[string]string{"updates.example": tlsOrigin(t, origin, "updates.example")})
	g.start()
	const url = "https://updates.example/a.exe"
	if got := g.curl(url); got.status != "403" {
		t.Fatalf("status %s", got.status)
	}
	g.write("policy.yaml", "version: 1\nchannels: [oops")
	g.waitForPolicy(2)
	if got := g.curl(url); got.status != "403" {
		t.Errorf("under a broken policy: status %s", got.status)
	}
	g.write("policy.yaml", "version: 1\nchannels: [{name: all, hosts: [updates.example], paths: [\"/**\"], require: []}]\n")
	g.confirmLoosening()
	if got := g.curl(url); got.status != "200" {
		t.Errorf("under the new policy: status %s: %.300s", got.status, got.body)
	}
}

// waitForPolicy waits until the log tells of n loads of the policy.
func (g *gateway) waitForPolicy(n int) {
	g.t.Helper()
	for range 200 {
		out, _, _ := g.sallyport("audit", "list", "--kind", "policy", "--json")
		if strings.Count(out, `"kind":"policy"`)+strings.Count(out, `"kind": "policy"`) >= n {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	g.t.Fatalf("the policy was not loaded %d times:\n%s", n, tail(g.log.String(), 3000))
}

// Shutdown finishes a download that is under way.
func TestShutdownFinishesWhatIsInFlight(t *testing.T) {
	body := authenticodetest.BuildPE(authenticodetest.Image{Size: 1 << 20})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		for i := 0; i < len(body); i += len(body)/10 + 1 {
			w.Write(body[i:min(len(body), i+len(body)/10+1)])
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	g := newGateway(t, `version: 1
channels: [{name: all, hosts: [updates.example], paths: ["/**"], require: []}]
`, map[string]string{"updates.example": tlsOrigin(t, slow, "updates.example")})
	g.start()
	g.exportCA()
	got := make(chan fetched)
	go func() { got <- g.curl("https://updates.example/a.exe") }()
	time.Sleep(400 * time.Millisecond)
	g.stop()
	if f := <-got; f.status != "200" || !bytes.Equal(f.body, body) {
		t.Errorf("status %s, %d bytes", f.status, len(f.body))
	}
	if _, err := net.DialTimeout("tcp", g.address, time.Second); err == nil {
		t.Error("the proxy still listens")
	}
}

// The refusal fits its reader: problem+json, a page, or a few lines of text, and the cause in the reason phrase.
func TestRefusalFitsItsReader(t *testing.T) {
	origin := newFiles()
	origin.put("/a.exe", authenticodetest.BuildPE(authenticodetest.Image{}))
	g := newGateway(t, authenticodePolicy, map[string]string{"updates.example": tlsOrigin(t, origin, "updates.example")})
	g.start()
	const url = "https://updates.example/a.exe"
	text := g.curl(url, "--http1.1")
	if status, _, _ := strings.Cut(text.header[strings.LastIndex(text.header, "HTTP/1.1 403"):], "\r\n"); !strings.Contains(status, "Quarantined") {
		t.Errorf("status line %q", status)
	}
	if !strings.Contains(text.header, "sallyport; error=http_request_denied") || !strings.Contains(string(text.body), "channel: windows") {
		t.Errorf("%s%s", text.header, text.body)
	}
	var problem map[string]any
	if err := json.Unmarshal(g.curl(url, "-H", "Accept: application/json").body, &problem); err != nil || problem["channel"] != "windows" ||
		!strings.HasSuffix(fmt.Sprint(problem["type"]), "/quarantined") || problem["record"] == nil || problem["sha256"] == nil {
		t.Errorf("%v: %v", err, problem)
	}
	if page := g.curl(url, "-H", "Accept: text/html"); !bytes.Contains(page.body, []byte("<html")) || !bytes.Contains(page.body, []byte("windows")) {
		t.Errorf("page: %.300s", page.body)
	}
}

// Nothing but the status line separates a vendor's hostile file name from a terminal; none of it may act there.
func TestHostileNamesStayHarmless(t *testing.T) {
	body := authenticodetest.BuildPE(authenticodetest.Image{})
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''%1B%5B2J%0D%0ASet-Cookie:%20x=1%E2%80%AEexe.pdf")
		w.Write(body)
	})
	g := newGateway(t, authenticodePolicy, map[string]string{"updates.example": tlsOrigin(t, origin, "updates.example")})
	g.start()
	got := g.curl("https://updates.example/get")
	shown, _, _ := g.sallyport("audit", "list")
	for place, text := range map[string]string{"header": got.header, "body": string(got.body), "audit list": shown, "operational log": g.log.String()} {
		if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "\nSet-Cookie: x") {
			t.Errorf("%s: %q", place, text)
		}
	}
	if got.status != "403" {
		t.Errorf("status %s", got.status)
	}
}
