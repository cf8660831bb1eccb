package proxy

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// parentProxy is a parent proxy that wants credentials and remembers what it was asked.
type parentProxy struct {
	*upstreamOrigin
	to string // where everything really goes

	mu    sync.Mutex
	asked []string // method and target of each request
	seen  []http.Header
}

const parentCredentials = "user:pass:word"

func (p *parentProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	p.seen = append(p.seen, r.Header.Clone())
	p.mu.Unlock()
	if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(parentCredentials)) {
		w.Header().Set("Proxy-Authenticate", "Basic realm=parent")
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		io.WriteString(w, "absolute "+r.RequestURI)
		return
	}
	target, err := net.Dial("tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer target.Close()
	conn, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 Connected\r\n\r\n")
	go func() {
		io.Copy(target, in)
		target.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(conn, target)
}

func (p *parentProxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// parentServe starts a parent over http or https.
func parentServe(t *testing.T, pki *upstreamPKI, scheme, to string) (*parentProxy, *url.URL) {
	t.Helper()
	p := &parentProxy{to: to}
	if scheme == "https" {
		cert := pki.leaf(upstreamKey(t), func(c *x509.Certificate) { c.DNSNames = []string{"parent.example"} })
		p.upstreamOrigin = upstreamServe(t, p.ServeHTTP, &cert, false)
	} else {
		p.upstreamOrigin = upstreamServe(t, p.ServeHTTP, nil, false)
	}
	_, port, _ := net.SplitHostPort(p.addr)
	return p, &url.URL{Scheme: scheme, User: url.UserPassword("user", "pass:word"), Host: "parent.example:" + port}
}

// parentDNS knows the parent, an origin out there, and one inside.
func parentDNS() *guardNames {
	return &guardNames{answers: map[string][]string{
		"parent.example": {"127.0.0.1"}, "origin.example": {"8.8.8.8"}, "inside.example": {"10.0.0.1"}, "mixed.example": {"8.8.8.8,10.0.0.1"},
	}}
}

func TestParentCarriesEverything(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	cert := pki.leaf(upstreamKey(t), nil)
	for _, scheme := range []string{"http", "https"} {
		for _, h2 := range []bool{false, true} {
			origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Proxy-Authorization") != "" {
					t.Error("the parent's credentials reached the origin")
				}
				io.WriteString(w, r.Proto)
			}, &cert, true)
			parent, at := parentServe(t, pki, scheme, origin.addr)
			u := upstreamTo(t, "", UpstreamOptions{Roots: pki.pool(), ParentProxy: at, Resolver: parentDNS(), HTTP2: h2})
			for target, want := range map[string]string{
				"https://origin.example/":     map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[h2],
				"http://origin.example/a%20b": "absolute http://origin.example/a%20b",
			} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Proxy-Authorization", "Basic of-a-client")
				resp, err := u.RoundTrip(req)
				if err != nil {
					t.Fatalf("%s parent, %s: %v (%v)", scheme, target, err, classify(err).Err)
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(b) != want {
					t.Errorf("%s parent, %s: %q, %v; want %q", scheme, target, b, err, want)
				}
			}
			for _, h := range parent.seen {
				if strings.Contains(h.Get("Proxy-Authorization"), "of-a-client") {
					t.Error("a client's credentials reached the parent")
				}
			}
		}
	}
}

func TestParentTunnel(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	echo := upstreamRaw(t, func(c net.Conn) { io.Copy(c, c) })
	for _, scheme := range []string{"http", "https"} {
		parent, at := parentServe(t, pki, scheme, echo)
		u := upstreamTo(t, "", UpstreamOptions{Roots: pki.pool(), ParentProxy: at, Resolver: parentDNS()})
		conn, err := u.DialTunnel(t.Context(), "origin.example:8443")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "ping")
		conn.(interface{ CloseWrite() error }).CloseWrite()
		if b, err := io.ReadAll(conn); err != nil || string(b) != "ping" {
			t.Errorf("%s: %q, %v", scheme, b, err)
		}
		if _, ok := conn.(*net.TCPConn); scheme == "http" && !ok {
			t.Errorf("%T cannot be spliced", conn)
		}
		conn.Close()
		if got := strings.Join(parent.requests(), " "); got != "CONNECT origin.example:8443" {
			t.Errorf("asked: %s", got)
		}
	}
}

