package proxy

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

func TestEverythingElseFlows(t *testing.T) {
	more := make(chan bool)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Custom", "kept")
		fmt.Fprint(w, "data: one\n\n")
		w.(http.Flusher).Flush()
		<-more
		fmt.Fprint(w, "data: two\n\n")
	})
	req, _ := http.NewRequest("GET", "http://origin.example/events", nil)
	resp, err := r.as("192.0.2.1").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 11)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "data: one\n\n" {
		t.Fatalf("%q, %v", first, err)
	}
	close(more)
	rest, err := io.ReadAll(resp.Body)
	if string(rest) != "data: two\n\n" || err != nil || resp.Header.Get("X-Custom") != "kept" {
		t.Errorf("%q, %v, %v", rest, err, resp.Header)
	}
	if recs := r.records(); len(recs) != 0 {
		t.Errorf("%d records of what is no update", len(recs))
	}
}

// An event stream that turns out to be a program must not get away with sending its first byte alone.
func TestMagicInSmallPiecesIsSeen(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, b := range program(400, "x") {
			w.Write([]byte{b})
			w.(http.Flusher).Flush()
		}
	})
	if got := r.get("http://origin.example/events"); got.status != 403 {
		t.Errorf("status %d", got.status)
	}
}

func TestVerifiedBytesAnswerRangesAndConditions(t *testing.T) {
	c := counting(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Range") != "" || req.Header.Get("If-Range") != "" {
			t.Errorf("a range went to the origin: %v", req.Header)
		}
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Last-Modified", "Sat, 01 Aug 2026 10:00:00 GMT")
		serving(acme, "Etag", `"v1"`)(w, req)
	})
	r := newRig(t, c.ServeHTTP)
	const u = "http://origin.example/dl/setup.exe"
	for _, w := range []struct {
		fields []string
		status int
		body   []byte
	}{
		{[]string{"Range", "bytes=0-9"}, 206, acme[:10]},
		{[]string{"Range", "bytes=-5"}, 206, acme[len(acme)-5:]},
		{[]string{"Range", "bytes=99990-"}, 206, acme[99990:]},
		{[]string{"Range", "bytes=5-9", "If-Range", `"v1"`}, 206, acme[5:10]},
		{[]string{"Range", "bytes=5-9", "If-Range", `"v0"`}, 200, acme},
		{[]string{"Range", "bytes=200000-"}, 416, nil},
		{[]string{"If-None-Match", `"v1"`}, 304, nil},
		{[]string{"If-None-Match", `"v0"`}, 200, acme},
		{[]string{"If-Modified-Since", "Sat, 01 Aug 2026 10:00:00 GMT"}, 304, nil},
		{[]string{"If-Match", `"v0"`}, 412, nil},
	} {
		got := r.get(u, w.fields...)
		if got.status != w.status || w.body != nil && !bytes.Equal(got.body, w.body) || got.err != nil {
			t.Errorf("%v: status %d, %d bytes, %v; want %d, %d bytes", w.fields, got.status, len(got.body), got.err, w.status, len(w.body))
		}
	}
	if n := c.of("GET /dl/setup.exe"); n != 1 {
		t.Errorf("%d fetches, want one: the answer was fresh", n)
	}
	head := r.do("192.0.2.1", "HEAD", u)
	if head.status != 200 || head.header.Get("Content-Length") != "100000" || len(head.body) != 0 || c.of("HEAD /dl/setup.exe") != 0 {
		t.Errorf("HEAD: %d %v, %d at the origin", head.status, head.header, c.of("HEAD /dl/setup.exe"))
	}
	several := r.get(u, "Range", "bytes=0-1,10-12")
	_, params, err := mime.ParseMediaType(several.header.Get("Content-Type"))
	if several.status != 206 || err != nil {
		t.Fatalf("several ranges: %d %v %v", several.status, several.header, err)
	}
	mr := multipart.NewReader(bytes.NewReader(several.body), params["boundary"])
	for _, want := range [][]byte{acme[:2], acme[10:13]} {
		p, err := mr.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(p); !bytes.Equal(b, want) {
			t.Errorf("part %q, want %q", b, want)
		}
	}
}

