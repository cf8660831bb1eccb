package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// The end-to-end tests run the built binary as a process of its own, between real clients and real servers.

// built returns the path of the binary, built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sallyport-endtoend-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sallyport")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building sallyport: %w\n%s", err, out)
	}
	return path, nil
})

// gateway is a running proxy with a directory of its own.
type gateway struct {
	t        *testing.T
	dir      string // configuration, policy and state lie here
	binary   string
	address  string // of the proxy
	cmd      *exec.Cmd
	log      bytes.Buffer
	origins  map[string]string // host: address
	config   string            // further configuration
	upstream string            // further keys of its section upstream
}

// newGateway prepares a proxy that reaches each named host at the address given for it, trusting the test's own CA.
func newGateway(t *testing.T, policy string, origins map[string]string) *gateway {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, dir: t.TempDir(), binary: binary, origins: origins}
	g.write("policy.yaml", policy)
	t.Cleanup(g.replayed)
	return g
}

func (g *gateway) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// start writes the configuration and runs the proxy until the test ends.
func (g *gateway) start() {
	g.t.Helper()
	g.configure()
	g.run()
	g.t.Cleanup(g.stop)
}

// configure writes the configuration.
func (g *gateway) configure() {
	g.t.Helper()
	g.address = freeAddress(g.t)
	var c strings.Builder
	fmt.Fprintf(&c, "listen: %s\nconsole: \"off\"\nstate: state\npolicy: policy.yaml\nupstream:\n  roots: [%s]\n", g.address, testCA(g.t).file)
	c.WriteString("  allow_private: [127.0.0.1")
	for host := range g.origins {
		c.WriteString(", " + host)
	}
	c.WriteString("]\n")
	resolve := "  resolve: {"
	for host, address := range g.origins {
		if address != "" {
			c.WriteString(resolve + host + ": \"" + address + "\"")
			resolve = ", "
		}
	}
	if resolve == ", " {
		c.WriteString("}\n")
	}
	c.WriteString(g.upstream)
	g.write("sallyport.yaml", c.String()+g.config)
}

// run starts the process and waits until it listens.
func (g *gateway) run() {
	g.t.Helper()
	g.cmd = exec.Command(g.binary, "serve", "--config", filepath.Join(g.dir, "sallyport.yaml"))
	g.cmd.Stderr = &g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	for range 2400 {
		if c, err := net.Dial("tcp", g.address); err == nil {
			c.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	g.cmd.Process.Kill()
	g.cmd.Wait()
	g.t.Fatalf("the proxy does not listen:\n%s", g.log.String())
}

// stop asks the proxy to stop and waits for it.
func (g *gateway) stop() {
	if g.cmd == nil {
		return
	}
	g.cmd.Process.Signal(syscall.SIGTERM)
	g.cmd.Wait()
	g.cmd = nil
	if g.t.Failed() {
		g.t.Logf("what the proxy wrote:\n%s", tail(g.log.String(), 8000))
	}
}

// kill ends the proxy as a power cut would.
func (g *gateway) kill() {
	g.cmd.Process.Kill()
	g.cmd.Wait()
	g.cmd = nil
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// sallyport runs a subcommand on the gateway's state and returns its output and exit code.
func (g *gateway) sallyport(args ...string) (stdout, stderr string, code int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "SALLYPORT_STATE="+filepath.Join(g.dir, "state"))
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// decisions returns the log's decisions, the newest first.
func (g *gateway) decisions() []audit.Record {
	g.t.Helper()
	out, errs, code := g.sallyport("audit", "list", "--kind", "decision", "--json")
	if code != 0 {
		g.t.Fatalf("audit list: exit %d: %s", code, errs)
	}
	var recs []audit.Record
	if err := json.Unmarshal([]byte(out), &recs); err != nil {
		for line := range strings.Lines(out) { // one document a line
			var rec audit.Record
			if err := json.Unmarshal([]byte(line), &rec); err != nil {
				g.t.Fatalf("audit list --json: %v in %.300q", err, line)
			}
			recs = append(recs, rec)
		}
	}
	return recs
}

// codes returns the codes of a record's findings.
func codes(rec audit.Record) string {
	var c []string
	for _, f := range rec.Findings {
		c = append(c, f.Code)
	}
	return strings.Join(c, " ")
}

// fetched is what curl came back with.
type fetched struct {
	status string
	body   []byte
	header string
	exit   int
}

// curl fetches a URL through the proxy with the real curl.
func (g *gateway) curl(url string, args ...string) fetched {
	g.t.Helper()
	need(g.t, "curl")
	body, header := filepath.Join(g.t.TempDir(), "body"), filepath.Join(g.t.TempDir(), "header")
	ca := filepath.Join(g.dir, "state", "ca", "ca.pem")
	if _, err := os.Stat(ca); err != nil {
		ca = g.exportCA()
	}
	cmd := exec.Command("curl", append([]string{
		"-sS", "--max-time", "60", "--noproxy", "", "--proxy", "http://" + g.address, "--cacert", ca, "-o", body, "-D", header, "-w", "%{http_code} %{http_connect}", url,
	}, args...)...)
	cmd.Env = clean(os.Environ())
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	status, connect, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if status == "000" && connect != "" {
		status = connect
	}
	f := fetched{status: status, exit: cmd.ProcessState.ExitCode()}
	f.body, _ = os.ReadFile(body)
	h, _ := os.ReadFile(header)
	f.header = string(h)
	return f
}

// exportCA writes the proxy's CA into a file for clients.
func (g *gateway) exportCA() string {
	g.t.Helper()
	out, errs, code := g.sallyport("ca", "export")
	if code != 0 {
		g.t.Fatalf("ca export: exit %d: %s", code, errs)
	}
	g.write("clients-ca.pem", out)
	return filepath.Join(g.dir, "clients-ca.pem")
}

// clean returns an environment without the settings that would send clients elsewhere or have them trust others.
func clean(env []string) []string {
	var kept []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR":
			continue
		}
		kept = append(kept, v)
	}
	return kept
}

// need skips a test whose client is not installed.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed: what only it can show is left out; .ci/test installs it", program)
	}
}

// freeAddress returns an address that nobody listens on, with a port below those that systems give to connections: none of
// the many connections that tests make meanwhile can take it.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+mathrand.IntN(20000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port was found")
	return ""
}

// authority is a CA for the tests' own origins.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

var originCA = sync.OnceValues(func() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "end-to-end tests"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sallyport-endtoend-ca-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "ca.pem")
	return &authority{cert, key, file}, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
})

func testCA(t *testing.T) *authority {
	t.Helper()
	ca, err := originCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// tlsOrigin serves a handler over TLS as the named hosts, and returns its address.
func tlsOrigin(t *testing.T, h http.Handler, hosts ...string) string {
	t.Helper()
	ca := testCA(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * time.Hour),
		DNSNames: hosts, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// files serves what is put into it, by path.
type files struct {
	mu   sync.Mutex
	by   map[string][]byte
	seen map[string]int
}

func newFiles() *files { return &files{by: map[string][]byte{}, seen: map[string]int{}} }

func (f *files) put(path string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.by[path] = body
}

// ServeHTTP implements http.Handler.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	body, ok := f.by[r.URL.Path]
	f.seen[r.URL.Path]++
	f.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, r.URL.Path, time.Unix(1_700_000_000, 0), bytes.NewReader(body))
}

// echo says whom a response is for, and that anybody may keep it.
type echo struct{}

// ServeHTTP implements http.Handler.
func (echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Set("Etag", `"same"`)
	fmt.Fprint(w, "for "+r.Header.Get("Cookie")+r.Header.Get("Authorization"))
}
