package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

func TestTunnelPassesTLSUntouched(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.origin(true, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s", r.Proto) })
	conn := tlsOver(g.connect("free.example:"+port).Conn, "Free.Example")
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n")
	b, _ := io.ReadAll(conn)
	conn.Close()
	if !bytes.HasSuffix(b, []byte("HTTP/1.1")) {
		t.Errorf("%s", b)
	}
	if cn := conn.ConnectionState().PeerCertificates[0].Issuer.String(); strings.Contains(cn, "Sallyport") {
		t.Errorf("the certificate is by %s", cn)
	}
	r := g.tunnels(1)[0]
	if r.Kind != audit.KindTunnel || r.Tunnel.Host != "free.example:"+port || r.Tunnel.SNI != "Free.Example" || r.Tunnel.Result != "closed" ||
		r.Tunnel.Sent < 300 || r.Tunnel.Received < 300 || r.Client.Addr != "127.0.0.1" {
		t.Errorf("recorded as %+v %+v", r, r.Tunnel)
	}
}

func TestTunnelThatAsksForAnotherHostIsClosed(t *testing.T) {
	for name, c := range map[string]struct{ connect, sni, want string }{
		"another name":           {"free.example", "other.example", "asks for other.example"},
		"an inspected name":      {"free.example", inspected, "asks for " + inspected},
		"a name on an address":   {"127.0.0.1", inspected, "asks for " + inspected},
		"a name that is no host": {"free.example", "a b", "is no host name"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newFrontRig(t, nil)
			port := g.rawOrigin(func(c net.Conn) {
				if b, _ := io.ReadAll(c); len(b) > 0 {
					t.Errorf("the origin got %d bytes", len(b))
				}
			})
			raw := g.connect(c.connect + ":" + port)
			raw.Conn.Write(helloFor(t, c.sni))
			if got := raw.rest(); got != "" {
				t.Errorf("the client got %q", got)
			}
			if r := g.tunnels(1)[0].Tunnel; !strings.HasPrefix(r.Result, "refused: ") || !strings.Contains(r.Result, c.want) {
				t.Errorf("recorded as %+v", r)
			}
		})
	}
}

// TestTunnelIsCheckedAgainWhenThePolicyChanges is for a host that has become an inspected one since its CONNECT.
func TestTunnelIsCheckedAgainWhenThePolicyChanges(t *testing.T) {
	asked := 0
	g := newFrontRig(t, func(o *Options) {
		o.Rules = func() Rules {
			return hostFunc(func(string) policy.HostAction {
				if asked++; asked == 1 {
					return policy.TunnelHost
				}
				return policy.InspectHost
			})
		}
	})
	port := g.rawOrigin(func(c net.Conn) { io.Copy(io.Discard, c) })
	raw := g.connect("free.example:" + port)
	raw.Conn.Write(helloFor(t, "free.example"))
	raw.rest()
	if r := g.tunnels(1)[0].Tunnel; !strings.Contains(r.Result, "not for tunnels") {
		t.Errorf("recorded as %+v", r)
	}
}

type hostFunc func(string) policy.HostAction

func (f hostFunc) Host(_ policy.Client, host string) (policy.HostAction, string) { return f(host), "" }
func (hostFunc) Port(string, int) bool                                           { return true }
func (hostFunc) Upgrade(string) bool                                             { return false }

func TestClientHelloInPieces(t *testing.T) {
	g := newFrontRig(t, nil)
	hello := helloFor(t, "free.example")
	got := make(chan []byte, 1)
	port := g.rawOrigin(func(c net.Conn) {
		b := make([]byte, len(hello))
		io.ReadFull(c, b)
		got <- b
	})
	raw := g.connect("free.example:" + port)
	for _, b := range hello {
		raw.Conn.Write([]byte{b})
	}
	if b := <-got; !bytes.Equal(b, hello) {
		t.Error("the ClientHello did not pass as it was sent")
	}
}

func TestServerMaySpeakFirst(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.rawOrigin(func(c net.Conn) {
		io.WriteString(c, "SSH-2.0-server\r\n")
		io.Copy(c, c)
	})
	c := g.connect("free.example:" + port)
	if got := c.line(); got != "SSH-2.0-server" {
		t.Fatal(got)
	}
	c.say("SSH-2.0-client\r\n")
	if got := c.line(); got != "SSH-2.0-client" {
		t.Error(got)
	}
}

