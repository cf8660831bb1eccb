package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// line is a connection to a server that can be cut.
type line struct {
	t       *testing.T
	address string // where clients reach it
	to      string
	mu      sync.Mutex
	l       net.Listener
	open    []net.Conn
}

func lineTo(t *testing.T, to string) *line {
	t.Helper()
	c := &line{t: t, address: "127.0.0.1:0", to: to}
	c.join()
	t.Cleanup(c.cut)
	return c
}

// join accepts connections, at the same address as before.
func (c *line) join() {
	c.t.Helper()
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.l, c.address = l, l.Addr().String()
	c.mu.Unlock()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", c.to)
			if err != nil {
				in.Close()
				continue
			}
			c.mu.Lock()
			c.open = append(c.open, in, out)
			c.mu.Unlock()
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
}

// cut closes all connections and takes no more.
func (c *line) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.l.Close()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

// verdicts is a service that knows verdicts about digests, and what it was asked.
type verdicts struct {
	mu    sync.Mutex
	by    map[string]string
	asked []string // request lines and header fields
}

const lookupSecret = "a-secret-that-nobody-else-sees"

// ServeHTTP implements http.Handler.
func (r *verdicts) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fields bytes.Buffer
	req.Header.Write(&fields)
	r.asked = append(r.asked, req.Method+" "+req.URL.RequestURI()+"\n"+fields.String())
	verdict := r.by[filepath.Base(req.URL.Path)]
	switch {
	case req.Header.Get("X-Api-Key") != lookupSecret:
		w.WriteHeader(http.StatusForbidden)
	case verdict == "":
		w.WriteHeader(http.StatusNotFound)
	default:
		fmt.Fprintf(w, `{"verdict": %q, "family": "Winnti"}`, verdict)
	}
}

func (r *verdicts) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

const lookupPolicy = `version: 1
lookups:
  desk:
    json: {url: "https://rep.example/v1/{sha256}", pointer: /verdict, is: [malicious], label: /family, key_file: desk.key, header: X-Api-Key}
    inside: true
    timeout: 20s
  scarce:
    json: {url: "https://rep.example/scarce/{sha256}", pointer: /verdict, is: [malicious], key_file: desk.key, header: X-Api-Key}
    timeout: 20s
    budget: [2/day]
channels:
- {name: dl, hosts: [dl.example], paths: ["/**"], require: [{not_listed: [desk]}]}
- {name: lax, hosts: [lax.example], paths: ["/**"], require: [{not_listed: [desk], on_inconclusive: allow}]}
- {name: scarce, hosts: [scarce.example], paths: ["/**"], require: [{not_listed: [scarce]}]}
`

