package scan

import (
	"bufio"
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// icapConn is a connection to an ICAP server.
type icapConn struct {
	net.Conn
	in       *bufio.Reader
	used     bool      // for another request before
	answered bool      // to this one
	unsent   bool      // not everything was sent that was announced
	since    time.Time // of being idle
}

// finish reads the response to what was sent; its body has no more than most bytes, and a little.
func (conn *icapConn) finish(most int64) (*icapResponse, error) {
	if _, err := conn.in.Peek(1); err != nil {
		return nil, unexpected(err)
	}
	conn.answered = true
	return readICAP(conn.in, most)
}

// idleConns are connections that wait for the next request.
type idleConns struct {
	mu   sync.Mutex
	list []*icapConn
}

const (
	maxIdleConns = 8
	maxIdleTime  = 30 * time.Second
	quietTime    = time.Millisecond
)

// get returns an idle connection, or a new one.
func (i *idleConns) get(ctx context.Context, address string) (*icapConn, error) {
	i.mu.Lock()
	for len(i.list) > 0 {
		conn := i.list[len(i.list)-1]
		i.list = i.list[:len(i.list)-1]
		if time.Since(conn.since) > maxIdleTime {
			conn.Close()
			continue
		}
		i.mu.Unlock()
		if conn.quiet() {
			conn.used, conn.answered = true, false
			return conn, nil
		}
		conn.Close()
		i.mu.Lock()
	}
	i.mu.Unlock()
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &icapConn{Conn: conn, in: bufio.NewReaderSize(conn, 4<<10)}, nil
}

// quiet reports whether nothing has come since the last answer: what came would be taken for the answer to the next request.
func (conn *icapConn) quiet() bool {
	conn.SetReadDeadline(time.Now().Add(quietTime))
	defer conn.SetReadDeadline(time.Time{})
	_, err := conn.in.Peek(1)
	return isTimeout(err)
}

// put keeps a connection for the next request.
func (i *idleConns) put(conn *icapConn) {
	conn.since = time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	time.AfterFunc(maxIdleTime, i.closeOld) // a server has better uses for a connection that nobody uses
	if len(i.list) >= maxIdleConns {
		conn.Close()
		return
	}
	i.list = append(i.list, conn)
}

// closeOld closes those that have been idle for too long.
func (i *idleConns) closeOld() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = slices.DeleteFunc(i.list, func(conn *icapConn) bool {
		old := time.Since(conn.since) >= maxIdleTime
		if old {
			conn.Close()
		}
		return old
	})
}
