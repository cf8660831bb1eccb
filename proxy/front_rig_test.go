package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/mitm"
)

// frontRules is a policy small enough for a test.
type frontRules struct {
	inspect, deny, upgrade map[string]bool
	ports                  bool // every port is listed
}

func (r frontRules) Host(_ policy.Client, host string) (policy.HostAction, string) {
	switch {
	case r.deny[host]:
		return policy.DenyHost, "it is on the list"
	case r.inspect[host]:
		return policy.InspectHost, ""
	default:
		return policy.TunnelHost, ""
	}
}

func (r frontRules) Port(string, int) bool    { return r.ports }
func (r frontRules) Upgrade(host string) bool { return r.upgrade[host] }

// frontRig is a proxy in front of real origins. Every name leads to 127.0.0.1: the origin that is asked depends on
// the port alone.
type frontRig struct {
	*testing.T
	server    *Server
	addr      string // of the proxy
	authority *mitm.Authority
	roots     *x509.CertPool // the interception CA
	caFile    string
	logs      *observer.ObservedLogs
	client    *http.Transport // through the proxy
	gate      *http.Transport

	mu      sync.Mutex
	records []audit.Record
	seen    []*http.Request // what the gate was given
	session []*session
}

func names(hosts ...string) map[string]bool {
	m := map[string]bool{}
	for _, h := range hosts {
		m[h] = true
	}
	return m
}

// inspected is the host that the rig's usual rules inspect; every other one is tunnelled.
const inspected = "inspected.example"

// newFrontRig starts a proxy. With change, its options can be made others; a nil Gate is a plain transport.
func newFrontRig(t *testing.T, change func(*Options)) *frontRig {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	core, logs := observer.New(zap.DebugLevel)
	g := &frontRig{T: t, logs: logs, roots: x509.NewCertPool()}
	g.makeAuthority()
	g.gate = &http.Transport{
		DialContext: frontDial, DisableCompression: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the origin of a test, beside which nobody listens
	}
	o := Options{
		Gate:        roundTripper(g.throughGate),
		Rules:       func() Rules { return frontRules{inspect: names(inspected), ports: true} },
		Certificate: g.authority.Certificate,
		DialTunnel: func(ctx context.Context, hostport string) (net.Conn, error) {
			return frontDial(ctx, "tcp", hostport)
		},
		Append: g.append,
		Logger: zap.New(core),
	}
	if change != nil {
		change(&o)
	}
	var err error
	if g.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	g.listen()
	return g
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (g *frontRig) throughGate(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	g.seen = append(g.seen, r.Clone(r.Context()))
	g.session = append(g.session, sessionOf(r.Context()))
	g.mu.Unlock()
	out := r.Clone(r.Context())
	out.RequestURI = ""
	return g.gate.RoundTrip(out)
}

func (g *frontRig) append(r audit.Record) (audit.Receipt, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.records = append(g.records, r)
	return audit.Receipt{}, nil
}

func frontDial(ctx context.Context, _, hostport string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
}

func (g *frontRig) listen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.Fatal(err)
	}
	g.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- g.server.Serve(l) }()
	proxyURL := &url.URL{Scheme: "http", Host: g.addr}
	g.client = &http.Transport{
		Proxy: http.ProxyURL(proxyURL), ForceAttemptHTTP2: true, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: g.roots},
	}
	g.Cleanup(func() {
		g.client.CloseIdleConnections()
		g.gate.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.server.Shutdown(ctx); err != nil {
			g.Errorf("shutting down: %v", err)
		}
		if err := <-served; err != http.ErrServerClosed {
			g.Errorf("Serve returned %v", err)
		}
	})
}

