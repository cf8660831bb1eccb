package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// Rules is what the front of the proxy asks of the policy in force. *policy.Policy answers it.
type Rules interface {
	// Host says what to do with connections of a client to a host (lower case, no port, IP addresses without
	// brackets), and in one sentence why.
	Host(c policy.Client, host string) (policy.HostAction, string)
	// Port says whether a host may be asked for on a port other than 80 and 443.
	Port(host string, port int) bool
	// Upgrade says whether connections to an inspected host may change the protocol, after which they are not
	// looked at any more.
	Upgrade(host string) bool
}

// Options of New. The functions may be called by many goroutines at once.
type Options struct {
	// Gate answers every request that is not refused here. Required. The session of a request is in its context.
	Gate http.RoundTripper
	// Rules returns the policy in force. Required; it is asked anew for each request.
	Rules func() Rules
	// Certificate issues the leaf for a host that is inspected. Required.
	Certificate func(host string) (*tls.Certificate, error)
	// DialTunnel connects to a host that is not inspected; it guards the addresses it connects to. Required.
	DialTunnel func(ctx context.Context, hostport string) (net.Conn, error)
	// Append stores the records of tunnels. Required.
	Append func(audit.Record) (audit.Receipt, error)

	CA          func() []byte       // the interception CA in PEM, for /ca.pem; nil: there is no such page
	Credentials func() *Credentials // who may use the proxy; nil, or a nil result: everybody
	Limits      Limits              // zero fields have the defaults that are written there
	Metrics     *Metrics            // nil: counted nowhere
	Logger      *zap.Logger         // nil: nothing is logged
}

// Server is the front of the proxy: it accepts connections, names clients, applies what the policy says of hosts, ends
// TLS where it inspects, and hands every request to the gate through goproxy.
//
// There are two HTTP servers inside. The outer one speaks with clients as a proxy; the inner one is given the
// connections whose CONNECT is inspected, once TLS is established, and speaks with them as if it were the origin.
type Server struct {
	o         Options
	limits    Limits
	log       *zap.Logger
	metrics   *Metrics
	engine    *goproxy.ProxyHttpServer
	outer     *http.Server
	inner     *http.Server
	handoff   *handoff
	clients   *clientTable
	tunnels   *tracker
	innerTLS  *tls.Config
	pseudonym string // our name in Via

	running context.Context // ends when the shutdown begins
	stop    context.CancelFunc

	startInner sync.Once
	innerDone  chan struct{}
}

// New makes a server that listens nowhere yet.
func New(o Options) (*Server, error) {
	if o.Gate == nil || o.Rules == nil || o.Certificate == nil || o.DialTunnel == nil || o.Append == nil {
		return nil, errors.New("making the proxy: Gate, Rules, Certificate, DialTunnel and Append are required")
	}
	limits, err := o.Limits.filled()
	if err != nil {
		return nil, fmt.Errorf("making the proxy: %w", err)
	}
	s := &Server{o: o, limits: limits, log: o.Logger, metrics: o.Metrics, pseudonym: newPseudonym(), innerDone: make(chan struct{})}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if s.metrics == nil {
		s.metrics = NewMetrics()
	}
	s.clients = newClientTable(limits.Connections, limits.PerClient, s.metrics)
	s.tunnels = newTracker()
	s.handoff = newHandoff()
	s.engine = s.newEngine()
	s.running, s.stop = context.WithCancel(context.Background())
	s.outer = s.newOuter()
	s.innerTLS = s.newInnerTLS()
	s.inner = s.newInner()
	return s, nil
}

// Serve accepts connections from l until Shutdown, and then returns http.ErrServerClosed. It may be called for
// several listeners. It closes l.
func (s *Server) Serve(l net.Listener) error {
	s.startInner.Do(func() {
		go func() {
			defer close(s.innerDone)
			if err := s.inner.Serve(s.handoff); !errors.Is(err, http.ErrServerClosed) {
				s.log.Error("serving inspected connections", zap.Error(err))
			}
		}()
	})
	return s.outer.Serve(&sharedListener{Listener: l, table: s.clients, stall: s.limits.WriteStall})
}

// Shutdown stops accepting, finishes the requests in flight, closes connections that idle, and lets tunnels that still
// move bytes do so until ctx ends. What is left then is cut off, and ctx's error returned. When it returns, every
// tunnel has its record.
func (s *Server) Shutdown(ctx context.Context) error {
	s.tunnels.drain()
	s.stop()
	s.clients.shut()
	done := make(chan error, 2)
	go func() { done <- s.outer.Shutdown(ctx) }()
	go func() { done <- s.inner.Shutdown(ctx) }()
	err := errors.Join(<-done, <-done)
	// Every request is answered, or time is up: what goes on now is tunnels.
	s.tunnels.end(ctx, quietTunnel)
	s.outer.Close()
	s.inner.Close()
	s.startInner.Do(func() { close(s.innerDone) })
	<-s.innerDone
	return err
}

// quietTunnel is how long a tunnel must have moved nothing to be closed at once in a shutdown.
const quietTunnel = 5 * time.Second