// What a service names is refused, by digest of the update and of what is inside; what it has said holds without it, also after a restart;
// without an answer the outcome is what the policy says; and no more is asked than the policy allows.
func TestLookupsThroughTheProxy(t *testing.T) {
	program := func(name string) []byte { return append([]byte("MZ"), bytes.Repeat([]byte(name), 5000)...) }
	origin, service := newFiles(), &verdicts{by: map[string]string{}}
	for _, name := range []string{"clean", "evil", "late", "one", "two", "three"} {
		origin.put("/"+name+".exe", program(name))
	}
	origin.put("/app.zip", zipOf(t, map[string][]byte{"app/library.dll": program("library"), "app/readme.txt": []byte("hello")}))
	for name, verdict := range map[string]string{"clean": "benign", "evil": "malicious", "library": "malicious"} {
		service.by[fmt.Sprintf("%x", sha256.Sum256(program(name)))] = verdict
	}
	rep := lineTo(t, tlsOrigin(t, service, "rep.example"))
	address := tlsOrigin(t, origin, "dl.example", "lax.example", "scarce.example")
	g := newGateway(t, lookupPolicy, map[string]string{"dl.example": address, "lax.example": address, "scarce.example": address, "rep.example": rep.address})
	g.write("desk.key", lookupSecret+"\n")
	g.start()
	want := func(url, status, text string, asked int) {
		t.Helper()
		got := g.curl(url)
		if got.status != status || status != "200" && !strings.Contains(string(got.body), text) {
			t.Errorf("%s: status %s, want %s (%q): %.800s", url, got.status, status, text, got.body)
		}
		if n := service.count(); n != asked {
			t.Errorf("%s: the service was asked %d times, want %d", url, n, asked)
		}
	}

	want("https://dl.example/clean.exe", "200", "", 1)
	want("https://dl.example/evil.exe", "403", "malicious: Winnti", 2)
	want("https://lax.example/evil.exe", "403", "malicious: Winnti", 2)
	want("https://dl.example/app.zip", "403", "app/library.dll inside is on feed desk", 4)
	for _, asked := range service.asked {
		for _, text := range []string{"exe", "zip", "dl.example", "curl"} {
			if strings.Contains(asked, text) {
				t.Errorf("the service learns %s: %s", text, asked)
			}
		}
	}

	g.stop() // what has been said outlives the process
	rep.cut()
	g.run()
	want("https://dl.example/clean.exe", "200", "", 4)
	want("https://dl.example/evil.exe", "403", "malicious: Winnti", 4)
	want("https://dl.example/late.exe", "403", "look-up desk gave no answer", 4)
	want("https://lax.example/late.exe", "200", "", 4)
	if rec := g.decisions(); !strings.Contains(strings.Join(rec[0].Decision.Reasons, "; "), "look-up desk gave no answer: it cannot be asked") {
		t.Errorf("the record does not say why nothing is known: %q", rec[0].Decision.Reasons)
	}
	g.lookupByVerify(origin, service)

	rep.join()
	g.stop() // which forgets that the service is to be left alone
	g.run()
	want("https://dl.example/late.exe", "200", "", 5)

	day := time.Now().UTC().YearDay()
	want("https://scarce.example/one.exe", "200", "", 6)
	want("https://scarce.example/two.exe", "200", "", 7)
	if got := g.curl("https://scarce.example/three.exe"); time.Now().UTC().YearDay() == day && (got.status != "403" || !strings.Contains(string(got.body), "the budget of 2 requests a day is used up until ") || service.count() != 7) {
		t.Errorf("beyond the budget: status %s, asked %d times: %.800s", got.status, service.count(), got.body)
	}
	want("https://scarce.example/one.exe", "200", "", service.count())

	out, _, _ := g.sallyport("audit", "list", "--json")
	explained, _, _ := g.sallyport("policy", "explain", "--policy", filepath.Join(g.dir, "policy.yaml"), "https://dl.example/clean.exe")
	if strings.Contains(out+explained+g.log.String(), lookupSecret) {
		t.Error("the secret was written somewhere")
	}
}

// lookupByVerify demands that `sallyport verify` judges by what the proxy was told, and asks nobody about files without a URL.
func (g *gateway) lookupByVerify(origin *files, service *verdicts) {
	g.t.Helper()
	asked := service.count()
	config := filepath.Join(g.dir, "sallyport.yaml")
	for name, want := range map[string]string{"/clean.exe": "ALLOW", "/evil.exe": "malicious: Winnti", "/three.exe": "look-up desk gave no answer"} {
		file := filepath.Join(g.t.TempDir(), filepath.Base(name))
		if err := os.WriteFile(file, origin.by[name], 0o600); err != nil {
			g.t.Fatal(err)
		}
		out, errs, code := g.sallyport("verify", "--config", config, "--channel", "dl", file)
		if want == "ALLOW" && code != 0 || want != "ALLOW" && (code == 0 || !strings.Contains(out, want)) {
			g.t.Errorf("verify %s: exit %d, want %q: %s%s", name, code, want, out, errs)
		}
	}
	if n := service.count(); n != asked {
		g.t.Errorf("verify without a URL asked the service %d times", n-asked)
	}
}
