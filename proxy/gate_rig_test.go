package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// rig is a gate with a real vault, log and policy, in front of an origin of the test's own.
type rig struct {
	t      *testing.T
	gate   *Gate
	vault  *quarantine.Vault
	log    *audit.Log
	origin *httptest.Server
	stamp  *stampVerifier
	policy atomic.Pointer[policy.Policy]
	broken atomic.Bool  // the log cannot be written
	clock  atomic.Int64 // added to the time, in nanoseconds
	mu     sync.Mutex
	logged []audit.Record // what the log has stored, oldest first
}

// rigPolicy wants everything under /dl/ and /stream/ to be stamped by Acme; /odd/ is held as any update outside a channel.
const rigPolicy = `version: 1
defaults: {hosts: inspect, unmatched: quarantine, unproven: quarantine}
hosts: {tunnel: [tunnelled.example], deny: [denied.example], ports: [8443]}
anchors:
  acme: {authenticode: {organization: Acme}}
channels:
- {name: dl, hosts: [origin.example], paths: ["/dl/**"], require: [{signed_by: [acme]}]}
- {name: stream, hosts: [origin.example], paths: ["/stream/**"], delivery: stream, require: [{signed_by: [acme]}]}
- {name: slow, hosts: [origin.example], paths: ["/slow/**"], hold_max: 1s, require: [{signed_by: [acme]}]}
- {name: whole, hosts: [whole.example], require: [{signed_by: [acme]}]}
- {name: next, hosts: [next.example], paths: ["/**"], require: [{signed_by: [acme]}]}
`

func newRig(t *testing.T, origin http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{t: t, stamp: &stampVerifier{}}
	r.origin = httptest.NewServer(origin)
	t.Cleanup(r.origin.Close)
	var err error
	if r.log, err = audit.Open(filepath.Join(t.TempDir(), "log"), audit.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.log.Close() })
	if r.vault, err = quarantine.Open(filepath.Join(t.TempDir(), "vault"), quarantine.Options{Quota: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.vault.Close() })
	r.setPolicy(rigPolicy)
	memory, err := NewMemory(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	r.gate, err = NewGate(GateOptions{
		Policy: r.policy.Load, Upstream: toOrigin(r.origin), Vault: r.vault,
		Append: func(rec audit.Record) (audit.Receipt, error) {
			if r.broken.Load() {
				return audit.Receipt{}, errors.New("no space left on device")
			}
			receipt, err := r.log.Append(rec)
			if err == nil {
				rec.ID = receipt.ID()
				r.mu.Lock()
				r.logged = append(r.logged, rec)
				r.mu.Unlock()
			}
			return receipt, err
		},
		Examiner: &verify.Examiner{Verifiers: []verify.Verifier{r.stamp}},
		Memory:   memory, Releases: &Releases{}, Metrics: NewMetrics(), Logger: zaptest.NewLogger(t),
		MaxUpdate: 64 << 20, Linger: time.Second,
		Now: func() time.Time { return time.Now().Add(time.Duration(r.clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.gate.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) setPolicy(text string) {
	r.t.Helper()
	p, err := policy.Parse("policy.yaml", fstest.MapFS{}, []byte(text))
	if err != nil {
		r.t.Fatal(err)
	}
	r.policy.Store(p)
}

// toOrigin sends every request to one server, whatever host it names.
func toOrigin(s *httptest.Server) http.RoundTripper {
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		out := req.Clone(req.Context())
		u := *req.URL
		u.Scheme, u.Host = "http", strings.TrimPrefix(s.URL, "http://")
		out.Host, out.URL = req.URL.Host, &u
		return tr.RoundTrip(out)
	})
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// as returns a client whose requests come to the gate from that address. It follows no redirect.
func (r *rig) as(addr string) *http.Client {
	return &http.Client{
		Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			s := newSession(policy.Client{Addr: netip.MustParseAddr(addr)})
			s.Inspect = true
			return r.gate.RoundTrip(s.in(req))
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answerOf is a response read to its end.
type answerOf struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
}

func (r *rig) get(target string, fields ...string) answerOf {
	return r.do("192.0.2.1", http.MethodGet, target, fields...)
}

func (r *rig) do(client, method, target string, fields ...string) answerOf {
	r.t.Helper()
	req, err := http.NewRequest(method, target, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := r.as(client).Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answerOf{resp.StatusCode, resp.Header, body, err}
}

// records returns what the log has stored, oldest first.
func (r *rig) records() []audit.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]audit.Record(nil), r.logged...)
}

// stampVerifier is a signature system of the tests: a file that says "stamped by NAME;" is signed by NAME, one that
// says "forged;" has a signature that does not fit, and one that says "panic;" is too much for it.
type stampVerifier struct{ examined atomic.Int32 }

func (*stampVerifier) Method() string                { return "authenticode" }
func (*stampVerifier) Match(a *verify.Artifact) bool { return a.Format == "pe" || a.Format == "zip" }

func (v *stampVerifier) Verify(_ context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	v.examined.Add(1)
	b := make([]byte, a.Size)
	if _, err := a.Content.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, err
	}
	f := verify.Finding{Method: "authenticode", Status: verify.Absent, Code: "authenticode/unsigned", Detail: "there is no stamp"}
	if _, rest, ok := bytes.Cut(b, []byte("stamped by ")); ok {
		name, _, _ := bytes.Cut(rest, []byte(";"))
		f.Status, f.Code, f.Signer = verify.Valid, "authenticode/valid", verify.Identity{Name: string(name), Organization: string(name)}
	}
	if bytes.Contains(b, []byte("forged;")) {
		f = verify.Finding{Method: "authenticode", Status: verify.Invalid, Code: "authenticode/digest-mismatch", Detail: "the stamp does not fit"}
	}
	if bytes.Contains(b, []byte("panic;")) {
		panic("too much")
	}
	return []verify.Finding{f}, nil
}

// program is a file of n bytes that looks like a program, stamped by a signer.
func program(n int, stamp string) []byte {
	b := append([]byte("MZ"+stamp), bytes.Repeat([]byte("0123456789abcdef"), n/16+1)...)
	return b[:n]
}

var acme = program(100_000, "stamped by Acme;")

// serving answers every request with the same bytes and header fields.
func serving(body []byte, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Set(fields[i], fields[i+1])
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body)
	}
}