func TestBodyThatIsNotWholeIsNoItem(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"cut, with a length": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(acme)))
			w.Write(acme[:len(acme)-1])
			panic(http.ErrAbortHandler)
		},
		"cut, in chunks": func(w http.ResponseWriter, req *http.Request) {
			w.Write(acme[:50_000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"cut in the first bytes": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(acme)))
			w.Write(acme[:1])
			panic(http.ErrAbortHandler)
		},
		"a part nobody asked for": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-99/100000")
			w.WriteHeader(206)
			w.Write(acme[:100])
		},
		"an end nobody marks": func(w http.ResponseWriter, req *http.Request) {
			conn, buf, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(buf, "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n%s", acme)
			buf.Flush()
			conn.Close()
		},
		"a coding nobody asked for": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			w.Write(acme)
		},
		"larger than the limit": func(w http.ResponseWriter, req *http.Request) {
			for range 700 {
				if _, err := w.Write(acme); err != nil {
					return
				}
			}
		},
		"announced larger than the limit": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(65<<20))
			w.Write(acme)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, h)
			got := r.get("http://origin.example/dl/setup.exe")
			if got.status != 502 || len(got.body) > 2000 {
				t.Errorf("status %d, body of %d bytes", got.status, len(got.body))
			}
			if s := r.vault.Stats(); s.Released.Items+s.Quarantined.Items+s.Held.Items != 0 {
				t.Errorf("the vault keeps something of it: %+v", s)
			}
			if n := r.stamp.examined.Load(); n != 0 {
				t.Errorf("examined %d times", n)
			}
		})
	}
}

func TestStreamWithholdsTheEnd(t *testing.T) {
	archive := func(stamp string) []byte {
		return append([]byte("PK\x03\x04"+stamp), bytes.Repeat([]byte("z"), 4<<20)...)
	}
	for _, c := range []struct {
		stamp string
		whole bool
	}{{"stamped by Acme;", true}, {"stamped by Mallory;", false}} {
		body := archive(c.stamp)
		gate := make(chan bool)
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Write(body[:3<<20])
			w.(http.Flusher).Flush()
			<-gate
			w.Write(body[3<<20:])
		})
		req, _ := http.NewRequest("GET", "http://origin.example/stream/a.zip", nil)
		resp, err := r.as("192.0.2.1").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		early := make([]byte, 1<<20)
		if _, err := io.ReadFull(resp.Body, early); err != nil || !bytes.Equal(early, body[:1<<20]) {
			t.Fatalf("nothing flows before the verdict: %v", err)
		}
		close(gate)
		rest, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		got := len(early) + len(rest)
		switch {
		case c.whole && (err != nil || got != len(body)):
			t.Errorf("allowed: %d of %d bytes, %v", got, len(body), err)
		case !c.whole && (err == nil || got > len(body)-int(streamTail(int64(len(body))))):
			t.Errorf("refused: %d of %d bytes, %v", got, len(body), err)
		}
		if rec := r.waitFor(audit.KindDelivery, 1); rec[len(rec)-1].Delivery.Mode != "stream" || rec[len(rec)-1].Delivery.Complete != c.whole {
			t.Errorf("%+v", rec[len(rec)-1].Delivery)
		}
	}
}

func TestProgramsAreNeverStreamed(t *testing.T) {
	gate := make(chan bool)
	body := program(4<<20, "stamped by Mallory;")
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body[:3<<20])
		w.(http.Flusher).Flush()
		<-gate
		w.Write(body[3<<20:])
	})
	got := make(chan answerOf)
	go func() { got <- r.get("http://origin.example/stream/a.exe") }()
	r.waitForHeld(3 << 20)
	select {
	case a := <-got:
		t.Fatalf("answered %d before the verdict", a.status)
	default:
	}
	close(gate)
	if a := <-got; a.status != 403 {
		t.Errorf("status %d", a.status)
	}
}

