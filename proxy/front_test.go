package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

func TestHopByHopFieldsEndHere(t *testing.T) {
	g := newFrontRig(t, nil)
	got := make(chan http.Header, 1)
	port := g.origin(false, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		h := w.Header()
		h.Set("Connection", "X-Hop, keep-alive")
		h.Set("X-Hop", "1")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Proxy-Authenticate", `Basic realm="phishing"`)
		h.Set("X-End", "kept")
	})
	c := g.dial()
	c.say("GET http://plain.example:%s/ HTTP/1.1\r\nHost: plain.example\r\nConnection: X-Secret, close, Host, Authorization\r\nX-Secret: 1\r\n"+
		"Keep-Alive: 3\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic YTpi\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\n"+
		"HTTP2-Settings: AAAA\r\nAuthorization: Bearer kept\r\nAccept-Encoding: gzip\r\n\r\n", port)
	resp, _ := c.response("GET")
	at := <-got
	for _, name := range []string{"X-Secret", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Upgrade", "Http2-Settings"} {
		if v, there := at[name]; there {
			t.Errorf("the origin got %s: %q", name, v)
		}
	}
	if v := at.Get("Te"); v != "trailers" {
		t.Errorf("the origin got TE: %q", v)
	}
	if at.Get("Authorization") != "Bearer kept" || at.Get("Accept-Encoding") != "gzip" {
		t.Errorf("the origin did not get what goes from end to end: %v", at)
	}
	if v := at.Get("Via"); v != "1.1 "+g.server.pseudonym {
		t.Errorf("the origin got Via: %q", v)
	}
	for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate"} {
		if v, there := resp.Header[name]; there {
			t.Errorf("the client got %s: %q", name, v)
		}
	}
	if resp.Header.Get("X-End") != "kept" || resp.Header.Get("Via") != "1.1 "+g.server.pseudonym {
		t.Errorf("the client got %v", resp.Header)
	}
}

func TestWaysAroundTheGateAreClosed(t *testing.T) {
	g := newFrontRig(t, nil)
	got := make(chan http.Header, 2)
	port := g.origin(true, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		h := w.Header()
		h.Set("Alt-Svc", `h3=":443"`)
		h.Set("Use-As-Dictionary", `match="/*"`)
		h.Add("Link", `</d>; rel="compression-dictionary"`)
		h.Add("Link", `</style.css>; rel=preload`)
		if r.URL.Path == "/dcb" {
			h.Set("Content-Encoding", "dcb")
		}
	})
	base := "https://" + inspected + ":" + port
	resp, _ := g.mustGet(base+"/", "Available-Dictionary", ":pZGm1A:", "Dictionary-ID", `"x"`, "Accept-Encoding", "gzip, dcb;q=1", "Accept-Encoding", "DCZ, br")
	at := <-got
	if at.Get("Available-Dictionary") != "" || at.Get("Dictionary-Id") != "" || at.Get("Accept-Encoding") != "gzip, br" {
		t.Errorf("the origin got %v", at)
	}
	for _, name := range []string{"Alt-Svc", "Use-As-Dictionary"} {
		if v := resp.Header.Get(name); v != "" {
			t.Errorf("the client got %s: %s", name, v)
		}
	}
	if v := resp.Header["Link"]; len(v) != 1 || !strings.Contains(v[0], "preload") {
		t.Errorf("the client got Link %q", v)
	}
	if resp, _ := g.mustGet(base + "/dcb"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("a body coded with a dictionary: %d", resp.StatusCode)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		want    string // beginning of the status line
		rules   frontRules
	}{
		"https as a plain request":    {"GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 400 Not clear: https is asked for by CONNECT", frontRules{}},
		"another scheme":              {"GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 400 Not clear: the proxy speaks http, not ftp", frontRules{}},
		"user information":            {"GET http://u:p@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 400 Not clear: the URL holds user information", frontRules{}},
		"a host that is a number":     {"GET http://2130706433/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 Not clear", frontRules{}},
		"a host in octal":             {"GET http://0177.0.0.01/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 Not clear", frontRules{}},
		"a host that is denied":       {"GET http://No.Example./ HTTP/1.1\r\nHost: no.example\r\n\r\n", "HTTP/1.1 403 Not allowed: the policy denies the host no.example", frontRules{deny: names("no.example")}},
		"CONNECT to a denied host":    {"CONNECT no.example:443 HTTP/1.1\r\nHost: no.example:443\r\n\r\n", "HTTP/1.1 403 Not allowed: the policy denies the host no.example", frontRules{deny: names("no.example")}},
		"a port that is not listed":   {"GET http://a.example:22/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 403 Not allowed: the policy does not list port 22", frontRules{}},
		"CONNECT to such a port":      {"CONNECT a.example:25 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 403 Not allowed: the policy does not list port 25", frontRules{}},
		"inspected, but not the port": {"CONNECT a.example:25 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 403 Not allowed", frontRules{inspect: names("a.example")}},
		"CONNECT without a port":      {"CONNECT a.example HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 Not clear: the port is missing", frontRules{}},
		"CONNECT with a path":         {"CONNECT /_goRPC_ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 Not clear", frontRules{}},
		"CONNECT with a body":         {"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 400 Not clear", frontRules{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newFrontRig(t, func(o *Options) { o.Rules = func() Rules { return c.rules } })
			conn := g.dial()
			conn.say("%s", c.request)
			if got := conn.line(); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
			if len(g.seen) != 0 {
				t.Error("the gate was asked")
			}
		})
	}
}

