package scan

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

const (
	icapChunk = 64 << 10 // bytes
	// A whole file may be on its way, in the buffers of the systems between, before a server has read any of it. So its last byte is
	// held back, to see who answers without: of every file where the server takes no preview, which would show that, and otherwise
	// of those that are larger than holdSize bytes.
	holdTime = 25 * time.Millisecond
	holdSize = 256 << 10
)

// send gives a file to the service, and returns its response.
func (c *icap) send(conn *icapConn, o *icapOptions, f *file, content *sent) (*icapResponse, error) {
	preview := int64(-1)
	if o.preview >= 0 {
		preview = min(o.preview, f.size-1) // never all of it: who does not ask for the rest has not scanned the file
	}
	if _, err := conn.Write(c.head(o, f, preview)); err != nil {
		return nil, err
	}
	if preview >= 0 {
		if r, err := conn.preview(content, preview, f.size); err != nil || r != nil {
			return r, err
		}
	}
	hold := c.hold
	if preview >= 0 && f.size <= holdSize {
		hold = 0
	}
	return conn.body(content, f.size, hold)
}

// head is the head of a request with those of the HTTP messages in it (sections 4.4 and 4.8). What the file is called and where it is
// from is not said: a scanner is to judge by content.
func (c *icap) head(o *icapOptions, f *file, preview int64) []byte {
	asked := "GET http://update.invalid/file HTTP/1.1\r\nHost: update.invalid\r\n\r\n"
	answered := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", f.size)
	parts := fmt.Sprintf("req-hdr=0, res-hdr=%d, res-body=%d", len(asked), len(asked)+len(answered))
	if c.method == "REQMOD" {
		asked = fmt.Sprintf("POST http://update.invalid/file HTTP/1.1\r\nHost: update.invalid\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", f.size)
		answered = ""
		parts = fmt.Sprintf("req-hdr=0, req-body=%d", len(asked))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s ICAP/1.0\r\nHost: %s\r\nUser-Agent: Sallyport\r\n", c.method, c.service, c.service.Host)
	if o.allows204 {
		b.WriteString("Allow: 204\r\n")
	}
	if preview >= 0 {
		fmt.Fprintf(&b, "Preview: %d\r\n", preview)
	}
	fmt.Fprintf(&b, "Encapsulated: %s\r\n\r\n%s%s", parts, asked, answered)
	return b.Bytes()
}

// preview sends the beginning of a file of the size given (section 4.5). A response is the service's last word; nil means that it wants
// the rest.
func (conn *icapConn) preview(content *sent, n, size int64) (*icapResponse, error) {
	head := make([]byte, n)
	if _, err := io.ReadFull(content, head); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if n > 0 {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, head)
	}
	if n == size {
		b.WriteString("0; ieof\r\n\r\n")
	} else {
		b.WriteString("0\r\n\r\n")
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	r, err := conn.finish(size)
	if err != nil || r.status == 100 {
		return nil, err
	}
	r.early = true
	return r, nil
}

// body sends what is left of a file, the last byte after a while, and returns the response. A service may send it piece by piece while
// it gets the file; one that has come to its end before the file did is early.
func (conn *icapConn) body(content *sent, size int64, hold time.Duration) (*icapResponse, error) {
	var r *icapResponse
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, failed = conn.finish(size)
	}()
	err := conn.sendBody(content, size, hold, done)
	if err != nil {
		conn.unsent = true
		if content.failed != nil {
			conn.Close()
			<-done
			return nil, content.failed
		}
		if err != errAnswered && !isTimeout(err) { // it may have said why it takes nothing more
			conn.SetReadDeadline(time.Now().Add(answerDelay))
		}
	}
	<-done
	if failed == nil {
		r.early = err != nil
		return r, nil
	}
	if err != nil && err != errAnswered {
		return nil, err
	}
	return nil, failed
}

// sendBody sends what is left of a file, unless the answer is done before.
func (conn *icapConn) sendBody(content *sent, size int64, hold time.Duration, done <-chan struct{}) error {
	buf := make([]byte, min(icapChunk, size))
	if hold > 0 {
		if err := copyChunks(conn, io.LimitReader(content, size-content.n-1), buf, done); err != nil {
			return err
		}
		select {
		case <-done:
			return errAnswered
		case <-time.After(hold):
		}
	}
	if err := copyChunks(conn, content, buf, done); err != nil {
		return err
	}
	_, err := io.WriteString(conn, "0\r\n\r\n")
	return err
}
