package proxy

// Each test here guards against one hazard of goproxy or net/http, as they behave without our cure.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/elazarl/goproxy"
)

func TestPanicInAHandlerDoesNotEndTheProcess(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/late" {
				return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(panicReader{})}, nil
			}
			panic("a bug: " + r.URL.Path)
		})
	})
	for _, base := range []string{"http://a.example", "https://" + inspected} {
		resp, body, err := g.get(base + "/early")
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable || bytes.Contains(body, []byte("a bug")) {
			t.Errorf("%s: %v %v %s", base, resp, err, body)
		}
		if _, _, err := g.get(base + "/late"); err == nil {
			t.Errorf("%s: a response that broke off looks complete", base)
		}
	}
	if n := g.logs.FilterMessage("panic while answering a request").Len(); n != 4 {
		t.Errorf("%d panics in the log", n)
	}
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("in the middle of a body") }

func TestGateWithoutAnAnswerIsA502(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/nil" {
				return nil, nil
			}
			return nil, errors.New("dial tcp 10.0.0.7:443: secret topology")
		})
	})
	for _, u := range []string{"http://a.example/nil", "http://a.example/err", "https://" + inspected + "/nil", "https://" + inspected + "/err"} {
		resp, body := g.mustGet(u)
		if resp.StatusCode != http.StatusBadGateway || !strings.HasPrefix(resp.Header.Get("Proxy-Status"), "sallyport; error=") || bytes.Contains(body, []byte("topology")) {
			t.Errorf("%s: %d %v %s", u, resp.StatusCode, resp.Header, body)
		}
	}
}

// TestTruncationIsSeen cuts bodies at many places: with and without a length, on plain HTTP, on HTTP/1 and HTTP/2 over
// TLS. goproxy ends such responses as if they were complete.
func TestTruncationIsSeen(t *testing.T) {
	const whole = 100_000
	g := newFrontRig(t, func(o *Options) {
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			var at, length int64
			fmt.Sscanf(r.URL.Path, "/%d/%d", &at, &length)
			body := io.MultiReader(io.LimitReader(zeros{}, at), failing{})
			if length == -2 { // ends early without an error
				body, length = io.LimitReader(zeros{}, at), whole
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: length, Body: io.NopCloser(body), ProtoMajor: 1, ProtoMinor: 1}, nil
		})
	})
	h1 := g.client.Clone()
	h1.ForceAttemptHTTP2 = false
	h1.TLSClientConfig.NextProtos = []string{"http/1.1"}
	defer h1.CloseIdleConnections()
	for _, transport := range []*http.Transport{g.client, h1} {
		for _, base := range []string{"http://a.example", "https://" + inspected} {
			for _, at := range []int{0, 1, 2047, 2048, 4096, 65536, whole - 1} {
				for _, length := range []int{-1, -2, whole} {
					req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/%d/%d", base, at, length), nil)
					resp, err := transport.RoundTrip(req)
					if err != nil {
						continue
					}
					n, err := io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if err == nil {
						t.Errorf("%s %s cut at %d of length %d: %d bytes that look complete", resp.Proto, base, at, length, n)
					}
				}
			}
		}
	}
	for _, l := range g.logs.FilterMessage("request").All() {
		if m := l.ContextMap(); m["method"] == "GET" && m["outcome"] != outcomeAborted {
			t.Errorf("the log says %v of %v", m["outcome"], m["url"])
		}
	}
}

func TestTruncationIsSeenByHTTP10(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.rawOrigin(func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	})
	c := g.dial()
	c.say("GET http://a.example:%s/ HTTP/1.0\r\n\r\n", port)
	b, err := io.ReadAll(c.r)
	if err == nil {
		t.Errorf("the end of the connection looks like the end of the body: %s", b)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the origin is gone") }

func TestBytesBeyondTheLengthAreNotSent(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Gate = roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: 3, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader("abcdef")))}, nil
		})
	})
	c := g.dial()
	c.say("GET http://a.example/ HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := c.rest(); strings.HasSuffix(got, "def") {
		t.Errorf("%q", got)
	}
	if _, _, err := g.get("http://a.example/"); err == nil {
		t.Error("a response that is longer than it says looks well")
	}
}