// counted counts the requests of a handler by method and path.
type counted struct {
	mu sync.Mutex
	by map[string]int
	h  http.HandlerFunc
}

func counting(h http.HandlerFunc) *counted { return &counted{by: map[string]int{}, h: h} }

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.by[r.Method+" "+r.URL.Path]++
	c.mu.Unlock()
	c.h(w, r)
}

func (c *counted) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[what]
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// waitFor returns the log once it holds n records of a kind.
func (r *rig) waitFor(kind audit.Kind, n int) []audit.Record {
	r.t.Helper()
	var recs []audit.Record
	r.until(fmt.Sprintf("%d %s records", n, kind), func() bool {
		recs = r.records()
		count := 0
		for _, rec := range recs {
			if rec.Kind == kind {
				count++
			}
		}
		return count >= n
	})
	return recs
}

// waitForRiders waits until n clients ride on one flight.
func (r *rig) waitForRiders(n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d riders", n), func() bool {
		return r.anyFlight(func(f *flight) bool { return f.riders == n })
	})
}

// waitForHeld waits until n bytes of one flight are held.
func (r *rig) waitForHeld(n int64) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d bytes held", n), func() bool {
		return r.anyFlight(func(f *flight) bool { return f.got >= n })
	})
}

func (r *rig) anyFlight(is func(*flight) bool) bool {
	r.gate.flights.mu.Lock()
	defer r.gate.flights.mu.Unlock()
	for _, f := range r.gate.flights.by {
		f.mu.Lock()
		ok := is(f)
		f.mu.Unlock()
		if ok {
			return true
		}
	}
	return false
}

func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.t.Fatalf("waited in vain for %s", what)
}