func TestLoopIsRefused(t *testing.T) {
	g := newFrontRig(t, nil)
	for _, request := range []string{"GET http://a.example/ HTTP/1.1", "CONNECT a.example:443 HTTP/1.1"} {
		c := g.dial()
		c.say("%s\r\nHost: a.example\r\nVia: 1.1 other, 1.1 %s\r\n\r\n", request, g.server.pseudonym)
		if got := c.line(); !strings.HasPrefix(got, "HTTP/1.1 508 ") {
			t.Errorf("%s: %s", request, got)
		}
	}
	if other := newPseudonym(); other == g.server.pseudonym {
		t.Error("two instances have one name")
	}
}

func TestSessionTellsTheGateWhoAsksForWhat(t *testing.T) {
	g := newFrontRig(t, nil)
	plain := g.origin(false, func(http.ResponseWriter, *http.Request) {})
	secure := g.origin(true, func(http.ResponseWriter, *http.Request) {})
	g.mustGet("http://Other.Example.:" + plain + "/a")
	g.mustGet("http://" + inspected + ":" + plain + "/b")
	g.mustGet("https://" + inspected + ":" + secure + "/c")
	want := []*session{
		{Authority: "other.example:" + plain},
		{Authority: inspected + ":" + plain, Inspect: true},
		{Authority: inspected + ":" + secure, Inspect: true, TLS: true},
	}
	urls := []string{"http://other.example:" + plain + "/a", "http://" + inspected + ":" + plain + "/b", "https://" + inspected + ":" + secure + "/c"}
	for i, w := range want {
		s := g.session[i]
		if s.Authority != w.Authority || s.Inspect != w.Inspect || s.TLS != w.TLS || s.Upgrade || s.ID == "" || s.Client.Addr.String() != "127.0.0.1" {
			t.Errorf("request %d: session %+v", i, s)
		}
		if got := g.seen[i].URL.String(); got != urls[i] || g.seen[i].Host != g.seen[i].URL.Host {
			t.Errorf("request %d: URL %s, Host %s", i, got, g.seen[i].Host)
		}
	}
}

func TestOneLineOfLogForARequest(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.origin(false, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	g.mustGet("http://a.example:" + port + "/x?token=secret&b=2&flag&=")
	g.client.CloseIdleConnections()
	lines := g.logs.FilterMessage("request").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	m := lines[0].ContextMap()
	for key, want := range map[string]any{
		"client": "127.0.0.1", "method": "GET", "url": "http://a.example:" + port + "/x?token=…&b=…&…&=", "proto": "HTTP/1.1",
		"status": int64(200), "bytes": int64(5), "inspected": false, "outcome": "passed",
	} {
		if m[key] != want {
			t.Errorf("%s is %v, not %v", key, m[key], want)
		}
	}
	if strings.Contains(fmt.Sprint(m), "secret") {
		t.Error("the value of a query is in the log")
	}
}

func TestSessionOfNobodyIsInspected(t *testing.T) {
	if s := sessionOf(t.Context()); !s.Inspect || s.Client != (policy.Client{}) || s.Upgrade {
		t.Errorf("%+v", s)
	}
}

func TestProxyStatusCannotBeForged(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			resp := &http.Response{StatusCode: 200, Header: http.Header{"Proxy-Status": {"cdn; hit", "SallyPort; received-status=200"}}, Body: http.NoBody, ProtoMajor: 1, ProtoMinor: 1}
			if r.URL.Path == "/allowed" {
				markAllowed(resp.Header, 200)
			}
			return resp, nil
		})
	})
	resp, _ := g.mustGet("http://a.example/passed")
	if got := resp.Header["Proxy-Status"]; len(got) != 1 || got[0] != "cdn; hit" {
		t.Errorf("of a response that just passed: %q", got)
	}
	resp, _ = g.mustGet("http://a.example/allowed")
	if got := resp.Header["Proxy-Status"]; len(got) != 2 || got[1] != "sallyport; received-status=200" {
		t.Errorf("of a response that was allowed: %q", got)
	}
	for name := range resp.Header {
		if strings.Contains(name, "allowed") {
			t.Errorf("the mark went out: %q", name)
		}
	}
}

func TestAnOriginCannotAskForProxyCredentials(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.origin(false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="give me"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
	})
	resp, _ := g.mustGet("http://a.example:" + port + "/")
	if resp.StatusCode != http.StatusBadGateway || resp.Header.Get("Proxy-Authenticate") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestMaxForwards(t *testing.T) {
	g := newFrontRig(t, nil)
	got := make(chan string, 1)
	port := g.origin(false, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Max-Forwards") })
	for field, want := range map[string]int{"0": 403, "x": 403, "3": 200} {
		req, _ := http.NewRequest(http.MethodOptions, "http://a.example:"+port+"/", nil)
		req.Header.Set("Max-Forwards", field)
		resp, err := g.client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Max-Forwards %s: %d", field, resp.StatusCode)
		}
	}
	if n := <-got; n != "2" {
		t.Errorf("forwarded as %s", n)
	}
}