// A tunnel's far end that speaks first may be heard together with the parent's answer.
func TestParentThatSpeaksAtOnce(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 ready\r\n")
			io.Copy(c, c)
		}
	})
	u := upstreamTo(t, "", UpstreamOptions{ParentProxy: &url.URL{Scheme: "http", Host: addr}, Resolver: parentDNS()})
	conn, err := u.DialTunnel(t.Context(), "origin.example:25")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make([]byte, 11)
	if _, err := io.ReadFull(conn, got[:3]); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, got[3:]); err != nil || string(got) != "220 ready\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// Behind a parent names are resolved and checked first, as if there were none.
func TestParentIsNotAskedForWhatIsInside(t *testing.T) {
	parent, at := parentServe(t, nil, "http", "")
	for _, resolves := range []bool{false, true} {
		u := upstreamTo(t, "", UpstreamOptions{ParentProxy: at, Resolver: parentDNS(), ParentResolves: resolves})
		for _, host := range []string{"inside.example", "mixed.example", "10.0.0.1", "[::1]", "127.1", "169.254.169.254", "2130706433"} {
			for _, scheme := range []string{"http://", "https://"} {
				_, err := upstreamGet(t, u, scheme+host+"/")
				upstreamWant(t, err, upstreamProhibited, "destination_ip_prohibited")
			}
			_, err := u.DialTunnel(t.Context(), host+":443")
			upstreamWant(t, err, upstreamProhibited, "destination_ip_prohibited")
		}
	}
	if got := parent.requests(); len(got) > 0 {
		t.Errorf("the parent was asked: %q", got)
	}
}

func TestParentAndNamesThatDoNotResolveHere(t *testing.T) {
	parent, at := parentServe(t, nil, "http", "")
	u := upstreamTo(t, "", UpstreamOptions{ParentProxy: at, Resolver: parentDNS()})
	for _, url := range []string{"http://unknown.example/", "https://unknown.example/"} {
		_, err := upstreamGet(t, u, url)
		upstreamWant(t, err, upstreamDNS, "dns_error", "unknown.example")
	}
	if got := parent.requests(); len(got) > 0 {
		t.Errorf("the parent was asked: %q", got)
	}
	u = upstreamTo(t, "", UpstreamOptions{ParentProxy: at, Resolver: parentDNS(), ParentResolves: true})
	resp, err := upstreamGet(t, u, "http://unknown.example/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestParentFailures(t *testing.T) {
	pki, strangers := newUpstreamPKI(t, upstreamKey(t)), newUpstreamPKI(t, upstreamKey(t))
	answer := func(s string) *url.URL {
		return &url.URL{Scheme: "http", Host: upstreamRaw(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, s)
				io.Copy(io.Discard, c)
			}
		})}
	}
	_, noCredentials := parentServe(t, pki, "http", "")
	noCredentials.User = nil
	_, untrusted := parentServe(t, strangers, "https", "")
	_, loop := parentServe(t, pki, "http", "")
	_, down := parentServe(t, pki, "http", "127.0.0.1:1")
	for name, test := range map[string]struct {
		parent *url.URL
		kind   string
		token  string
		words  string
	}{
		"407":             {noCredentials, upstreamParent, "proxy_configuration_error", "407"},
		"403":             {answer("HTTP/1.1 403 For\x1bbidden\r\nContent-Length: 0\r\n\r\n"), upstreamParent, "http_request_denied", "403"},
		"502":             {down, upstreamParent, "destination_unavailable", "502"},
		"huge answer":     {answer("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), upstreamParent, "http_response_header_section_size", "parent"},
		"not HTTP":        {answer("SSH-2.0\r\n\r\n"), upstreamParent, "http_protocol_error", "parent"},
		"1xx for ever":    {answer(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100)), upstreamParent, "http_protocol_error", "parent"},
		"silence":         {answer(""), upstreamTimeout, "connection_read_timeout", "parent"},
		"bad certificate": {untrusted, upstreamParent, "tls_certificate_error", "does not trust"},
		"itself":          {loop, upstreamParent, "proxy_loop_detected", "itself"},
		"unknown":         {&url.URL{Scheme: "http", Host: "no-parent.example:3128"}, upstreamParent, "dns_error", "no-parent.example"},
	} {
		t.Run(name, func(t *testing.T) {
			own := func() []net.Addr { return nil }
			if name == "itself" {
				own = func() []net.Addr {
					addr, err := net.ResolveTCPAddr("tcp", "127.0.0.1:"+test.parent.Port())
					if err != nil {
						t.Error(err)
					}
					return []net.Addr{addr}
				}
			}
			u := upstreamTo(t, "", UpstreamOptions{Roots: pki.pool(), ParentProxy: test.parent, Resolver: parentDNS(), TLSTimeout: 200 * time.Millisecond, Own: own})
			_, err := u.DialTunnel(t.Context(), "origin.example:443")
			upstreamWant(t, err, test.kind, test.token, test.words)
			_, err = upstreamGet(t, u, "https://origin.example/")
			upstreamWant(t, err, test.kind, test.token, test.words)
		})
	}
}