func TestAuthoritiesMustAgree(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Rules = func() Rules { return frontRules{inspect: names(inspected, "other.example"), ports: true} }
	})
	port := g.origin(true, func(http.ResponseWriter, *http.Request) {})
	here := inspected + ":" + port
	for name, c := range map[string]struct {
		sni, request string
		want         int
	}{
		"all agree":                  {inspected, "GET / HTTP/1.1\r\nHost: " + here, 200},
		"in other letters":           {inspected, "GET / HTTP/1.1\r\nHost: INSPECTED.example.:" + port, 200},
		"without a server name":      {"", "GET / HTTP/1.1\r\nHost: " + here, 200},
		"absolute, and agreeing":     {inspected, "GET https://" + here + "/ HTTP/1.1\r\nHost: " + here, 200},
		"another Host":               {inspected, "GET / HTTP/1.1\r\nHost: other.example:" + port, 421},
		"another port":               {inspected, "GET / HTTP/1.1\r\nHost: " + inspected + ":1", 421},
		"no port, which means 443":   {inspected, "GET / HTTP/1.1\r\nHost: " + inspected, 421},
		"another absolute URL":       {inspected, "GET https://other.example:" + port + "/ HTTP/1.1\r\nHost: " + here, 421},
		"another scheme":             {inspected, "GET http://" + here + "/ HTTP/1.1\r\nHost: " + here, 421},
		"another server name":        {"other.example", "GET / HTTP/1.1\r\nHost: " + here, 421},
		"server name and Host agree": {"other.example", "GET / HTTP/1.1\r\nHost: other.example:" + port, 421},
		"an empty Host":              {inspected, "GET / HTTP/1.1\r\nHost: ", 400},
		"a tunnel inside":            {inspected, "CONNECT " + here + " HTTP/1.1\r\nHost: " + here, 403},
		"user information":           {inspected, "GET https://u@" + here + "/ HTTP/1.1\r\nHost: " + here, 400},
		"an asterisk":                {inspected, "OPTIONS * HTTP/1.1\r\nHost: " + here, 400},
	} {
		t.Run(name, func(t *testing.T) {
			raw := g.connect(here)
			var conn *rawClient
			if c.sni == "" {
				conn = g.secureWithoutName(raw)
			} else {
				conn = g.secure(raw, c.sni)
			}
			conn.say("%s\r\nConnection: close\r\n\r\n", c.request)
			resp, _ := conn.response("GET")
			if resp.StatusCode != c.want {
				t.Errorf("got %s, want %d", resp.Status, c.want)
			}
		})
	}
}

func TestHTTP2AuthorityMustAgree(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.origin(true, func(http.ResponseWriter, *http.Request) {})
	req, _ := http.NewRequest(http.MethodGet, "https://"+inspected+":"+port+"/", nil)
	req.Host = "other.example:" + port
	resp, err := g.client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest || resp.ProtoMajor != 2 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
}

// TestClientHelloInOneSegmentWithTheConnect sends both in one write. Hijack by itself loses what was read already.
func TestClientHelloInOneSegmentWithTheConnect(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.origin(true, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "through") })
	for _, host := range []string{inspected, "localhost"} {
		c := g.dial()
		joined := &joiningConn{Conn: c.Conn, head: fmt.Sprintf("CONNECT %s:%s HTTP/1.1\r\nHost: x\r\n\r\n", host, port), r: c.r}
		conn := tlsOver(joined, host)
		if err := conn.Handshake(); err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", host, port)
		if b, _ := io.ReadAll(conn); !bytes.HasSuffix(b, []byte("through")) {
			t.Errorf("%s: %s", host, b)
		}
		conn.Close()
	}
}

// joiningConn sends head together with the first write, and skips the answer to it before the first read.
type joiningConn struct {
	net.Conn
	head string
	r    *bufio.Reader
	past bool
}

func (c *joiningConn) Write(p []byte) (int, error) {
	if c.head == "" {
		return c.Conn.Write(p)
	}
	_, err := c.Conn.Write(append([]byte(c.head), p...))
	c.head = ""
	return len(p), err
}

func (c *joiningConn) Read(p []byte) (int, error) {
	for !c.past {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		c.past = line == "\r\n"
	}
	return c.r.Read(p)
}

