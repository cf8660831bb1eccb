package proxy

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/sallyport-project/sallyport/policy/audit"
)

func TestManyClientsShareOneFetch(t *testing.T) {
	gate := make(chan bool)
	c := counting(func(w http.ResponseWriter, req *http.Request) {
		<-gate
		serving(acme, "Etag", `"v1"`)(w, req)
	})
	r := newRig(t, c.ServeHTTP)
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			got := r.do(fmt.Sprintf("192.0.%d.%d", 2+i/250, i%250+1), "GET", "http://origin.example/dl/setup.exe")
			if got.status != 200 || !bytes.Equal(got.body, acme) {
				t.Errorf("client %d: status %d, %d bytes", i, got.status, len(got.body))
			}
		}()
	}
	r.waitForRiders(500)
	close(gate)
	wg.Wait()
	if n, m := c.of("GET /dl/setup.exe"), r.stamp.examined.Load(); n != 1 || m != 1 {
		t.Errorf("%d fetches and %d examinations, want one of each", n, m)
	}
}

func TestWhatIsPersonalIsNotShared(t *testing.T) {
	personal := func(w http.ResponseWriter, req *http.Request) {
		who := req.Header.Get("Cookie") + req.Header.Get("Authorization") + req.Header.Get("X-Api-Key")
		serving(program(5000, "stamped by Acme;for "+who+";"), "Etag", `"v1"`, "Cache-Control", "max-age=600")(w, req)
	}
	const u = "http://origin.example/dl/setup.exe"
	for _, field := range []string{"Cookie", "Authorization", "X-Api-Key"} {
		t.Run("request with "+field, func(t *testing.T) {
			r := newRig(t, personal)
			alice := r.do("192.0.2.1", "GET", u, field, "alice")
			bob := r.do("192.0.2.2", "GET", u)
			carol := r.do("192.0.2.1", "GET", u, field, "carol")
			if !bytes.Contains(alice.body, []byte("for alice;")) || !bytes.Contains(bob.body, []byte("for ;")) || !bytes.Contains(carol.body, []byte("for carol;")) {
				t.Errorf("alice %.40q, bob %.40q, carol %.40q", alice.body, bob.body, carol.body)
			}
		})
	}
	for _, field := range [][2]string{
		{"Cache-Control", "private"}, {"Cache-Control", "no-store"}, {"Set-Cookie", "id=1"}, {"Vary", "Accept-Language"}, {"Vary", "*"},
	} {
		t.Run("response with "+field[0]+" "+field[1], func(t *testing.T) {
			gate := make(chan bool)
			c := counting(func(w http.ResponseWriter, req *http.Request) {
				<-gate
				serving(acme, field[0], field[1], "Etag", `"v1"`)(w, req)
			})
			r := newRig(t, c.ServeHTTP)
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					if got := r.do(fmt.Sprintf("192.0.2.%d", i+1), "GET", u); got.status != 200 || !bytes.Equal(got.body, acme) {
						t.Errorf("client %d: status %d", i, got.status)
					}
				}()
			}
			r.waitForRiders(3)
			close(gate)
			wg.Wait()
			if n := c.of("GET /dl/setup.exe"); n != 3 {
				t.Errorf("%d fetches for three clients", n)
			}
		})
	}
}

func TestSharedFetchTellsNothingOfWhoAsks(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		for _, name := range []string{"Referer", "Accept-Language", "If-None-Match", "Range", "Sec-Fetch-Site"} {
			if req.Header.Get(name) != "" {
				t.Errorf("%s went to the origin", name)
			}
		}
		if req.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("Accept-Encoding %q", req.Header.Get("Accept-Encoding"))
		}
		serving(acme)(w, req)
	})
	r.get("http://origin.example/dl/setup.exe", "Referer", "http://intranet.example/", "Accept-Language", "tlh",
		"If-None-Match", `"x"`, "Sec-Fetch-Site", "none", "Accept-Encoding", "br, zstd")
}

