package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// tunnel passes bytes between a client and a host that is not inspected. All it looks at is the ClientHello, if the
// client begins with one: its server name must be the host of the CONNECT, or the tunnel would lead to a host that the
// policy was not asked about. Bytes of the origin pass from the start, for protocols in which the server speaks first.
type tunnel struct {
	flow
	target  target
	session *session
	rules   Rules
	limits  *Limits
	metrics *Metrics
	client  net.Conn
	origin  net.Conn
	hello   clientHello

	sent, received atomic.Int64 // bytes from the client, from the origin
	ended          atomic.Bool  // one direction came to its end
	result         atomic.Pointer[string]
}

// newTunnel makes a tunnel that run starts.
func (s *Server) newTunnel(ses *session, t target, origin net.Conn) *tunnel {
	tun := &tunnel{target: t, session: ses, rules: s.o.Rules(), limits: &s.limits, metrics: s.metrics, origin: origin}
	tun.cut = func() { origin.Close() }
	return tun
}

// run tells the client that it is connected and passes bytes until both directions have ended, one has failed, or
// nothing has moved for the idle limit.
func (t *tunnel) run(client net.Conn) {
	t.metrics.tunnels(1)
	defer t.metrics.tunnels(-1)
	t.client = client
	if _, err := io.WriteString(client, established); err != nil {
		t.fail("closed by the client", err)
		return
	}
	down := make(chan struct{})
	go func() {
		defer close(down)
		t.pass(client, t.origin, &t.received, t.pump)
	}()
	t.pass(t.origin, client, &t.sent, t.pumpChecked)
	<-down
	t.fail("closed", nil)
}

type pumping func(dst, src net.Conn, count *atomic.Int64) error

// pass runs one direction. Its end is passed on; its failure ends both.
func (t *tunnel) pass(dst, src net.Conn, count *atomic.Int64, pump pumping) {
	err := pump(dst, src, count)
	if err == nil {
		t.ended.Store(true)
		if h, ok := dst.(interface{ CloseWrite() error }); ok {
			h.CloseWrite()
			return
		}
	} else {
		t.fail("broken", err)
	}
	t.origin.Close()
	t.client.Close()
}

// fail keeps the first reason why the tunnel ended.
func (t *tunnel) fail(result string, err error) {
	var refused *tunnelError
	switch {
	case t.over.Load():
		result = "shut down"
	case errors.As(err, &refused):
		result = refused.Error()
	case errors.Is(err, errIdle):
		result = "idle"
	case t.ended.Load():
		result = "closed" // as when one side hangs up while the other still says goodbye
	case err != nil:
		t.session.note(zap.NamedError("tunnel_error", err))
	}
	t.result.CompareAndSwap(nil, &result)
}

// tunnelError is why a tunnel was closed by us.
type tunnelError struct{ reason string }

// Error implements error.
func (e *tunnelError) Error() string { return e.reason }

var errIdle = errors.New("nothing has moved for too long")

// pumpChecked passes what the client sends, once its first bytes have been looked at.
func (t *tunnel) pumpChecked(origin, client net.Conn, count *atomic.Int64) error {
	first := make([]byte, 4<<10)
	n, err := (&patientReader{t, client}).Read(first)
	if err == io.EOF && n == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	first = first[:n]
	if early, ok := client.(*replayConn); ok && len(early.early) > 0 {
		first = append(first, early.early...)
		early.early = nil
	}
	if first[0] == recordTypeHandshake {
		if first, err = t.checkHello(first, client); err != nil {
			return err
		}
	}
	t.moved()
	origin.SetWriteDeadline(time.Now().Add(t.limits.WriteStall))
	m, err := origin.Write(first)
	count.Add(int64(m))
	if err != nil {
		return err
	}
	return t.pump(origin, client, count)
}

