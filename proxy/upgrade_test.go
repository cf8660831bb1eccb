package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// webSocketOrigin agrees to an upgrade and then echoes lines. It speaks first.
func webSocketOrigin(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		fmt.Fprint(w, "no upgrade was asked for")
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nwelcome\n")
	for {
		line, err := rw.ReadString('\n')
		if err != nil || line == "bye\n" {
			return
		}
		io.WriteString(c, "echo "+line)
	}
}

const wantWebSocket = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n\r\n"

func TestWebSocket(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Rules = func() Rules {
			return frontRules{inspect: names(inspected, "listed.example"), upgrade: names("listed.example"), ports: true}
		}
	})
	g.gate.TLSClientConfig.NextProtos = nil
	plain, secure := g.origin(false, webSocketOrigin), g.origin(true, webSocketOrigin)
	inTunnel := func() *rawClient {
		conn := tlsOver(g.connect("free.example:"+secure).Conn, "free.example")
		return &rawClient{T: t, Conn: conn, r: bufio.NewReader(conn)}
	}
	for name, c := range map[string]struct {
		conn  *rawClient
		url   string
		host  string
		want  string
		early bool
	}{
		"plain, forwarded":    {g.dial(), "http://free.example:" + plain + "/", "free.example", "101", false},
		"plain, inspected":    {g.dial(), "http://" + inspected + ":" + plain + "/", inspected, "403", false},
		"inspected":           {g.secure(g.connect(inspected+":"+secure), inspected, "http/1.1"), "/", inspected + ":" + secure, "403", false},
		"inspected, listed":   {g.secure(g.connect("listed.example:"+secure), "listed.example", "http/1.1"), "/", "listed.example:" + secure, "101", false},
		"with an early frame": {g.secure(g.connect("listed.example:"+secure), "listed.example", "http/1.1"), "/", "listed.example:" + secure, "101", true},
		"in a tunnel":         {inTunnel(), "/", "free.example:" + secure, "101", false},
	} {
		early := ""
		if c.early {
			early = "hello\n"
		}
		c.conn.say("GET %s HTTP/1.1\r\nHost: %s\r\n%s%s", c.url, c.host, wantWebSocket, early)
		status := c.conn.line()
		if !strings.HasPrefix(status, "HTTP/1.1 "+c.want) {
			t.Errorf("%s: %s", name, status)
			continue
		}
		if c.want != "101" {
			continue
		}
		for c.conn.line() != "" {
		}
		if !c.early {
			c.conn.say("hello\n")
		}
		if a, b := c.conn.line(), c.conn.line(); a != "welcome" || b != "echo hello" {
			t.Errorf("%s: %q, %q", name, a, b)
		}
		c.conn.say("bye\n")
		if got := c.conn.rest(); got != "" {
			t.Errorf("%s: %q", name, got)
		}
		c.conn.Close()
	}
	for _, r := range g.tunnels(4) {
		if r.Tunnel.Result != "WebSocket closed" && r.Tunnel.Result != "closed" {
			t.Errorf("recorded as %+v", r.Tunnel)
		}
		if r.Tunnel.Result == "WebSocket closed" && (r.Tunnel.Sent != 10 || r.Tunnel.Received != 19) {
			t.Errorf("recorded as %+v", r.Tunnel)
		}
	}
}

func TestOtherUpgradesAreDropped(t *testing.T) {
	g := newFrontRig(t, nil)
	got := make(chan http.Header, 1)
	port := g.origin(false, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	g.mustGet("http://free.example:"+port+"/", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAAA")
	if h := <-got; h.Get("Upgrade") != "" || h.Get("Connection") != "" || h.Get("Http2-Settings") != "" {
		t.Errorf("%v", h)
	}
}

func TestUpgradeThatNobodyAskedForIsRefused(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.rawOrigin(func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nunseen")
	})
	resp, body := g.mustGet("http://free.example:" + port + "/")
	if resp.StatusCode != http.StatusBadGateway || strings.Contains(string(body), "unseen") {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestWebSocketIdles(t *testing.T) {
	g := newFrontRig(t, func(o *Options) { o.Limits.TunnelIdle = 200 * time.Millisecond })
	g.gate.TLSClientConfig = &tls.Config{}
	port := g.origin(false, webSocketOrigin)
	c := g.dial()
	c.say("GET http://free.example:%s/ HTTP/1.1\r\nHost: x\r\n%s", port, wantWebSocket)
	if got := c.rest(); !strings.HasSuffix(got, "\r\n\r\nwelcome\n") {
		t.Errorf("%q", got)
	}
}