func TestWhoWaitsTooLongComesBack(t *testing.T) {
	gate := make(chan bool)
	c := counting(func(w http.ResponseWriter, req *http.Request) {
		w.Write(acme[:50_000])
		w.(http.Flusher).Flush()
		<-gate
		w.Write(acme[50_000:])
	})
	r := newRig(t, c.ServeHTTP)
	const u = "http://origin.example/slow/setup.exe"
	first := r.get(u)
	if first.status != 503 || first.header.Get("Retry-After") == "" {
		t.Fatalf("status %d, %v", first.status, first.header)
	}
	close(gate)
	var second answerOf
	for range 100 {
		if second = r.get(u); second.status != 503 {
			break
		}
	}
	if second.status != 200 || !bytes.Equal(second.body, acme) {
		t.Errorf("status %d, %d bytes", second.status, len(second.body))
	}
	if n := c.of("GET /slow/setup.exe"); n != 1 {
		t.Errorf("%d fetches, want one", n)
	}
}

func TestVerdictIsKeptWhenNobodyWaits(t *testing.T) {
	gate := make(chan bool)
	c := counting(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(304)
			return
		}
		w.Header().Set("Etag", `"v1"`)
		w.Write(acme[:50_000])
		w.(http.Flusher).Flush()
		<-gate
		w.Write(acme[50_000:])
	})
	r := newRig(t, c.ServeHTTP)
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://origin.example/dl/setup.exe", nil)
	done := make(chan bool)
	go func() {
		defer close(done)
		if resp, err := r.as("192.0.2.1").Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	r.waitForHeld(50_000)
	cancel()
	<-done
	close(gate)
	r.waitFor(audit.KindDecision, 1)
	got := r.do("192.0.2.2", "GET", "http://origin.example/dl/setup.exe")
	if got.status != 200 || !bytes.Equal(got.body, acme) {
		t.Errorf("status %d, %d bytes", got.status, len(got.body))
	}
	if n := r.stamp.examined.Load(); n != 1 {
		t.Errorf("examined %d times, want once", n)
	}
}

func TestReleasedUpdateIsAskedForAgain(t *testing.T) {
	body, tag := acme, `"v1"`
	var full, same int
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("If-None-Match") == tag {
			same++
			w.WriteHeader(304)
			return
		}
		full++
		serving(body, "Etag", tag)(w, req)
	})
	const u = "http://origin.example/dl/setup.exe"
	for range 3 {
		if got := r.get(u); got.status != 200 || !bytes.Equal(got.body, acme) {
			t.Fatalf("status %d", got.status)
		}
	}
	if full != 1 || same != 2 {
		t.Errorf("%d whole fetches and %d revalidations", full, same)
	}
	body, tag = program(5000, "stamped by Mallory;"), `"v2"`
	if got := r.get(u); got.status != 403 {
		t.Errorf("the changed file got status %d", got.status)
	}
}

func TestPostedDownloadIsHeldAndNeverRepeated(t *testing.T) {
	c := counting(serving(program(5000, "stamped by Mallory;"), "Etag", `"v1"`, "Cache-Control", "max-age=600"))
	r := newRig(t, c.ServeHTTP)
	for range 2 {
		if got := r.do("192.0.2.1", "POST", "http://origin.example/dl/get"); got.status != 403 {
			t.Errorf("status %d", got.status)
		}
	}
	if n := c.of("POST /dl/get"); n != 2 {
		t.Errorf("%d requests at the origin, want 2", n)
	}
}

func TestReceiptsAreReusedForTheSameAnswerOnly(t *testing.T) {
	r := newRig(t, serving(acme, "Etag", `"v1"`, "Cache-Control", "max-age=600"))
	const u = "http://origin.example/dl/setup.exe"
	for range 3 {
		r.do("192.0.2.1", "GET", u)
	}
	r.do("192.0.2.2", "GET", u)
	r.setPolicy(rigPolicy + "# changed\n")
	r.do("192.0.2.1", "GET", u)
	n := 0
	for _, rec := range r.waitFor(audit.KindDelivery, 5) {
		if rec.Kind == audit.KindDecision {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d decision records, want 3: one a client and policy", n)
	}
}