func TestParentWantsCredentialsForPlainHTTP(t *testing.T) {
	_, at := parentServe(t, nil, "http", "")
	at.User = nil
	_, err := upstreamGet(t, upstreamTo(t, "", UpstreamOptions{ParentProxy: at, Resolver: parentDNS()}), "http://origin.example/")
	upstreamWant(t, err, upstreamParent, "proxy_configuration_error", "407")
}

func TestParentFromTheEnvironment(t *testing.T) {
	direct := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "direct") }, nil, false)
	_, port, _ := net.SplitHostPort(direct.addr)
	parent, at := parentServe(t, nil, "http", direct.addr)
	names := parentDNS()
	names.answers["near.example"] = []string{"127.0.0.1"}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "REQUEST_METHOD", "HTTPS_PROXY"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTP_PROXY", at.String())
	t.Setenv("NO_PROXY", "near.example,.internal.example")
	fetch := func(o UpstreamOptions, url string) string {
		t.Helper()
		o.Resolver, o.AllowPrivate = names, []string{"near.example"}
		resp, err := upstreamGet(t, upstreamTo(t, "", o), url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	env := UpstreamOptions{UseEnvironment: true}
	if got := fetch(env, "http://origin.example/x"); got != "absolute http://origin.example/x" {
		t.Errorf("HTTP_PROXY: %q", got)
	}
	if got := fetch(env, "http://near.example:"+port+"/"); got != "direct" {
		t.Errorf("NO_PROXY: %q", got)
	}
	if got := fetch(UpstreamOptions{}, "http://near.example:"+port+"/"); got != "direct" {
		t.Errorf("environment not asked for: %q", got)
	}
	mapped := UpstreamOptions{UseEnvironment: true, Resolve: map[string]string{"origin.example": direct.addr}}
	if got := fetch(mapped, "http://origin.example/"); got != "direct" {
		t.Errorf("a host with an address of its own: %q", got)
	}
	t.Setenv("NO_PROXY", "")
	if got := fetch(UpstreamOptions{ParentProxy: at}, "http://near.example/"); got != "absolute http://near.example/" {
		t.Errorf("from the options: %q", got)
	}
	t.Setenv("HTTPS_PROXY", at.String())
	conn, err := upstreamTo(t, "", UpstreamOptions{UseEnvironment: true, Resolver: parentDNS()}).DialTunnel(t.Context(), "origin.example:443")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := parent.requests(); got[len(got)-1] != "CONNECT origin.example:443" {
		t.Errorf("HTTPS_PROXY: %q", got)
	}
	t.Setenv("HTTP_PROXY", "socks5://a.example:1080")
	if _, err := NewUpstream(UpstreamOptions{UseEnvironment: true}); err == nil {
		t.Error("a SOCKS proxy in the environment was taken")
	}
}

// A client may not reach the parent's own address as an origin, though the proxy connects there all the time.
func TestParentIsNoOrigin(t *testing.T) {
	_, at := parentServe(t, nil, "http", "")
	u := upstreamTo(t, "", UpstreamOptions{ParentProxy: at, Resolver: parentDNS()})
	_, err := upstreamGet(t, u, "http://"+at.Host+"/")
	upstreamWant(t, err, upstreamProhibited, "destination_ip_prohibited")
}

func TestParentDialGivenUp(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	u := upstreamTo(t, "", UpstreamOptions{ParentProxy: &url.URL{Scheme: "http", Host: addr}, Resolver: parentDNS()})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := u.DialTunnel(ctx, "origin.example:443")
	upstreamWant(t, err, upstreamCanceled, "")
}
