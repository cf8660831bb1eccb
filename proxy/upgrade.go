package proxy

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// upgrade is a request that has changed the protocol: its connection carries a WebSocket, which goproxy relays. What
// passes is not looked at, so it is recorded as a tunnel is.
type upgrade struct {
	flow
	body           io.ReadWriteCloser // the origin's side
	conn           net.Conn           // the client's; nil before it is taken over
	idle           *time.Timer
	limit          time.Duration
	sent, received atomic.Int64
}

// newUpgrade puts the origin's side of a 101 under our eyes. The response that could not be used as one is answered
// with a 502 by the caller, which has checked it.
func (s *Server) newUpgrade(ses *session, resp *http.Response) *upgrade {
	u := &upgrade{limit: s.limits.TunnelIdle}
	body, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		body = deafBody{resp.Body}
	}
	u.body = body
	u.cut = func() { body.Close() }
	if !s.tunnels.add(&u.flow) {
		body.Close()
	}
	u.idle = time.AfterFunc(u.limit, func() { u.cut() })
	resp.Body = &upgradedBody{u}
	return u
}

// deafBody is a body that cannot be written to.
type deafBody struct{ io.ReadCloser }

// Write implements io.Writer.
func (deafBody) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// client puts the client's side under our eyes.
func (u *upgrade) client(c net.Conn) net.Conn {
	u.conn = c
	return &upgradedConn{c, u}
}

func (u *upgrade) tick() {
	u.moved()
	u.idle.Reset(u.limit)
}

// finish ends both sides, once goproxy has seen one of them end, and records what has passed.
func (u *upgrade) finish(s *Server, x *exchange) {
	defer s.tunnels.remove(&u.flow)
	u.idle.Stop()
	u.body.Close()
	if u.conn != nil {
		u.conn.Close()
	}
	result := "WebSocket closed"
	if u.over.Load() {
		result = "WebSocket shut down"
	}
	x.session.end(outcomeTunnel)
	s.metrics.tunnelled(u.sent.Load(), u.received.Load())
	s.record(x.session, audit.Tunnel{Host: x.session.Authority, Sent: u.sent.Load(), Received: u.received.Load(), Result: result})
}

// upgradedBody is the origin's side.
type upgradedBody struct{ u *upgrade }

// Read implements io.Reader.
func (b *upgradedBody) Read(p []byte) (int, error) {
	n, err := b.u.body.Read(p)
	b.u.received.Add(int64(n))
	b.u.tick()
	return n, err
}

// Write implements io.Writer. The bytes are counted before they go: the origin may end everything as soon as it has them,
// and the record is made then.
func (b *upgradedBody) Write(p []byte) (int, error) {
	b.u.sent.Add(int64(len(p)))
	n, err := b.u.body.Write(p)
	b.u.sent.Add(int64(n - len(p)))
	b.u.tick()
	return n, err
}

// Close implements io.Closer.
func (b *upgradedBody) Close() error { return b.u.body.Close() }

// upgradedConn is the client's side.
type upgradedConn struct {
	net.Conn
	u *upgrade
}

// Read implements net.Conn.
func (c *upgradedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.u.tick()
	return n, err
}
