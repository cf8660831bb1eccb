package proxy

import (
	"net"
	"sync"
)

// corkedConn is a connection that can be corked: what is written meanwhile is kept, and goes out in one piece when the
// cork is drawn. TLS writes every record of 16 KiB by itself; for a large file that is a system call too many for
// each of them.
type corkedConn struct {
	net.Conn
	mu   sync.Mutex
	kept *[]byte // not nil: corked
}

// corkSize is what a corked connection keeps: the records of one copy buffer, with their overhead.
const corkSize = 68 << 10

var corkBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, corkSize)
	return &b
}}

// Write implements net.Conn.
func (c *corkedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return c.Conn.Write(p)
	}
	if len(*c.kept)+len(p) > corkSize {
		if err := c.pour(); err != nil {
			return 0, err
		}
	}
	*c.kept = append(*c.kept, p...)
	return len(p), nil
}

// cork keeps what is written from now on. It is called by one goroutine at a time, and followed by uncork.
func (c *corkedConn) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = corkBuffers.Get().(*[]byte)
}

// uncork writes what was kept.
func (c *corkedConn) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.pour()
	corkBuffers.Put(c.kept)
	c.kept = nil
	return err
}

// pour writes and empties the buffer.
func (c *corkedConn) pour() error {
	_, err := c.Conn.Write(*c.kept)
	*c.kept = (*c.kept)[:0]
	return err
}

// CloseWrite ends our direction only.
func (c *corkedConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Conn.Close()
}
