package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// recordTypeHandshake is the first byte of a TLS connection (RFC 8446 section 5.1).
const recordTypeHandshake = 22

// maxHello is how many bytes a ClientHello may take on the wire.
const maxHello = 32 << 10

// extensionECH is the extension of encrypted ClientHellos, or what pretends to be one (RFC 9849).
const extensionECH = 0xfe0d

// clientHello is what a ClientHello shows to anybody on the path.
type clientHello struct {
	name string // server_name, as it was sent; "" if there is none
	ech  bool   // an inner ClientHello may be hidden in it, with another name
}

// errNoHello means that what looked like TLS is no ClientHello that could be read.
var errNoHello = errors.New("no readable ClientHello")

// readClientHello reads the ClientHello that r begins with, over as many records and reads as it takes. It returns
// every byte that it has read, which may be more than the ClientHello. It answers nothing. crypto/tls does the
// parsing, and stops before it would choose anything.
func readClientHello(r io.Reader) (clientHello, []byte, error) {
	tape := &helloTape{r: io.LimitReader(r, maxHello)}
	var hello *clientHello
	err := tls.Server(tape, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			hello = &clientHello{name: info.ServerName, ech: slices.Contains(info.Extensions, extensionECH)}
			return nil, errSeen
		},
	}).Handshake()
	if hello == nil {
		return clientHello{}, tape.seen.Bytes(), fmt.Errorf("%w: %w", errNoHello, err)
	}
	return *hello, tape.seen.Bytes(), nil
}

var errSeen = errors.New("seen enough")

// helloTape is a connection that keeps what is read from it, and says nothing.
type helloTape struct {
	r    io.Reader
	seen bytes.Buffer
}

// Read implements net.Conn.
func (t *helloTape) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.seen.Write(p[:n])
	return n, err
}

// Write implements net.Conn; the alert that ends the handshake goes nowhere.
func (t *helloTape) Write(p []byte) (int, error) { return len(p), nil }

// Close implements net.Conn.
func (t *helloTape) Close() error { return nil }

// LocalAddr implements net.Conn.
func (t *helloTape) LocalAddr() net.Addr { return handoffAddr{} }

// RemoteAddr implements net.Conn.
func (t *helloTape) RemoteAddr() net.Addr { return handoffAddr{} }

// SetDeadline implements net.Conn.
func (t *helloTape) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (t *helloTape) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (t *helloTape) SetWriteDeadline(time.Time) error { return nil }
