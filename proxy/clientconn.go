package proxy

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// sharedListener accepts connections as far as the table has room for them.
type sharedListener struct {
	net.Listener
	table *clientTable
	stall time.Duration
}

// Accept implements net.Listener. Connections for which there is no room are told so and closed.
func (l *sharedListener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := newClientConn(raw, l.table, l.stall)
		if l.table.admit(c) {
			return c, nil
		}
		raw.SetWriteDeadline(time.Now().Add(time.Second))
		raw.Write(crowdedAnswer)
		raw.Close()
	}
}

// clientConn is a connection from a client. Writes fail when the client has taken no byte for the stall limit, however
// long they take as a whole. It hides none of what tunnels need: raw gives the connection beneath, for splicing.
type clientConn struct {
	net.Conn
	addr  netip.Addr // of the client, unmapped
	share netip.Prefix
	table *clientTable
	stall time.Duration
	line  statusLine

	busy     atomic.Int32 // requests being answered; a tunnel is one
	lastDone atomic.Int64 // when a response was last written, in Unix nanoseconds; 0 if none was
	once     sync.Once
	limit    atomic.Int64 // write deadline that somebody else has set, in Unix nanoseconds; 0 if none
}

func newClientConn(raw net.Conn, t *clientTable, stall time.Duration) *clientConn {
	c := &clientConn{Conn: raw, table: t, stall: stall}
	if ap, err := netip.ParseAddrPort(raw.RemoteAddr().String()); err == nil {
		c.addr = ap.Addr().Unmap()
	}
	c.share = shareOf(c.addr)
	return c
}

// raw returns the connection beneath.
func (c *clientConn) raw() net.Conn { return c.Conn }

// begin and end surround the work for a request.
func (c *clientConn) begin() { c.busy.Add(1) }

func (c *clientConn) end() { c.busy.Add(-1) }

// answered notes that a response has just been written, and may still be on its way.
func (c *clientConn) answered() { c.lastDone.Store(time.Now().UnixNano()) }

// dispensable says whether closing the connection disturbs nobody. One that has just answered is given a second to
// send what is still buffered.
func (c *clientConn) dispensable() bool {
	last := c.lastDone.Load()
	return c.busy.Load() == 0 && (last == 0 || time.Since(time.Unix(0, last)) > time.Second)
}

// Close implements net.Conn and gives up the place in the table.
func (c *clientConn) Close() error {
	c.once.Do(func() { c.table.remove(c) })
	return c.Conn.Close()
}

// CloseWrite ends our direction only, as net/http and tunnels want it.
func (c *clientConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}

// resetOnClose makes Close tell the client that the connection did not end well.
func (c *clientConn) resetOnClose() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

// SetWriteDeadline implements net.Conn. It holds beside the stall limit.
func (c *clientConn) SetWriteDeadline(t time.Time) error {
	c.keepLimit(t)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *clientConn) SetDeadline(t time.Time) error {
	c.keepLimit(t)
	return c.Conn.SetDeadline(t)
}

func (c *clientConn) keepLimit(t time.Time) {
	if t.IsZero() {
		c.limit.Store(0)
	} else {
		c.limit.Store(t.UnixNano())
	}
}

// Write implements net.Conn.
func (c *clientConn) Write(p []byte) (int, error) {
	q := c.line.apply(p)
	n, err := c.writeMoving(q)
	if err == nil {
		return len(p), nil
	}
	return min(n, len(p)), err
}

// writeMoving writes p, giving up when nothing of it has moved for the stall limit.
func (c *clientConn) writeMoving(p []byte) (sent int, err error) {
	for {
		if limit := c.limit.Load(); limit == 0 {
			c.Conn.SetWriteDeadline(time.Now().Add(c.stall))
		}
		n, err := c.Conn.Write(p[sent:])
		sent += n
		if err == nil || n == 0 || c.limit.Load() != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return sent, err
		}
	}
}
