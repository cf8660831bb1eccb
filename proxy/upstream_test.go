package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestUpstreamProtocols(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	cert := pki.leaf(upstreamKey(t), nil)
	origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto+" "+r.Host) }, &cert, true)
	for h2, want := range map[bool]string{false: "HTTP/1.1 origin.example", true: "HTTP/2.0 origin.example"} {
		resp, err := upstreamGet(t, upstreamTo(t, origin.addr, UpstreamOptions{Roots: pki.pool(), HTTP2: h2}), "https://origin.example:443/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(b) != want || !EndKnown(resp) {
			t.Errorf("HTTP2=%v: %q, %v, end known %v", h2, b, err, EndKnown(resp))
		}
	}
}

func TestUpstreamSendsTheRequestAsItIs(t *testing.T) {
	got := make(chan *http.Request, 1)
	origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) { got <- r }, nil, false)
	u := upstreamTo(t, origin.addr, UpstreamOptions{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://origin.example/%41?b=%20", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "elsewhere.example" // not what was checked
	req.RequestURI = "/left-over"
	req.Header = http.Header{"Proxy-Authorization": {"Basic secret"}, "Proxy-Connection": {"keep-alive"}, "Idempotency-Key": {"k"}, "Authorization": {"for the origin"}}
	resp, err := u.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r := <-got
	if r.Host != "origin.example" || r.RequestURI != "/%41?b=%20" {
		t.Errorf("host %q, target %q", r.Host, r.RequestURI)
	}
	for name, want := range map[string]string{"Proxy-Authorization": "", "Proxy-Connection": "", "User-Agent": "", "Accept-Encoding": "", "Authorization": "for the origin", "Idempotency-Key": "k"} {
		if v := r.Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if req.Header.Get("Proxy-Authorization") == "" || req.Host != "elsewhere.example" || resp.Request != req {
		t.Error("the caller's request was changed")
	}
}

func TestUpstreamPassesAnswersThrough(t *testing.T) {
	origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/target", http.StatusFound)
		case "/part":
			w.Header().Set("Content-Range", "bytes 0-3/10")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "part")
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "\x1f\x8b not decoded")
		}
	}, nil, false)
	u := upstreamTo(t, origin.addr, UpstreamOptions{})
	for path, want := range map[string]struct {
		status int
		body   string
	}{"/redirect": {302, "Found"}, "/part": {206, "part"}, "/gzip": {200, "\x1f\x8b not decoded"}} {
		resp, err := upstreamGet(t, u, "http://origin.example"+path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want.status || !strings.Contains(string(b), want.body) {
			t.Errorf("%s: %d %q, %v", path, resp.StatusCode, b, err)
		}
	}
}

func TestUpstreamRefusesWhatIsInside(t *testing.T) {
	names := &guardNames{answers: map[string][]string{"metadata.example": {"169.254.169.254"}, "local.example": {"::1"}}}
	u := upstreamTo(t, "", UpstreamOptions{Resolver: names})
	for _, host := range []string{"169.254.169.254", "[::1]", "metadata.example", "local.example", "127.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "localhost.", "[64:ff9b::7f00:1]"} {
		if host == "localhost." {
			names.answers["localhost"] = []string{"127.0.0.1,::1"}
		}
		for _, scheme := range []string{"http://", "https://"} {
			_, err := upstreamGet(t, u, scheme+host+"/latest/meta-data")
			upstreamWant(t, err, upstreamProhibited, "destination_ip_prohibited", strings.Trim(host, "[]."))
		}
		_, err := u.DialTunnel(t.Context(), host+":443")
		upstreamWant(t, err, upstreamProhibited, "destination_ip_prohibited")
	}
	_, err := upstreamGet(t, u, "http://nowhere.example/")
	upstreamWant(t, err, upstreamDNS, "dns_error", "nowhere.example")
	if _, err := upstreamGet(t, u, "ftp://origin.example/"); err == nil {
		t.Error("ftp was taken")
	}
}

// An origin that answers once on each connection, then closes it as the next request arrives: net/http may send a GET
// again, and must not send a POST again, whatever fields it carries.
func TestUpstreamNeverRepeatsAPost(t *testing.T) {
	for name, test := range map[string]struct {
		method  string
		header  string
		repeats bool
	}{
		"GET":                    {http.MethodGet, "", true},
		"POST":                   {http.MethodPost, "", false},
		"POST that says it may":  {http.MethodPost, "Idempotency-Key", false},
		"POST that says so too":  {http.MethodPost, "X-Idempotency-Key", false},
		"PATCH that says it may": {http.MethodPatch, "Idempotency-Key", false},
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int64
			addr := upstreamRaw(t, func(c net.Conn) {
				in := bufio.NewReader(c)
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				seen.Add(1)
			})
			u := upstreamTo(t, addr, UpstreamOptions{})
			resp, err := upstreamGet(t, u, "http://origin.example/")
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://origin.example/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if test.header != "" {
				req.Header.Set(test.header, "1")
			}
			resp, err = u.RoundTrip(req)
			if test.repeats {
				if err != nil {
					t.Fatalf("a GET was not repeated: %v", err)
				}
				resp.Body.Close()
				return
			}
			if err == nil {
				resp.Body.Close()
				t.Fatal("it was sent again")
			}
			upstreamWant(t, err, upstreamConnection, "connection_terminated")
			if n := seen.Load(); n != 1 {
				t.Errorf("the origin saw it %d times", n)
			}
		})
	}
}

func TestUpstreamLimitsOfAnAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(net.Conn)
		kind   string
		token  string
	}{
		"huge header":    {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n") }, upstreamResponse, "http_response_header_section_size"},
		"endless header": {func(c net.Conn) { c.Write([]byte("HTTP/1.1 200 OK\r\n")); upstreamForever(c, "X: y\r\n") }, upstreamResponse, "http_response_header_section_size"},
		"silence":        {func(c net.Conn) { io.Copy(io.Discard, c) }, upstreamTimeout, "http_response_timeout"},
		"half a header":  {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); io.Copy(io.Discard, c) }, upstreamTimeout, "http_response_timeout"},
		"not HTTP":       {func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n\r\n") }, upstreamResponse, "http_protocol_error"},
		"bad field":      {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nno colon\r\n\r\n") }, upstreamResponse, "http_protocol_error"},
		"two lengths": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
		}, upstreamResponse, "http_protocol_error"},
		"closed at once":  {func(c net.Conn) { c.Close() }, upstreamConnection, "connection_terminated"},
		"cut in a header": {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n") }, upstreamResponse, "http_response_incomplete"},
		"407": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
		}, upstreamResponse, "http_protocol_error"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := upstreamRaw(t, func(c net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					test.answer(c)
				}
			})
			o := UpstreamOptions{}
			if test.kind == upstreamTimeout {
				o.HeaderTimeout = 100 * time.Millisecond
			}
			resp, err := upstreamGet(t, upstreamTo(t, addr, o), "http://origin.example/")
			if err == nil {
				resp.Body.Close()
				t.Fatalf("%s was taken", resp.Status)
			}
			upstreamWant(t, err, test.kind, test.token)
		})
	}
}

func upstreamForever(w io.Writer, s string) {
	for {
		if _, err := io.WriteString(w, s); err != nil {
			return
		}
	}
}

func TestUpstreamHugeHeaderOverHTTP2(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	cert := pki.leaf(upstreamKey(t), nil)
	origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) {
		for i := range 258 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
		}
	}, &cert, true)
	_, err := upstreamGet(t, upstreamTo(t, origin.addr, UpstreamOptions{Roots: pki.pool(), HTTP2: true}), "https://origin.example/")
	upstreamWant(t, err, upstreamResponse, "http_response_header_section_size")
}

func TestUpstreamTLSHandshakeThatNeverEnds(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	_, err := upstreamGet(t, upstreamTo(t, addr, UpstreamOptions{TLSTimeout: 100 * time.Millisecond}), "https://origin.example/")
	upstreamWant(t, err, upstreamTimeout, "connection_timeout", "handshake")
}

// An origin that takes the header of an upload and then nothing more.
func TestUpstreamUploadThatIsNotTaken(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) { <-t.Context().Done() })
	u := upstreamTo(t, addr, UpstreamOptions{StallTimeout: 100 * time.Millisecond})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://origin.example/", io.LimitReader(upstreamZeros{}, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.RoundTrip(req)
	upstreamWant(t, err, upstreamTimeout, "connection_write_timeout")
}

type upstreamZeros struct{}

func (upstreamZeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestUpstreamGivenUp(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://origin.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = upstreamTo(t, addr, UpstreamOptions{}).RoundTrip(req)
	upstreamWant(t, err, upstreamCanceled, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v hides its cause", err)
	}
}

func TestUpstreamConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = upstreamGet(t, upstreamTo(t, l.Addr().String(), UpstreamOptions{}), "http://origin.example/")
	upstreamWant(t, err, upstreamConnection, "connection_refused")
}

func TestUpstreamDirectTunnelIsATCPConn(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) { io.Copy(c, c) })
	conn, err := upstreamTo(t, addr, UpstreamOptions{}).DialTunnel(t.Context(), "origin.example:443")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := conn.(*net.TCPConn); !ok {
		t.Errorf("%T cannot be spliced", conn)
	}
}

func TestUpstreamUpgradeKeepsBothDirections(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err == nil {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			io.Copy(c, in)
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://origin.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}
	resp, err := upstreamTo(t, addr, UpstreamOptions{}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != 101 || !ok {
		t.Fatalf("%s, body %T", resp.Status, resp.Body)
	}
	io.WriteString(conn, "ping")
	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ping" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestUpstreamRefusesOptionsItCannotFollow(t *testing.T) {
	for _, o := range []UpstreamOptions{
		{ParentProxy: &url.URL{Scheme: "socks5", Host: "a.example:1080"}},
		{ParentProxy: &url.URL{Scheme: "http"}},
		{AllowPrivate: []string{"127.1"}},
		{Resolve: map[string]string{"a.example": "b"}},
	} {
		if _, err := NewUpstream(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestUpstreamNothingIsSkipped(t *testing.T) {
	u := upstreamTo(t, "", UpstreamOptions{})
	if c := u.tls; c.InsecureSkipVerify || c.MinVersion != tls.VersionTLS12 || c.Renegotiation != tls.RenegotiateNever || c.VerifyConnection == nil {
		t.Errorf("%+v", c)
	}
	for _, tr := range []*http.Transport{u.direct, u.tunneled, u.absolute} {
		if tr.TLSClientConfig.InsecureSkipVerify || tr.DialTLSContext != nil || !tr.DisableCompression {
			t.Errorf("%+v", tr)
		}
	}
}