func TestSilenceAfterConnectEnds(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Limits = Limits{Handshake: 100 * time.Millisecond, HeaderRead: 100 * time.Millisecond}
	})
	silent := g.connect(inspected + ":443")
	half := g.connect(inspected + ":443")
	half.say("\x16\x03\x01")
	slow := g.secure(g.connect(inspected+":443"), inspected, "http/1.1")
	slow.say("GET / HT")
	for name, c := range map[string]*rawClient{"silent": silent, "in the handshake": half, "in the header": slow} {
		// net/http answers half a request line that has timed out with a 400.
		if got := c.rest(); got != "" && (name != "in the header" || !strings.HasPrefix(got, "HTTP/1.1 400 ")) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestBytesReachTheClientAsTheyCome is for Server-Sent Events, long polls and everything else without a length: the
// origin sends the next piece only when the client has had the one before. goproxy flushes nothing but event streams.
func TestBytesReachTheClientAsTheyCome(t *testing.T) {
	g := newFrontRig(t, nil)
	next := make(chan struct{})
	stream := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		for i := range 3 {
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
			fmt.Fprintf(w, "piece %d", i)
			w.(http.Flusher).Flush()
		}
	}
	plain, secure := g.origin(false, stream), g.origin(true, stream)
	for _, base := range []string{"http://a.example:" + plain, "http://" + inspected + ":" + plain, "https://" + inspected + ":" + secure} {
		for _, kind := range []string{"text/event-stream", "text/plain", "application/octet-stream"} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/?type="+kind, nil)
			resp, err := g.client.RoundTrip(req) // returns before the origin has sent a byte of body
			if err != nil {
				t.Fatalf("%s %s: %v", base, kind, err)
			}
			for i := range 3 {
				next <- struct{}{}
				piece := make([]byte, 7)
				if _, err := io.ReadFull(resp.Body, piece); err != nil || string(piece) != fmt.Sprintf("piece %d", i) {
					t.Fatalf("%s %s: %q %v", base, kind, piece, err)
				}
			}
			resp.Body.Close()
			cancel()
		}
	}
}

func TestExpectContinue(t *testing.T) {
	g := newFrontRig(t, nil)
	echo := func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }
	plain, secure := g.origin(false, echo), g.origin(true, echo)
	p := g.dial()
	p.say("POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", plain)
	s := g.secure(g.connect(inspected+":"+secure), inspected, "http/1.1")
	s.say("POST / HTTP/1.1\r\nHost: %s:%s\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", inspected, secure)
	for name, c := range map[string]*rawClient{"plain": p, "inspected": s} {
		if got := c.line(); got != "HTTP/1.1 100 Continue" {
			t.Errorf("%s: %s", name, got)
		}
		c.line()
		c.say("hello")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || string(body) != "hello" {
			t.Errorf("%s: %s %q", name, resp.Status, body)
		}
	}
}

func TestAcceptEncodingAndCodedBodiesPassAsTheyAre(t *testing.T) {
	g := newFrontRig(t, nil)
	coded := []byte("\x1f\x8b these are the bytes on the wire")
	got := make(chan string, 2)
	port := g.origin(false, func(w http.ResponseWriter, r *http.Request) {
		got <- strings.Join(r.Header["Accept-Encoding"], "|")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(coded)
	})
	for _, field := range []string{"gzip, br", ""} {
		c := g.dial()
		c.say("GET http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", port)
		if field != "" {
			c.say("Accept-Encoding: %s\r\n", field)
		}
		c.say("\r\n")
		resp, body := c.response("GET")
		if !bytes.Equal(body, coded) || resp.Header.Get("Content-Encoding") != "gzip" || resp.ContentLength != int64(len(coded)) {
			t.Errorf("%q: %v %q", field, resp.Header, body)
		}
		if at := <-got; at != field {
			t.Errorf("the origin got Accept-Encoding %q, the client sent %q", at, field)
		}
	}
}

func TestContentTypeIsNotInvented(t *testing.T) {
	g := newFrontRig(t, nil)
	h := func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<html>looks like a page")
	}
	plain, secure := g.origin(false, h), g.origin(true, h)
	for _, u := range []string{"http://a.example:" + plain, "https://" + inspected + ":" + secure} {
		if resp, _ := g.mustGet(u + "/"); len(resp.Header["Content-Type"]) != 0 {
			t.Errorf("%s: Content-Type %q", u, resp.Header["Content-Type"])
		}
	}
}

