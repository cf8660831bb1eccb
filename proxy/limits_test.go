package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSlowLoris opens a thousand connections that never finish their header, from the address that the real requests
// come from too, against a limit far below that. Every real request is served.
func TestSlowLoris(t *testing.T) {
	g := newFrontRig(t, func(o *Options) { o.Limits = Limits{Connections: 300, PerClient: 200} })
	h := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") }
	plain, secure := g.origin(false, h), g.origin(true, h)
	running := make(chan struct{})
	var released sync.Once
	slow := g.origin(false, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-running
		io.WriteString(w, "still here")
	})
	defer released.Do(func() { close(running) })
	inFlight := g.dial()
	inFlight.say("GET http://a.example:%s/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", slow)
	if got := inFlight.line(); got != "HTTP/1.1 200 OK" {
		t.Fatal(got)
	}
	for i := range 1000 {
		c, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			io.WriteString(c, "GET http://a.example/ HTTP/1.1\r\nX: ")
		} else {
			io.WriteString(c, "CONNECT "+inspected+":443 HTTP/1.1\r\n\r\n")
		}
		if i%100 != 99 {
			continue
		}
		for _, u := range []string{"http://a.example:" + plain, "https://" + inspected + ":" + secure} {
			if resp, body := g.mustGet(u + "/"); resp.StatusCode != 200 || string(body) != "served" {
				t.Fatalf("after %d connections: %s %s", i+1, resp.Status, body)
			}
		}
		g.client.CloseIdleConnections()
	}
	released.Do(func() { close(running) })
	if got := inFlight.rest(); !strings.Contains(got, "still here") {
		t.Errorf("the request in flight was given up: %q", got)
	}
}

func TestCrowdOfBusyConnectionsIsToldSo(t *testing.T) {
	g := newFrontRig(t, func(o *Options) { o.Limits = Limits{Connections: 4, PerClient: 2} })
	port := g.rawOrigin(func(c net.Conn) { io.Copy(io.Discard, c) })
	g.connect("free.example:" + port)
	g.connect("free.example:" + port)
	c := g.dial()
	got := c.rest()
	if !strings.HasPrefix(got, "HTTP/1.1 503 No more connections\r\n") || !strings.Contains(got, "Retry-After: ") {
		t.Errorf("%q", got)
	}
}

func TestSharesOfClients(t *testing.T) {
	table := newClientTable(6, 4, NewMetrics())
	open := func(addr string) *clientConn {
		a, b := net.Pipe()
		t.Cleanup(func() { a.Close(); b.Close() })
		c := newClientConn(a, table, time.Second)
		c.addr = netip.MustParseAddr(addr)
		c.share = shareOf(c.addr)
		return c
	}
	here := func(c *clientConn) bool {
		table.mu.Lock()
		defer table.mu.Unlock()
		for _, other := range table.shares[c.share] {
			if other == c {
				return true
			}
		}
		return false
	}
	var greedy []*clientConn
	for i := range 4 {
		c := open(fmt.Sprintf("2001:db8::%d", i+1)) // four addresses of one /64
		greedy = append(greedy, c)
		if !table.admit(c) {
			t.Fatal("there was room")
		}
	}
	greedy[0].begin()
	if c := open("2001:db8::9"); !table.admit(c) || here(greedy[1]) || !here(greedy[0]) {
		t.Error("a client over its share does not lose its own oldest idle connection")
	}
	for i := range 2 {
		table.admit(open(fmt.Sprintf("192.0.2.%d", i+1)))
	}
	if c := open("192.0.2.9"); !table.admit(c) || here(greedy[2]) {
		t.Error("in a full table the client with the most does not make room")
	}
	greedy[3].begin()
	greedy[3].answered()
	greedy[3].end()
	if greedy[3].dispensable() {
		t.Error("a connection that has just answered is closed before its answer is out")
	}
	for _, conns := range table.shares {
		for _, c := range conns {
			c.begin()
		}
	}
	if table.admit(open("192.0.2.10")) {
		t.Error("there is room although everybody is busy")
	}
	for _, conns := range table.shares {
		for _, c := range append([]*clientConn(nil), conns...) {
			c.Close()
			c.Close()
		}
	}
	if table.count != 0 || len(table.shares) != 0 {
		t.Errorf("%d connections are left", table.count)
	}
}

