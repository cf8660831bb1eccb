package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// opened is the client's side of an inspected connection, beneath TLS where there is TLS.
type opened struct {
	net.Conn
	client *clientConn
	who    policy.Client
	target target // of the CONNECT
	tls    bool
	sni    string     // the name in the ClientHello, "" if there was none
	line   statusLine // of the TLS connection on HTTP/1; without TLS the client's own is used
	cork   *corkedConn
}

// openedTLS is an inspected TLS connection that speaks HTTP/1. It is no *tls.Conn to net/http, which takes it for an
// ordinary connection and asks it for its state, so that status lines can be written on the way.
type openedTLS struct {
	*tls.Conn
	o *opened
}

// Write implements net.Conn.
func (c *openedTLS) Write(p []byte) (int, error) {
	n, err := c.write(c.o.line.apply(p))
	if err == nil {
		return len(p), nil
	}
	return min(n, len(p)), err
}

// write writes the records of a large p in one piece.
func (c *openedTLS) write(p []byte) (int, error) {
	const record = 16 << 10 // RFC 8446 section 5.1
	if len(p) <= record {
		return c.Conn.Write(p)
	}
	c.o.cork.cork()
	n, err := c.Conn.Write(p)
	if uncorked := c.o.cork.uncork(); err == nil && uncorked != nil {
		return 0, uncorked
	}
	return n, err
}

// CloseWrite ends our direction of a connection without TLS.
func (o *opened) CloseWrite() error {
	if h, ok := o.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return o.Conn.Close()
}

// openedOf returns what is known of a connection of the inner server, and where its status lines are written, which is
// nowhere on HTTP/2.
func openedOf(c net.Conn) (*opened, *statusLine) {
	switch c := c.(type) {
	case *openedTLS:
		return c.o, &c.o.line
	case *opened:
		return c, &c.client.line
	case *tls.Conn:
		if o, ok := c.NetConn().(*opened); ok {
			return o, nil
		}
	}
	return nil, nil
}

// begin looks at the first byte of an inspected connection: TLS is ended here, plain HTTP is taken as it is, anything
// else is refused.
func (s *Server) begin(ctx context.Context, o *opened) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	o.Conn.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { o.Conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	first := make([]byte, 1)
	if _, err := io.ReadFull(o.Conn, first); err != nil {
		return nil, fmt.Errorf("waiting for the client to speak: %w", err)
	}
	o.cork = &corkedConn{Conn: &replayConn{Conn: o.Conn, early: first}}
	o.Conn = o.cork
	switch {
	case first[0] == recordTypeHandshake:
		return s.handshake(ctx, o)
	case 'A' <= first[0] && first[0] <= 'Z':
		o.Conn.SetReadDeadline(time.Time{})
		return o, nil
	default:
		return nil, fmt.Errorf("the client speaks neither TLS nor HTTP to the inspected host %s: its first byte is %#02x", o.target.host, first[0])
	}
}

// handshake ends TLS with the client.
func (s *Server) handshake(ctx context.Context, o *opened) (net.Conn, error) {
	c := tls.Server(o, s.innerTLS)
	if err := c.HandshakeContext(ctx); err != nil {
		s.metrics.handshakeFailed()
		return nil, fmt.Errorf("TLS with the client, as %s: %w", o.target.host, err)
	}
	o.Conn.SetReadDeadline(time.Time{})
	o.tls, o.sni = true, c.ConnectionState().ServerName
	if c.ConnectionState().NegotiatedProtocol == "h2" {
		return c, nil
	}
	return &openedTLS{c, o}, nil
}

// newInnerTLS is the server side of TLS with clients. The leaf is for the name in the ClientHello, so that a client
// that asks for another host than it connected to can be told so; without a name it is for the CONNECT's host.
func (s *Server) newInnerTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			o, ok := hello.Conn.(*opened)
			if !ok {
				return nil, errors.New("a connection from nowhere")
			}
			host := o.target.host
			if hello.ServerName != "" {
				name, err := canonicalHost(hello.ServerName)
				if err != nil {
					return nil, fmt.Errorf("reading the server name: %w", err)
				}
				host = name
			}
			return s.o.Certificate(host)
		},
	}
}