func TestFailedAnswersCarryNothingThatRuns(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", req.URL.Query().Get("type"))
		w.WriteHeader(404)
		io.WriteString(w, req.URL.Query().Get("body"))
	})
	for _, c := range []struct {
		kind, body string
		kept       bool
	}{
		{"text/plain", "curl+me+into+sh", false},
		{"text/html", "%23!/bin/sh", false},
		{"text/html", "<p>gone", true},
	} {
		got := r.get("http://origin.example/dl/setup.exe?type=" + c.kind + "&body=" + c.body)
		want := strings.NewReplacer("+", " ", "%23", "#").Replace(c.body)
		if got.status != 404 || bytes.Contains(got.body, []byte(want)) != c.kept {
			t.Errorf("%v: %d %q", c, got.status, got.body)
		}
	}
}

func TestPathlessChannelLetsPagesStream(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/":
			serving([]byte("<!doctype html>"), "Content-Type", "text/html; charset=utf-8")(w, req)
		case "/run":
			serving([]byte("echo hi"), "Content-Type", "text/plain")(w, req)
		default:
			serving(program(5000, "stamped by Mallory;"), "Content-Type", "image/png")(w, req)
		}
	})
	for path, want := range map[string]int{"/": 200, "/run": 403, "/logo.png": 403} {
		if got := r.get("http://whole.example" + path); got.status != want {
			t.Errorf("%s: status %d, want %d", path, got.status, want)
		}
	}
}

func TestGzipIsUndoneBeforeItIsJudged(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Etag", `"v1"`)
		w.Write(gzipped(t, acme))
	})
	got := r.get("http://origin.example/dl/setup.exe")
	if got.status != 200 || !bytes.Equal(got.body, acme) || got.header.Get("Content-Encoding") != "" || got.header.Get("Etag") != `W/"v1"` {
		t.Errorf("%d %v, %d bytes", got.status, got.header, len(got.body))
	}
	r = newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(gzipped(t, acme)[:300])
	})
	if got := r.get("http://origin.example/dl/setup.exe"); got.status != 502 {
		t.Errorf("cut gzip: status %d", got.status)
	}
}

// An upgraded connection that the policy allows goes both ways through the gate.
func TestAllowedUpgradeGoesBothWays(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		buf.Flush()
		line, _ := buf.ReadString('\n')
		fmt.Fprint(buf, "echo "+line)
		buf.Flush()
	})
	for _, allowed := range []bool{true, false} {
		req, _ := http.NewRequest("GET", "http://origin.example/socket", nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "websocket")
		s := newSession(policy.Client{Addr: mustAddr("192.0.2.1")})
		s.Inspect, s.Upgrade = true, allowed
		resp, err := r.gate.RoundTrip(s.in(req))
		if err != nil {
			t.Fatal(err)
		}
		both, ok := resp.Body.(io.ReadWriteCloser)
		if !allowed {
			if resp.StatusCode != 502 {
				t.Errorf("an upgrade nobody allowed: status %d", resp.StatusCode)
			}
			resp.Body.Close()
			continue
		}
		if resp.StatusCode != 101 || !ok {
			t.Fatalf("status %d, writable %v", resp.StatusCode, ok)
		}
		fmt.Fprint(both, "hello\n")
		if got, err := io.ReadAll(both); string(got) != "echo hello\n" {
			t.Errorf("%q, %v", got, err)
		}
		both.Close()
	}
}

// A body longer than a flight may take is a stream as long as nobody holds it.
func TestStreamsOutliveTheBudgetOfHolds(t *testing.T) {
	more := make(chan bool)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		w.(http.Flusher).Flush()
		<-more
		fmt.Fprint(w, "data: two\n\n")
	})
	r.gate.Budget = 50 * time.Millisecond
	req, _ := http.NewRequest("GET", "http://origin.example/events", nil)
	resp, err := r.as("192.0.2.1").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	time.Sleep(100 * time.Millisecond)
	close(more)
	if got, err := io.ReadAll(resp.Body); string(got) != "data: one\n\ndata: two\n\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