func TestLengthAndTrailersSurvive(t *testing.T) {
	g := newFrontRig(t, nil)
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "5")
			if r.Method != http.MethodHead {
				io.WriteString(w, "hello")
			}
			return
		}
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "abc")
	}
	plain, secure := g.origin(false, h), g.origin(true, h)
	for _, base := range []string{"http://a.example:" + plain, "https://" + inspected + ":" + secure} {
		resp, _ := g.mustGet(base + "/trailer")
		if resp.Trailer.Get("X-Sum") != "abc" {
			t.Errorf("%s: trailers %v", base, resp.Trailer)
		}
		for _, method := range []string{"GET", "HEAD"} {
			req, _ := http.NewRequest(method, base+"/length", nil)
			resp, err := g.client.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.ContentLength != 5 {
				t.Errorf("%s %s: length %d", method, base, resp.ContentLength)
			}
		}
	}
}

func TestEngineDoesNothingByItself(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	g := newFrontRig(t, nil)
	e := g.server.engine
	if e.ConnectDial != nil || e.ConnectDialWithReq != nil || e.PreventCanonicalization || !e.KeepAcceptEncoding || e.KeepHeader {
		t.Error("goproxy is not set up as it must be")
	}
	if _, err := e.Tr.DialContext(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, errNoEngineDial) {
		t.Errorf("goproxy's own transport dials: %v", err)
	}
	if e.Logger.(goproxy.Logger).Printf("WARN: %s\n", "something"); g.logs.FilterMessage("goproxy").Len() != 1 {
		t.Error("goproxy's log is not in ours")
	}
}

// TestSmuggling sends requests whose end different servers see in different places. An origin that reads raw bytes
// must see one request or none.
func TestSmuggling(t *testing.T) {
	second := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, request := range map[string]string{
		"length and chunked":       "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":              "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
		"chunked by another name":  "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"chunked twice":            "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"a folded line":            "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 44\r\nContent-Length: 0\r\n\r\n",
		"a bare CR":                "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 44\r\nContent-Length: 0\r\n\r\n",
		"a space before the colon": "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nContent-Length : 44\r\n\r\n",
		"a chunk of a bad size":    "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2c\r\n",
		"a chunk with a lone LF":   "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nxx\r\n2c\r\n0\r\n\r\n",
		"two hosts":                "GET http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"a signed length":          "POST http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: +44\r\n\r\n",
		"a NUL in a field":         "GET http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := newFrontRig(t, nil)
			arrived := make(chan []byte, 4)
			port := g.rawOrigin(func(c net.Conn) {
				buf := make([]byte, 64<<10)
				c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
				n := 0
				for n < len(buf) {
					m, err := c.Read(buf[n:])
					n += m
					if err != nil {
						break
					}
					if bytes.Contains(buf[:n], []byte("\r\n\r\n")) {
						io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				}
				arrived <- buf[:n]
			})
			c := g.dial()
			c.say(request+"%s", port, strings.Replace(second, "GET /", "GET http://a.example:"+port+"/", 1))
			c.Conn.(*net.TCPConn).CloseWrite()
			c.rest()
			for {
				select {
				case bytesSeen := <-arrived:
					checkOneRequest(t, bytesSeen)
					continue
				case <-time.After(400 * time.Millisecond):
				}
				break
			}
		})
	}
}

// checkOneRequest demands that what an origin has received is requests that follow each other cleanly, and that the
// second, if it is there, is one of its own that we have written: with our Via.
func checkOneRequest(t *testing.T, raw []byte) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(raw))
	for {
		req, err := http.ReadRequest(r)
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("the origin cannot read what it got (%v):\n%q", err, raw)
			return
		}
		if req.Header.Get("Via") == "" || len(req.TransferEncoding) > 0 && req.Header.Get("Content-Length") != "" {
			t.Errorf("the origin got a request that we have not written:\n%q", raw)
		}
		if req.URL.Path == "/smuggled" && req.Method != "GET" {
			t.Errorf("smuggled: %q", raw)
		}
		io.Copy(io.Discard, req.Body)
	}
}
