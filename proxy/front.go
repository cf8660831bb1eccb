package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
)

// newEngine sets up goproxy. Every request that it carries goes to the gate: its own transport refuses to work, and so
// does every CONNECT that was not decided beforehand.
func (s *Server) newEngine() *goproxy.ProxyHttpServer {
	e := goproxy.NewProxyHttpServer()
	e.Logger = engineLog{s.log}
	e.KeepAcceptEncoding = true
	e.ConnectDial = nil
	e.Tr = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errNoEngineDial }}
	e.NonproxyHandler = http.HandlerFunc(s.servePage)
	e.OnRequest().DoFunc(func(r *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		ctx.RoundTripper = goproxy.RoundTripperFunc(s.throughGate)
		return r, nil
	})
	e.OnRequest().HandleConnectFunc(func(host string, ctx *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		if x := sessionOf(ctx.Req.Context()).writer; x != nil && x.connect != nil {
			return x.connect, host
		}
		return goproxy.RejectConnect, host
	})
	return e
}

var errNoEngineDial = errors.New("goproxy must not connect by itself")

// engineLog is goproxy's logger. All it says of its own accord are warnings about single connections.
type engineLog struct{ log *zap.Logger }

// Printf implements goproxy.Logger.
func (l engineLog) Printf(format string, v ...any) {
	l.log.Debug("goproxy", zap.String("says", strings.TrimSpace(fmt.Sprintf(format, v...))))
}

type connKey struct{}