// TestTunnelHalfCloses sends everything, says so, and only then gets the answer.
func TestTunnelHalfCloses(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.rawOrigin(func(c net.Conn) {
		b, _ := io.ReadAll(c)
		fmt.Fprintf(c, "%d bytes", len(b))
	})
	c := g.connect("free.example:" + port)
	sent := 3 * pumpPiece
	go func() {
		io.CopyN(c.Conn, zeros{}, int64(sent))
		c.Conn.(*net.TCPConn).CloseWrite()
	}()
	if got := c.rest(); got != fmt.Sprintf("%d bytes", sent) {
		t.Errorf("%q", got)
	}
	if r := g.tunnels(1)[0].Tunnel; r.Sent != int64(sent) || r.Result != "closed" {
		t.Errorf("recorded as %+v", r)
	}
}

func TestTunnelIdles(t *testing.T) {
	g := newFrontRig(t, func(o *Options) { o.Limits.TunnelIdle = 200 * time.Millisecond })
	port := g.rawOrigin(func(c net.Conn) { io.Copy(io.Discard, c) })
	for i, first := range []string{"", "x"} {
		c := g.connect("free.example:" + port)
		c.say("%s", first)
		if got := c.rest(); got != "" {
			t.Errorf("%q", got)
		}
		if r := g.tunnels(i + 1)[i].Tunnel; r.Result != "idle" {
			t.Errorf("after %q: %+v", first, r)
		}
	}
}

// TestOneWayTunnelDoesNotIdle keeps one direction silent for far longer than the limit while the other moves.
func TestOneWayTunnelDoesNotIdle(t *testing.T) {
	g := newFrontRig(t, func(o *Options) { o.Limits.TunnelIdle = 400 * time.Millisecond })
	port := g.rawOrigin(func(c net.Conn) {
		c.Read(make([]byte, 1))
		for range 20 {
			if _, err := io.WriteString(c, "."); err != nil {
				return
			}
			time.Sleep(60 * time.Millisecond)
		}
	})
	c := g.connect("free.example:" + port)
	c.say("x")
	if got := c.rest(); got != strings.Repeat(".", 20) {
		t.Errorf("%q", got)
	}
}

func TestTunnelThatCannotBeConnected(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.DialTunnel = func(_ context.Context, hostport string) (net.Conn, error) {
			switch {
			case strings.HasPrefix(hostport, "private."):
				return nil, &UpstreamError{Kind: upstreamProhibited, ProxyError: "destination_ip_prohibited", Detail: "10.0.0.1 is private", Err: errors.New("x")}
			case strings.HasPrefix(hostport, "slow."):
				return nil, &UpstreamError{Kind: upstreamTimeout, ProxyError: "connection_timeout", Detail: "it took too long", Err: errors.New("x")}
			}
			return nil, &UpstreamError{Kind: upstreamDNS, ProxyError: "dns_error", Detail: "no such name", Err: errors.New("x")}
		}
	})
	for host, want := range map[string]string{
		"private.example": "HTTP/1.1 403 Not allowed: 10.0.0.1 is private",
		"slow.example":    "HTTP/1.1 504 The origin failed: it took too long",
		"none.example":    "HTTP/1.1 502 The origin failed: no such name",
	} {
		c := g.dial()
		c.say("CONNECT %s:443 HTTP/1.1\r\nHost: x\r\n\r\n", host)
		if got := c.line(); got != want {
			t.Errorf("%s: %q", host, got)
		}
		if !strings.Contains(c.rest(), "Proxy-Status: sallyport; error=") {
			t.Errorf("%s: no Proxy-Status", host)
		}
	}
}

// helloFor records the ClientHello that asks for a name. Names that crypto/tls would not send are put in afterwards.
func helloFor(t *testing.T, name string) []byte {
	t.Helper()
	stand := strings.Map(func(r rune) rune {
		if r == ' ' {
			return 'x'
		}
		return r
	}, name)
	var tape helloTape
	tape.r = strings.NewReader("")
	w := &writeTape{helloTape: &tape}
	tls.Client(w, &tls.Config{ServerName: stand, InsecureSkipVerify: true}).Handshake()
	return bytes.Replace(w.sent.Bytes(), []byte(stand), []byte(name), 1)
}

type writeTape struct {
	*helloTape
	sent bytes.Buffer
}

func (t *writeTape) Write(p []byte) (int, error) {
	if t.sent.Len() == 0 {
		t.sent.Write(p)
	}
	return len(p), nil
}
