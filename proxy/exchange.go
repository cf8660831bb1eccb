package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"
)

// exchange is one request's way back to the client: the http.ResponseWriter that goproxy writes to. It carries what
// net/http and goproxy have no place for: the reason phrase, whether to flush, and whether the body that goproxy
// copies broke off, which goproxy does not tell.
type exchange struct {
	w       http.ResponseWriter
	control *http.ResponseController
	req     *http.Request
	session *session
	conn    *clientConn
	line    *statusLine // nil on HTTP/2
	limits  *Limits

	connect *goproxy.ConnectAction // what is to become of a CONNECT; nil refuses it

	reason  string      // reason phrase of the response
	stream  bool        // bytes are to reach the client as they come
	broken  error       // the response's body could not be read to its end
	status  int         // of the final response; 0 before it
	sent    int64       // bytes of body
	taken   net.Conn    // the client's connection, once it is hijacked
	upgrade *upgrade    // of a change of protocol; nil otherwise
	bodyEnd atomic.Bool // the request's body was read to its end
}

// copyBuffers are for copying bodies.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.w.Header() }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	final := status >= 200 || status == http.StatusSwitchingProtocols
	if x.status != 0 {
		return
	}
	if final {
		x.status = status
		if h := x.w.Header(); len(h["Content-Type"]) == 0 {
			h["Content-Type"] = nil // or net/http would guess one
		}
		if x.line != nil {
			x.line.expect(status, x.reason)
		}
	}
	x.w.WriteHeader(status)
	if final && x.stream {
		x.Flush()
	}
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.write(p)
	x.sent += int64(n)
	if err == nil && x.stream {
		err = x.flush()
	}
	return n, err
}

// write gives up when an HTTP/2 client opens no window for the stall limit. On HTTP/1 the connection itself does.
func (x *exchange) write(p []byte) (int, error) {
	if x.line != nil {
		return x.w.Write(p)
	}
	stalled := time.AfterFunc(x.limits.WriteStall, func() { x.control.SetWriteDeadline(time.Unix(1, 0)) })
	defer stalled.Stop()
	return x.w.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that io.Copy uses one large buffer that is used again.
func (x *exchange) ReadFrom(src io.Reader) (total int64, err error) {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		n, rerr := src.Read(buf[:])
		if n > 0 {
			w, werr := x.Write(buf[:n])
			total += int64(w)
			if werr != nil {
				return total, werr
			}
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, rerr
		}
	}
}

// Flush implements http.Flusher.
func (x *exchange) Flush() { x.flush() }

func (x *exchange) flush() error {
	if x.line != nil {
		return x.control.Flush()
	}
	stalled := time.AfterFunc(x.limits.WriteStall, func() { x.control.SetWriteDeadline(time.Unix(1, 0)) })
	defer stalled.Stop()
	return x.control.Flush()
}

// Hijack implements http.Hijacker. The connection that it returns begins with what the client has sent already: a
// ClientHello that came in one segment with its CONNECT, the first frame after an upgrade.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := x.control.Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	if x.line != nil && x.status != http.StatusSwitchingProtocols {
		x.line.expect(0, "")
	}
	x.taken = c
	if len(early) > 0 {
		x.taken = &replayConn{Conn: c, early: append([]byte(nil), early...)}
	}
	if x.upgrade != nil {
		x.taken = x.upgrade.client(x.taken)
	}
	return x.taken, bufio.NewReadWriter(bufio.NewReader(x.taken), bufio.NewWriter(x.taken)), nil
}

// reply sends a response of our own.
func (x *exchange) reply(resp *http.Response) {
	defer resp.Body.Close()
	x.reason = reasonOf(resp)
	for name, values := range resp.Header {
		x.w.Header()[name] = values
	}
	x.WriteHeader(resp.StatusCode)
	io.Copy(x, resp.Body)
}

// refuse sends a refusal. A client whose CONNECT is refused may have sent more already, which is no HTTP: its
// connection ends, unless it is only asked for credentials.
func (x *exchange) refuse(f refusal) {
	resp := f.response(x.req)
	if x.req.Method == http.MethodConnect && f.Kind != kindAuth {
		resp.Header.Set("Connection", "close")
	}
	x.reply(resp)
}

// reasonOf returns the reason phrase of a response: its own, not the standard one.
func reasonOf(resp *http.Response) string {
	phrase, _ := strings.CutPrefix(resp.Status, strconv.Itoa(resp.StatusCode))
	return strings.TrimSpace(phrase)
}

// replayConn is a connection whose first bytes have been read already.
type replayConn struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (c *replayConn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	c.early = c.early[n:]
	return n, nil
}

// CloseWrite ends our direction only.
func (c *replayConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Conn.Close()
}

// watchedBody is the body of a response on its way to the client. It tells the exchange how it ended.
type watchedBody struct {
	io.ReadCloser
	x    *exchange
	left int64 // bytes that are still to come; -1 if that is not known
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left >= 0 {
		b.left -= int64(n)
		if err == io.EOF && b.left > 0 {
			err = io.ErrUnexpectedEOF
		} else if b.left < 0 {
			n, err = n+int(b.left), errLongBody
		}
	}
	if err != nil && err != io.EOF && b.x.broken == nil {
		b.x.broken = err
	}
	return n, err
}

var errLongBody = errors.New("the body is longer than announced")

// What is read of a request's body after its response, so that the client can end it.
const (
	drainBytes = 256 << 10
	drainTime  = 2 * time.Second
)

// drain reads what is left of the request's body, within bounds, before an HTTP/2 response ends. A response that ends
// first resets the stream (RFC 9113 section 8.1), and clients that are still sending take that for a failure and lose
// the response.
func (x *exchange) drain(body *idleBody) {
	if x.bodyEnd.Load() {
		return
	}
	x.flush()
	x.control.SetReadDeadline(time.Now().Add(drainTime))
	io.CopyN(io.Discard, idleReader{body}, drainBytes)
}

// idleBody is the body of a request. A read that the client keeps waiting longer than the limit fails. On HTTP/2 it is
// not closed before the response has ended: the server would reset the stream at the next byte of the client.
type idleBody struct {
	io.ReadCloser
	x      *exchange
	closed atomic.Bool
}

// Close implements io.Closer.
func (b *idleBody) Close() error {
	if b.x.line == nil {
		b.closed.Store(true)
		return nil
	}
	return b.ReadCloser.Close()
}

// Read implements io.Reader.
func (b *idleBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	return idleReader{b}.Read(p)
}

// idleReader reads an idleBody whether it is closed or not.
type idleReader struct{ *idleBody }

// Read implements io.Reader.
func (r idleReader) Read(p []byte) (int, error) {
	b := r.idleBody
	stalled := time.AfterFunc(b.x.limits.BodyRead, func() { b.x.control.SetReadDeadline(time.Unix(1, 0)) })
	n, err := b.ReadCloser.Read(p)
	if !stalled.Stop() && err == nil {
		b.x.control.SetReadDeadline(time.Time{})
	}
	if err == io.EOF {
		b.x.bodyEnd.Store(true)
	}
	return n, err
}