// newOuter makes the server that speaks with clients as a proxy.
func (s *Server) newOuter() *http.Server {
	return &http.Server{
		Handler:                      http.HandlerFunc(s.serveOuter),
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

// serveOuter answers a request that came to the proxy itself.
func (s *Server) serveOuter(w http.ResponseWriter, r *http.Request) {
	conn := r.Context().Value(connKey{}).(*clientConn)
	ses := newSession(policy.Client{Addr: conn.addr})
	x := s.newExchange(w, r, ses, conn, &conn.line)
	s.answer(x, func(r *http.Request) {
		if r.Method != http.MethodConnect && !r.URL.IsAbs() {
			s.engine.ServeHTTP(x, r)
			return
		}
		user, f := s.authenticate(r, conn.addr)
		if f != nil {
			x.refuse(*f)
			return
		}
		ses.Client.User = user
		if r.Method == http.MethodConnect {
			s.serveConnect(x, r)
		} else {
			s.servePlain(x, r)
		}
	})
}

func (s *Server) newExchange(w http.ResponseWriter, r *http.Request, ses *session, conn *clientConn, line *statusLine) *exchange {
	x := &exchange{w: w, control: http.NewResponseController(w), session: ses, conn: conn, line: line, limits: &s.limits}
	ses.writer = x
	x.req = ses.in(r)
	if r.Body != nil && r.Body != http.NoBody {
		x.req.Body = &idleBody{ReadCloser: r.Body, x: x}
	} else {
		x.bodyEnd.Store(true)
	}
	if line != nil {
		line.expect(0, "")
	}
	return x
}

// answer runs act for a request: it recovers panics, sees to it that a response that broke off looks broken to the
// client, and writes the one line of the log.
func (s *Server) answer(x *exchange, act func(*http.Request)) {
	x.conn.begin()
	defer x.conn.end()
	defer func() {
		if x.taken == nil {
			x.conn.answered()
		}
		abort := x.broken != nil
		if p := recover(); p != nil {
			abort = s.recovered(x, p)
		}
		if x.line != nil && x.taken == nil && !x.bodyEnd.Load() {
			// net/http reads what is left of the body before it goes on, and sets no deadline for that.
			x.control.SetReadDeadline(time.Now().Add(s.limits.BodyRead))
		}
		if body, unread := x.req.Body.(*idleBody); unread && x.line == nil && x.taken == nil && !abort {
			x.drain(body)
		}
		s.logRequest(x, abort)
		if abort && x.taken == nil {
			if x.req.ProtoMajor == 1 && x.req.ProtoMinor == 0 {
				x.conn.resetOnClose() // to such a client the end of the connection is the end of the body
			}
			panic(http.ErrAbortHandler)
		}
	}()
	act(x.req)
}

// recovered answers for a panic, and says whether the response has to be aborted.
func (s *Server) recovered(x *exchange, p any) (abort bool) {
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		return true
	}
	s.log.Error("panic while answering a request", zap.String("id", x.session.ID), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
	s.metrics.panicked()
	if x.status != 0 || x.taken != nil {
		x.session.end(outcomeAborted)
		return true
	}
	for name := range x.w.Header() {
		delete(x.w.Header(), name)
	}
	x.stream = false
	x.refuse(refusal{Kind: kindUnavailable, Detail: "something went wrong inside the proxy; its log says what"})
	return false
}

// servePlain answers a request with an absolute URL, which is a proxy's plain HTTP.
func (s *Server) servePlain(x *exchange, r *http.Request) {
	t, f := plainTarget(r.URL)
	if f != nil {
		x.refuse(*f)
		return
	}
	ses := x.session
	ses.Authority = t.authority()
	action, why := s.o.Rules().Host(ses.Client, t.host)
	if f := s.hostRefusal(action, why, t); f != nil {
		x.refuse(*f)
		return
	}
	ses.Inspect = action != policy.TunnelHost
	r.URL.Host = t.urlHost("http")
	r.Host = r.URL.Host
	s.forward(x, r, t)
}

// hostRefusal refuses hosts that are denied, and ports that are not listed.
func (s *Server) hostRefusal(action policy.HostAction, why string, t target) *refusal {
	if action != policy.InspectHost && action != policy.TunnelHost {
		return &refusal{Kind: kindDenied, Rule: "host " + t.host, Detail: "the policy denies the host " + t.host + ": " + why}
	}
	if t.port != 80 && t.port != 443 && !s.o.Rules().Port(t.host, t.port) {
		return &refusal{Kind: kindDenied, Rule: "port of " + t.host, Detail: fmt.Sprintf("the policy does not list port %d of %s", t.port, t.host)}
	}
	return nil
}

// forward hands a request whose URL is absolute and checked to goproxy, and so to the gate.
func (s *Server) forward(x *exchange, r *http.Request, t target) {
	if f := s.cleanRequest(x.session, r, t); f != nil {
		x.refuse(*f)
		return
	}
	s.engine.ServeHTTP(x, r)
	if x.upgrade != nil {
		x.upgrade.finish(s, x)
	}
}

// throughGate is goproxy's round tripper. It never fails: what went wrong becomes an answer.
func (s *Server) throughGate(r *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
	x := sessionOf(r.Context()).writer
	received, err := s.o.Gate.RoundTrip(r)
	if err != nil || received == nil {
		s.log.Error("the gate gave no answer", zap.String("id", x.session.ID), zap.Error(err))
		received = refusal{Kind: kindUpstream, Detail: "the origin could not be asked"}.response(r)
	}
	resp := new(http.Response)
	*resp = *received
	resp.Header = received.Header.Clone()
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if !isOwn(resp) {
		if f := s.cleanResponse(x, r, resp); f != nil {
			resp.Body.Close()
			resp = f.response(r)
		}
	}
	s.dispatch(x, r, resp)
	return resp, nil
}

// dispatch prepares the exchange for the response that goproxy is about to copy.
func (s *Server) dispatch(x *exchange, r *http.Request, resp *http.Response) {
	x.reason = reasonOf(resp)
	resp.Header.Add("Via", via(resp.ProtoMajor, resp.ProtoMinor, s.pseudonym))
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.upgrade = s.newUpgrade(x.session, resp)
		return
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	bodiless := r.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified
	left := resp.ContentLength
	if bodiless {
		left = -1
	} else if left >= 0 && len(resp.Header["Content-Length"]) == 0 {
		resp.Header.Set("Content-Length", fmt.Sprint(left))
	}
	x.stream = !bodiless && left < 0
	resp.Body = &watchedBody{resp.Body, x, left}
}

// logRequest writes the canonical line of a request, and counts it.
func (s *Server) logRequest(x *exchange, aborted bool) {
	outcome, fields := x.session.ended()
	if aborted && outcome == outcomePassed {
		outcome = outcomeAborted
	}
	s.metrics.request(outcome, x.sent)
	url := redactedURL(x.req.URL)
	if x.req.Method == http.MethodConnect {
		url = x.session.Authority
	}
	line := append([]zap.Field{
		zap.String("id", x.session.ID),
		zap.Stringer("client", x.session.Client.Addr), zap.String("user", x.session.Client.User),
		zap.String("method", shown(x.req.Method)), zap.String("url", url), zap.String("proto", x.req.Proto),
		zap.Int("status", x.status), zap.Int64("bytes", x.sent), zap.Duration("duration", time.Since(x.session.Start)),
		zap.Bool("inspected", x.session.Inspect), zap.String("outcome", outcome),
	}, fields...)
	if x.broken != nil && !errors.Is(x.broken, io.EOF) {
		line = append(line, zap.NamedError("broken", x.broken))
	}
	if aborted || outcome == kindUnavailable {
		s.log.Warn("request", line...)
	} else {
		s.log.Info("request", line...)
	}
}