func TestLimitsAreChecked(t *testing.T) {
	if _, err := (Limits{Idle: -1}).filled(); err == nil {
		t.Error("a negative limit was taken")
	}
	l, err := Limits{Connections: 100}.filled()
	if err != nil || l.PerClient != 25 || l.HeaderRead == 0 || l.WriteStall == 0 {
		t.Errorf("%+v %v", l, err)
	}
}

func TestHugeHeaderIsRefused(t *testing.T) {
	g := newFrontRig(t, func(o *Options) { o.Limits.HeaderBytes = 8 << 10 })
	c := g.dial()
	c.say("GET http://a.example/ HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", strings.Repeat("x", 32<<10))
	if got := c.line(); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Error(got)
	}
}

// TestRequestBodyThatStops sends half of a body and then nothing: to an origin that waits for it, and to a refusal that
// does not read it.
func TestRequestBodyThatStops(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Limits.BodyRead = 100 * time.Millisecond
		o.Rules = func() Rules { return frontRules{deny: names("no.example"), inspect: names(inspected), ports: true} }
	})
	port := g.origin(false, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	for _, host := range []string{"a.example:" + port, "no.example"} {
		c := g.dial()
		c.say("POST http://%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf", host)
		c.rest() // which ends before the deadline of the test's connection
		if _, err := c.r.ReadByte(); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestClientThatStopsReading takes the header of a large body and then nothing, on HTTP/1 and HTTP/2.
func TestClientThatStopsReading(t *testing.T) {
	ended := map[string]chan struct{}{"/1": make(chan struct{}), "/2": make(chan struct{})}
	g := newFrontRig(t, func(o *Options) {
		o.Limits.WriteStall = 150 * time.Millisecond
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: 1 << 40, Body: &endSignal{Reader: zeros{}, ended: ended[r.URL.Path]}}, nil
		})
	})
	c := g.dial()
	c.say("GET http://a.example/1 HTTP/1.1\r\nHost: a\r\n\r\n")
	c.line()
	<-ended["/1"]
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+inspected+"/2", nil)
	resp, err := g.client.RoundTrip(req)
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatal(resp, err)
	}
	<-ended["/2"]
	resp.Body.Close()
}

// endSignal is a body that tells when it is closed.
type endSignal struct {
	io.Reader
	ended chan struct{}
	once  sync.Once
}

func (e *endSignal) Close() error {
	e.once.Do(func() { close(e.ended) })
	return nil
}

// TestOneLargeWriteIsNoStall writes once, to a client that takes the bytes for several times the stall limit.
func TestOneLargeWriteIsNoStall(t *testing.T) {
	const size = 24 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := newClientConn(far, newClientTable(1, 1, NewMetrics()), 400*time.Millisecond).Write(make([]byte, size))
		wrote <- err
		far.Close()
	}()
	var n int64
	for {
		m, err := io.CopyN(io.Discard, near, 512<<10)
		n += m
		if err != nil {
			break
		}
		time.Sleep(40 * time.Millisecond)
	}
	if err := <-wrote; err != nil || n != size {
		t.Errorf("%v after %d bytes", err, n)
	}
}

// TestSlowReaderIsNoStall reads a body for several times the stall limit, slowly but without a pause.
func TestSlowReaderIsNoStall(t *testing.T) {
	const size = 8 << 20
	g := newFrontRig(t, func(o *Options) {
		o.Limits.WriteStall = 500 * time.Millisecond
		o.Gate = roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: size, Body: io.NopCloser(io.LimitReader(zeros{}, size))}, nil
		})
	})
	for _, u := range []string{"http://a.example/", "https://" + inspected + "/"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
		resp, err := g.client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		for {
			m, err := io.CopyN(io.Discard, resp.Body, size/30)
			n += m
			if err != nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		resp.Body.Close()
		cancel()
		if n != size {
			t.Errorf("%s: only %d bytes came", u, n)
		}
	}
}