// origin starts a web server and returns its port.
func (g *frontRig) origin(secure bool, h http.HandlerFunc) (port string) {
	g.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = serverLog(zap.NewNop())
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	g.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// rawOrigin starts a server that answers each connection by f.
func (g *frontRig) rawOrigin(f func(net.Conn)) (port string) {
	g.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	g.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// dial opens a raw connection to the proxy.
func (g *frontRig) dial() *rawClient {
	g.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	g.Cleanup(func() { c.Close() })
	return &rawClient{T: g.T, Conn: c, r: bufio.NewReader(c)}
}

// connect opens a tunnel, or an inspected connection.
func (g *frontRig) connect(hostport string) *rawClient {
	g.Helper()
	c := g.dial()
	c.say("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", hostport, hostport)
	if got := c.line(); got != "HTTP/1.1 200 Connection established" {
		g.Fatalf("CONNECT %s: %s", hostport, got)
	}
	c.line()
	return c
}

// secure speaks TLS over c.
func (g *frontRig) secure(c *rawClient, sni string, protos ...string) *rawClient {
	g.Helper()
	conn := tls.Client(bufferedConn{c.Conn, c.r}, &tls.Config{RootCAs: g.roots, ServerName: sni, NextProtos: protos})
	if err := conn.Handshake(); err != nil {
		g.Fatalf("handshake as %s: %v", sni, err)
	}
	return &rawClient{T: c.T, Conn: conn, r: bufio.NewReader(conn)}
}

type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// get fetches a URL through the proxy.
func (g *frontRig) get(rawURL string, header ...string) (*http.Response, []byte, error) {
	g.Helper()
	req, err := http.NewRequest(http.MethodGet, rawURL, nil)
	if err != nil {
		g.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := g.client.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// mustGet is get where nothing may fail.
func (g *frontRig) mustGet(rawURL string, header ...string) (*http.Response, []byte) {
	g.Helper()
	resp, body, err := g.get(rawURL, header...)
	if err != nil {
		g.Fatalf("GET %s: %v", rawURL, err)
	}
	return resp, body
}

// tunnels waits until n tunnels are recorded.
func (g *frontRig) tunnels(n int) []audit.Record {
	g.Helper()
	for range 1000 {
		g.mu.Lock()
		records := g.records
		g.mu.Unlock()
		if len(records) >= n {
			return records
		}
		time.Sleep(5 * time.Millisecond)
	}
	g.Fatalf("there are fewer than %d tunnel records", n)
	return nil
}

// rawClient reads and writes without a parser in between.
type rawClient struct {
	*testing.T
	net.Conn
	r *bufio.Reader
}

func (c *rawClient) say(format string, v ...any) {
	c.Helper()
	if _, err := fmt.Fprintf(c.Conn, format, v...); err != nil {
		c.Fatalf("writing: %v", err)
	}
}

// line reads a line, without its end; "" at the end of the connection too.
func (c *rawClient) line() string {
	s, _ := c.r.ReadString('\n')
	return strings.TrimRight(s, "\r\n")
}

// rest reads to the end of the connection, which has to come.
func (c *rawClient) rest() string {
	c.Helper()
	b, err := io.ReadAll(c.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.Errorf("the connection does not end")
	}
	return string(b)
}

// response reads a response to a request with that method.
func (c *rawClient) response(method string) (*http.Response, []byte) {
	c.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.Fatalf("reading a response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatalf("reading a body: %v", err)
	}
	return resp, body
}

func (g *frontRig) makeAuthority() {
	g.Helper()
	var err error
	if g.authority, err = mitm.Open(g.TempDir(), mitm.Options{}); err != nil {
		g.Fatal(err)
	}
	pem := g.authority.PEM()
	if !g.roots.AppendCertsFromPEM(pem) {
		g.Fatal("the CA is no PEM")
	}
	g.caFile = filepath.Join(g.TempDir(), "ca.pem")
	if err := os.WriteFile(g.caFile, pem, 0o600); err != nil {
		g.Fatal(err)
	}
}

func mustContain(t *testing.T, what string, got []byte, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !bytes.Contains(got, []byte(p)) {
			t.Errorf("%s does not hold %q:\n%s", what, p, got)
		}
	}
}

// tlsOver makes a TLS client that trusts anybody.
func tlsOver(c net.Conn, name string) *tls.Conn {
	return tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
}

// secureWithoutName speaks TLS without a server name; the leaf is for the host of the CONNECT.
func (g *frontRig) secureWithoutName(c *rawClient) *rawClient {
	g.Helper()
	conn := tls.Client(bufferedConn{c.Conn, c.r}, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		g.Fatal(err)
	}
	if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname(inspected); err != nil {
		g.Error(err)
	}
	return &rawClient{T: c.T, Conn: conn, r: bufio.NewReader(conn)}
}
