package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func parsedPolicy(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.yaml", fstest.MapFS{}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// looks returns second looks at an origin that stands for every host.
func looks(t *testing.T, origin http.HandlerFunc) *SecondLooks {
	t.Helper()
	s := httptest.NewServer(origin)
	t.Cleanup(s.Close)
	return &SecondLooks{Upstream: toOrigin(s)}
}

// hijacked answers with raw bytes and ends the connection.
func hijacked(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		c.Write([]byte(raw))
	}
}

func TestSecondLook(t *testing.T) {
	file, other := program(1000, "one"), program(1000, "two")
	sum := sha256.Sum256(file)
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/there" {
				w.Write(file)
				return
			}
			http.Redirect(w, r, to, http.StatusFound)
		}
	}
	for _, c := range []struct {
		name   string
		origin http.HandlerFunc
		want   []byte // nil: it fails
		why    string
	}{
		{"the same bytes", serving(file), file, ""},
		{"other bytes", serving(other), other, ""},
		{"more bytes", serving(append(file[:1000:1000], 'x')), append(file[:1000:1000], 'x'), ""},
		{"nothing", serving(nil), []byte{}, ""},
		{"not found", http.NotFound, nil, "the origin answered 404 when it was asked again"},
		{"an endless body", func(w http.ResponseWriter, r *http.Request) {
			for chunk := bytes.Repeat([]byte("x"), 1<<20); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, nil, "more than 16778216 bytes"},
		{"a body without an end mark", hijacked("HTTP/1.1 200 OK\r\n\r\n" + string(file)), nil, "neither a length nor an end mark"},
		{"a body cut short", hijacked("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + string(file[:500])), nil, "broke off"},
		{"gzip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gzipped(t, file))
		}, file, ""},
		{"another coding", serving(file, "Content-Encoding", "br"), nil, `content coding "br"`},
		{"a redirect on the host", redirect("/there"), file, ""},
		{"a redirect to a host of a channel", redirect("https://next.example/there"), file, ""},
		{"a redirect to where nobody looks", redirect("https://tunnelled.example/there"), nil, "tunnelled.example"},
		{"a redirect to a denied host", redirect("https://denied.example/there"), nil, "denied.example"},
		{"a redirect out of TLS", redirect("http://origin.example/there"), nil, "would leave TLS"},
		{"a loop", redirect("/dl/app.exe"), nil, "more than 5 times"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := looks(t, c.origin)
			got := s.Look(t.Context(), parsedPolicy(t, rigPolicy), mustURL(t, "https://origin.example/dl/app.exe"), nil, sum, 1000)
			want := policy.SecondLook{Asked: true}
			if c.want != nil {
				want.SHA256 = sha256.Sum256(c.want)
			}
			if got.Asked != want.Asked || got.SHA256 != want.SHA256 || (got.Failed == "") != (c.why == "") || !strings.Contains(got.Failed, c.why) {
				t.Errorf("%+v; want %+v and %q", got, want, c.why)
			}
		})
	}
}

// An origin that sends a byte now and then is not waited for.
func TestSecondLookDoesNotWaitForever(t *testing.T) {
	s := looks(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			select {
			case <-time.After(time.Millisecond):
			case <-r.Context().Done():
			}
		}
	})
	s.Patience = 50 * time.Millisecond
	got := s.Look(t.Context(), parsedPolicy(t, rigPolicy), mustURL(t, "https://origin.example/dl/app.exe"), nil, verify.Digest{1}, 1000)
	if !got.Asked || !got.SHA256.IsZero() || got.Failed != "the origin did not send it a second time within 50ms" {
		t.Errorf("%+v", got)
	}
}