// newInner makes the server that speaks with clients as if it were the origin.
func (s *Server) newInner() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:                      http.HandlerFunc(s.serveInner),
		Protocols:                    protocols,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: s.limits.Streams, SendPingTimeout: s.limits.Idle, PingTimeout: s.limits.HeaderRead},
		ReadHeaderTimeout:            s.limits.HeaderRead,
		IdleTimeout:                  s.limits.Idle,
		MaxHeaderBytes:               s.limits.HeaderBytes,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     serverLog(s.log),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

// serveInner answers a request inside an inspected connection.
func (s *Server) serveInner(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	o, line := openedOf(c)
	if o == nil {
		panic("a request from no opened connection")
	}
	ses := newSession(o.who)
	ses.Authority, ses.TLS, ses.Inspect = o.target.authority(), o.tls, true
	x := s.newExchange(w, r, ses, o.client, line)
	s.answer(x, func(r *http.Request) {
		if f := o.agrees(r); f != nil {
			x.refuse(*f)
			return
		}
		// The policy may have changed since the CONNECT.
		action, why := s.o.Rules().Host(ses.Client, o.target.host)
		if f := s.hostRefusal(action, why, o.target); f != nil {
			x.refuse(*f)
			return
		}
		scheme := "http"
		if o.tls {
			scheme = "https"
		}
		r.URL.Scheme, r.URL.Host = scheme, o.target.urlHost(scheme)
		r.Host = r.URL.Host
		s.forward(x, r, o.target)
	})
}

// agrees compares what the client has said of whom it wants to speak with: in the CONNECT, in the ClientHello, and in
// the request. Where the three differ, the policy would have been asked about one host and another would answer.
func (o *opened) agrees(r *http.Request) *refusal {
	scheme := "http"
	if o.tls {
		scheme = "https"
	}
	switch {
	case r.Method == http.MethodConnect:
		return &refusal{Kind: kindDenied, Detail: "no tunnel is opened inside an inspected connection"}
	case r.URL.User != nil:
		return &refusal{Kind: kindAmbiguous, Detail: "the URL holds user information"}
	case r.URL.Scheme != "" && r.URL.Scheme != scheme:
		return &refusal{Kind: kindMisdirected, Detail: "the request is for " + r.URL.Scheme + " on a connection for " + scheme}
	case !strings.HasPrefix(r.URL.Path, "/") && !r.URL.IsAbs():
		return &refusal{Kind: kindAmbiguous, Detail: "the request has no path"}
	}
	if o.sni != "" {
		if name, err := canonicalHost(o.sni); err != nil || name != o.target.host {
			return &refusal{Kind: kindMisdirected, Detail: "TLS was asked for " + o.sni + " on a connection to " + o.target.host}
		}
	}
	t, err := parseTarget(r.Host, defaultPort(scheme))
	if err != nil {
		return &refusal{Kind: kindAmbiguous, Detail: "reading Host: " + err.Error()}
	}
	if t != o.target {
		return &refusal{Kind: kindMisdirected, Detail: "the request is for " + t.authority() + " on a connection to " + o.target.authority()}
	}
	return nil
}

// handoff is the listener of the inner server: it accepts what put hands over.
type handoff struct {
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), over: make(chan struct{})}
}

// put hands a connection over, and says whether it was taken.
func (h *handoff) put(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.over:
		return false
	}
}

// Accept implements net.Listener.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.over) })
	return nil
}

// Addr implements net.Listener.
func (h *handoff) Addr() net.Addr { return handoffAddr{} }

type handoffAddr struct{}

// Network implements net.Addr.
func (handoffAddr) Network() string { return "handoff" }

// String implements net.Addr.
func (handoffAddr) String() string { return "inspected connections" }
