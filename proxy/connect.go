package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
)

// established is the answer to a CONNECT that is granted.
const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// serveConnect answers a CONNECT: refused, a tunnel, or a connection that is opened and inspected. All that can go
// wrong before the client is told that it is connected does so here, with an answer that says why.
func (s *Server) serveConnect(x *exchange, r *http.Request) {
	t, f := connectTarget(r)
	if f != nil {
		x.refuse(*f)
		return
	}
	ses := x.session
	ses.Authority = t.authority()
	if loops(r.Header, s.pseudonym) {
		x.refuse(refusal{Kind: kindLoop, Detail: "the CONNECT has passed this proxy before: " + t.authority() + " leads back to it"})
		return
	}
	action, why := s.o.Rules().Host(ses.Client, t.host)
	if f := s.hostRefusal(action, why, t); f != nil {
		x.refuse(*f)
		return
	}
	if action == policy.InspectHost {
		ses.Inspect = true
		x.connect = hijacking(func(_ *http.Request, c net.Conn, _ *goproxy.ProxyCtx) { s.open(x, c, t) })
		s.engine.ServeHTTP(x, r)
		return
	}
	s.connectTunnel(x, r, t)
}

func hijacking(f func(*http.Request, net.Conn, *goproxy.ProxyCtx)) *goproxy.ConnectAction {
	return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: f}
}

// connectTunnel connects to the host first, and only then tells the client that it is connected.
func (s *Server) connectTunnel(x *exchange, r *http.Request, t target) {
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.Dial)
	defer cancel()
	origin, err := s.o.DialTunnel(ctx, t.authority())
	if err != nil {
		x.session.note(zap.Error(err))
		x.refuse(tunnelRefusal(err))
		return
	}
	defer origin.Close()
	tun := s.newTunnel(x.session, t, origin)
	if !s.tunnels.add(&tun.flow) {
		x.refuse(refusal{Kind: kindUnavailable, Detail: "the proxy is shutting down"})
		return
	}
	defer s.tunnels.remove(&tun.flow)
	x.connect = hijacking(func(_ *http.Request, c net.Conn, _ *goproxy.ProxyCtx) {
		defer c.Close()
		tun.run(c)
		x.status, x.sent = http.StatusOK, tun.received.Load()
		s.recordTunnel(tun)
	})
	s.engine.ServeHTTP(x, r)
}

// open ends the client's TLS and hands the connection to the inner server.
func (s *Server) open(x *exchange, c net.Conn, t target) {
	x.status = http.StatusOK
	x.session.end(outcomeOpened)
	o := &opened{Conn: c, client: x.conn, who: x.session.Client, target: t}
	x.conn.end() // until a request comes, the connection is one of those that may have to make room
	err := s.openTo(o)
	x.conn.begin()
	if err != nil {
		x.session.end(outcomeHandshake)
		x.session.note(zap.Error(err))
		c.Close()
	}
}

// openTo tells the client that it is connected, opens its TLS and hands the connection over.
func (s *Server) openTo(o *opened) error {
	if _, err := io.WriteString(o.Conn, established); err != nil {
		return fmt.Errorf("answering CONNECT: %w", err)
	}
	ctx, cancel := context.WithTimeout(s.running, s.limits.Handshake)
	defer cancel()
	conn, err := s.begin(ctx, o)
	if err != nil {
		return err
	}
	if !s.handoff.put(conn) {
		return errors.New("the proxy is shutting down")
	}
	return nil
}