// checkHello reads the rest of a ClientHello and compares its name. It returns all that was read.
func (t *tunnel) checkHello(first []byte, client net.Conn) ([]byte, error) {
	client.SetReadDeadline(time.Now().Add(t.limits.Handshake))
	hello, seen, err := readClientHello(io.MultiReader(bytes.NewReader(first), client))
	client.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, &tunnelError{"refused: what begins like TLS is no ClientHello that could be read"}
	}
	t.hello = hello
	if hello.name == "" {
		return seen, nil
	}
	name, err := canonicalHost(hello.name)
	if err != nil {
		return nil, &tunnelError{"refused: the server name of the ClientHello is no host name"}
	}
	if name != t.target.host {
		hint := ""
		if hello.ech {
			hint = ", which may be the cover of an encrypted one"
		}
		return nil, &tunnelError{fmt.Sprintf("refused: the ClientHello asks for %s%s on a connection to %s", name, hint, t.target.host)}
	}
	if action, _ := t.rules.Host(t.session.Client, name); action != policy.TunnelHost {
		return nil, &tunnelError{"refused: the ClientHello names a host that is not for tunnels: " + name}
	}
	return seen, nil
}

// socket returns the connection under our own layers, so that the kernel can pass bytes from socket to socket. For
// reading, the layers must have nothing more to give.
func socket(c net.Conn) net.Conn {
	if r, ok := c.(*replayConn); ok {
		c = r.Conn
	}
	if cc, ok := c.(*clientConn); ok {
		return cc.raw()
	}
	return c
}

// pumpPiece is how many bytes are passed before the deadlines are set anew.
const pumpPiece = 512 << 10

// pump passes bytes until src ends. A silent src is no failure as long as the other direction moves.
func (t *tunnel) pump(dst, src net.Conn, count *atomic.Int64) error {
	dst, src = socket(dst), socket(src)
	tick := min(t.limits.TunnelIdle/4, 30*time.Second)
	for {
		now := time.Now()
		stall := now.Add(t.limits.TunnelIdle + tick)
		dst.SetWriteDeadline(stall)
		src.SetReadDeadline(now.Add(tick))
		n, err := io.CopyN(dst, src, pumpPiece)
		if n > 0 {
			count.Add(n)
			t.moved()
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !time.Now().Before(stall):
			return errIdle // dst has not taken a byte
		case n == 0 && t.quiet() > t.limits.TunnelIdle:
			return errIdle
		}
	}
}

// patientReader reads from a connection until the tunnel idles.
type patientReader struct {
	t *tunnel
	c net.Conn
}

// Read implements io.Reader.
func (r *patientReader) Read(p []byte) (int, error) {
	tick := min(r.t.limits.TunnelIdle/4, 30*time.Second)
	for {
		r.c.SetReadDeadline(time.Now().Add(tick))
		n, err := r.c.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if r.t.quiet() > r.t.limits.TunnelIdle {
			return 0, errIdle
		}
	}
}

// recordTunnel writes a tunnel that has ended into the audit log.
func (s *Server) recordTunnel(t *tunnel) {
	rec := audit.Tunnel{Host: t.target.authority(), SNI: shown(t.hello.name), Sent: t.sent.Load(), Received: t.received.Load(), Result: shown(*t.result.Load())}
	t.session.end(outcomeTunnel)
	t.session.note(zap.String("sni", rec.SNI), zap.Bool("ech", t.hello.ech), zap.Int64("uploaded", rec.Sent), zap.String("result", rec.Result))
	s.metrics.tunnelled(rec.Sent, rec.Received)
	s.record(t.session, rec)
}

// record appends a tunnel record. A log that cannot be written fails loudly: nobody is left to refuse anything to.
func (s *Server) record(ses *session, rec audit.Tunnel) {
	receipt, err := s.o.Append(audit.Record{
		V: 1, Kind: audit.KindTunnel,
		Client: &audit.Client{Addr: ses.Client.Addr.String(), User: ses.Client.User},
		Tunnel: &rec,
	})
	if err != nil {
		s.metrics.recordFailed()
		s.log.Error("recording a tunnel", zap.String("id", ses.ID), zap.Error(err))
		return
	}
	ses.note(zap.String("record", receipt.ID()))
}