// What a second look has answered is not asked for again for a while, by address and file; what went wrong is.
func TestSecondLookIsRemembered(t *testing.T) {
	file := program(1000, "one")
	sum := sha256.Sum256(file)
	var asked, broken atomic.Int32
	s := looks(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if broken.Load() > 0 {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		w.Write(file)
	})
	now := time.Now()
	s.Now = func() time.Time { return now }
	p := parsedPolicy(t, rigPolicy)
	look := func(u, agent string, file verify.Digest) policy.SecondLook {
		return s.Look(t.Context(), p, mustURL(t, u), http.Header{"User-Agent": {agent}}, file, 1000)
	}
	for i, c := range []struct {
		url   string
		agent string
		file  verify.Digest
		after time.Duration
		asked int32
	}{
		{"https://origin.example/a", "curl", sum, 0, 1},
		{"https://origin.example/a", "curl", sum, 9 * time.Minute, 1},
		{"https://origin.example/a", "curl", verify.Digest{7}, 0, 2},
		{"https://origin.example/a?x=1", "curl", sum, 0, 3},
		{"https://origin.example/a", "wget", sum, 0, 4},
		{"https://origin.example/a", "curl", sum, 2 * time.Minute, 5},
	} {
		now = now.Add(c.after)
		if got := look(c.url, c.agent, c.file); got.SHA256 != sum || got.Failed != "" || asked.Load() != c.asked {
			t.Errorf("%d: %+v, asked %d times, want %d", i, got, asked.Load(), c.asked)
		}
	}
	broken.Store(1)
	look("https://origin.example/b", "curl", sum)
	broken.Store(0)
	if got := look("https://origin.example/b", "curl", sum); got.SHA256 != sum {
		t.Errorf("after a failure: %+v", got)
	}
	for i := range secondLooksKept + 10 {
		s.keep(secondLookKey{file: verify.Digest{byte(i), byte(i >> 8), 1}}, policy.SecondLook{})
	}
	if len(s.by) > secondLooksKept {
		t.Errorf("%d answers are kept", len(s.by))
	}
}

// A second look sends what it is told to, what no client asked for is asked for in the proxy's own name, and addresses with
// credentials are not asked.
func TestFieldsOfASecondLook(t *testing.T) {
	var got atomic.Pointer[http.Request]
	s := looks(t, func(w http.ResponseWriter, r *http.Request) { got.Store(r.Clone(context.Background())) })
	p := parsedPolicy(t, rigPolicy)
	for _, c := range []struct{ fields, want http.Header }{
		{nil, http.Header{"User-Agent": {AgentName}, "Accept": {"*/*"}, "Accept-Encoding": {"identity"}}},
		{http.Header{"Accept": {"a/b"}, "Via": {"1.1 x"}}, http.Header{"Accept": {"a/b"}, "Via": {"1.1 x"}, "Accept-Encoding": {"identity"}}},
	} {
		s.Look(t.Context(), p, mustURL(t, "https://origin.example/dl/app.exe"), c.fields, verify.Digest{1}, 10)
		if r := got.Load(); r == nil || r.Method != http.MethodGet || !reflect.DeepEqual(r.Header, c.want) {
			t.Fatalf("%+v, want %+v", r, c.want)
		}
	}
	got.Store(nil)
	if look := s.Look(t.Context(), p, mustURL(t, "https://alice:secret@origin.example/dl/app.exe"), nil, verify.Digest{1}, 10); look != PrivateLook || got.Load() != nil {
		t.Errorf("%+v, %+v", look, got.Load())
	}
}

// A thousand clients that race do not make the gate ask a thousand times, nor race each other.
func TestSecondLookFromManyGoroutines(t *testing.T) {
	file := program(1000, "one")
	sum := sha256.Sum256(file)
	s := looks(t, serving(file))
	p := parsedPolicy(t, rigPolicy)
	done := make(chan policy.SecondLook)
	for i := range 20 {
		go func() {
			done <- s.Look(t.Context(), p, mustURL(t, fmt.Sprintf("https://origin.example/%d", i%3)), nil, sum, 1000)
		}()
	}
	for range 20 {
		if got := <-done; got.SHA256 != sum {
			t.Errorf("%+v", got)
		}
	}
}
