package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// UpstreamOptions are the options of NewUpstream.
type UpstreamOptions struct {
	// Roots are what origins' certificates chain to; nil means the system's (which SSL_CERT_FILE and SSL_CERT_DIR may
	// name). UpstreamRoots adds files to those.
	Roots *x509.CertPool
	// ParentProxy is the http or https URL of the proxy through which everything goes out, with credentials if it
	// wants any; nil means none. Hosts in Resolve are connected to directly all the same.
	ParentProxy *url.URL
	// UseEnvironment takes the parent proxy from HTTP_PROXY, HTTPS_PROXY and NO_PROXY where ParentProxy is nil.
	UseEnvironment bool
	// ParentResolves leaves to the parent proxy, unchecked, the names that cannot be resolved here. Without it they
	// are refused, since what they lead to cannot be known.
	ParentResolves bool
	// AllowPrivate, Resolve, Own and Resolver are those of GuardOptions.
	AllowPrivate []string
	Resolve      map[string]string
	Own          func() []net.Addr
	Resolver     GuardResolver
	// HTTP2 offers HTTP/2 to origins. HTTP/1.1 carries bulk at less cost, on a connection for each transfer.
	HTTP2 bool

	DialTimeout    time.Duration // for resolving and connecting; 0 means 10 s
	TLSTimeout     time.Duration // for a TLS handshake, and for a parent proxy's answer to CONNECT; 0 means 10 s
	HeaderTimeout  time.Duration // from the end of the request to the end of the response's header; 0 means 2 min
	StallTimeout   time.Duration // without a byte of the body while one is waited for, either way; 0 means 2 min
	IdleTimeout    time.Duration // that an unused connection is kept; 0 means 90 s
	MaxHeaderBytes int64         // of a response's header; 0 means 256 KiB
	MaxIdlePerHost int           // unused connections kept for one host; 0 means 16
	MaxIdle        int           // unused connections kept in all; 0 means 256
}

// Upstream is the way to the origins: an http.RoundTripper and a dialer for tunnels. Certificates are always
// verified, redirects are not followed, bodies are not decoded, and a request goes out once: net/http tries again
// only what RFC 9110 (9.2.2) calls idempotent, on a kept connection that turned out to be closed. Its errors are
// *UpstreamError. Safe for concurrent use.
type Upstream struct {
	guard          *Guard
	tls            *tls.Config
	proxyFor       func(*url.URL) (*url.URL, error) // nil URL: no parent
	parentResolves bool
	stall          time.Duration
	handshake      time.Duration

	direct   *http.Transport // to origins
	tunneled *http.Transport // https to origins, through a parent
	absolute *http.Transport // http through a parent: the request goes to the parent, with an absolute URL
}

// NewUpstream makes an Upstream. An option that cannot be followed is an error.
func NewUpstream(o UpstreamOptions) (*Upstream, error) {
	o = upstreamDefaults(o)
	guard, err := NewGuard(GuardOptions{AllowPrivate: o.AllowPrivate, Resolve: o.Resolve, Own: o.Own, Resolver: o.Resolver, Timeout: o.DialTimeout})
	if err != nil {
		return nil, err
	}
	proxyFor, err := parentChoice(o.ParentProxy, o.UseEnvironment)
	if err != nil {
		return nil, err
	}
	u := &Upstream{
		guard: guard, proxyFor: proxyFor, parentResolves: o.ParentResolves, stall: o.StallTimeout, handshake: o.TLSTimeout,
		tls: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            o.Roots,
			ClientSessionCache: tls.NewLRUClientSessionCache(256),
			VerifyConnection:   upstreamStrong,
		},
	}
	u.direct = u.transport(o, guard.DialContext)
	u.tunneled = u.transport(o, u.dialThroughParent)
	u.absolute = u.transport(o, func(ctx context.Context, _, parent string) (net.Conn, error) { return guard.dialTrusted(ctx, parent) })
	u.absolute.Proxy = func(r *http.Request) (*url.URL, error) { return u.parentFor(r.URL) }
	u.absolute.Protocols = new(http.Protocols)
	u.absolute.Protocols.SetHTTP1(true)
	return u, nil
}

func upstreamDefaults(o UpstreamOptions) UpstreamOptions {
	for _, d := range []struct {
		value *time.Duration
		unset time.Duration
	}{
		{&o.DialTimeout, 10 * time.Second},
		{&o.TLSTimeout, 10 * time.Second},
		{&o.HeaderTimeout, 2 * time.Minute},
		{&o.StallTimeout, 2 * time.Minute},
		{&o.IdleTimeout, 90 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.unset
		}
	}
	if o.MaxHeaderBytes <= 0 {
		o.MaxHeaderBytes = 256 << 10
	}
	if o.MaxIdlePerHost <= 0 {
		o.MaxIdlePerHost = 16
	}
	if o.MaxIdle <= 0 {
		o.MaxIdle = 256
	}
	return o
}

func (u *Upstream) transport(o UpstreamOptions, dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(o.HTTP2)
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &upstreamConn{conn, o.StallTimeout}, nil
		},
		TLSClientConfig:        u.tls,
		TLSHandshakeTimeout:    o.TLSTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        o.IdleTimeout,
		MaxIdleConns:           o.MaxIdle,
		MaxIdleConnsPerHost:    o.MaxIdlePerHost,
		MaxResponseHeaderBytes: o.MaxHeaderBytes,
		DisableCompression:     true, // what is verified is what was sent
		Protocols:              protocols,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  30 * time.Second,
			PingTimeout:      15 * time.Second,
			WriteByteTimeout: o.StallTimeout,
		},
	}
}

// RoundTrip implements http.RoundTripper. The response's body ends in io.EOF only if it is complete as far as its
// framing tells; see EndKnown. An answer of 407 is an error: it is not for our clients to authenticate there.
func (u *Upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	transport, err := u.route(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, classify(err)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := transport.RoundTrip(upstreamRequest(ctx, req))
	if err != nil {
		cancel(nil)
		return nil, classify(err)
	}
	resp.Request = req
	if resp.StatusCode == http.StatusProxyAuthRequired {
		resp.Body.Close()
		cancel(nil)
		return nil, upstreamUnauthorized(transport == u.absolute)
	}
	resp.Body = upstreamWatch(ctx, cancel, resp, u.stall)
	return resp, nil
}

// route picks the transport for a request and refuses what may not be asked of a parent.
func (u *Upstream) route(req *http.Request) (*http.Transport, error) {
	if s := req.URL.Scheme; s != "http" && s != "https" {
		return nil, fmt.Errorf("sending a request: %q is not http or https", s)
	}
	parent, err := u.parentFor(req.URL)
	switch {
	case err != nil:
		return nil, err
	case parent == nil:
		return u.direct, nil
	case req.URL.Scheme == "https":
		return u.tunneled, nil // checked when it is dialled
	}
	return u.absolute, u.checkForParent(req.Context(), upstreamHostPort(req.URL))
}

// DialTunnel connects to host:port for a tunnel, directly or through the parent proxy. A direct connection is a
// *net.TCPConn, and so is one through a parent that is spoken to without TLS unless it has sent something already.
func (u *Upstream) DialTunnel(ctx context.Context, hostport string) (net.Conn, error) {
	parent, err := u.parentFor(&url.URL{Scheme: "https", Host: hostport})
	if err != nil {
		return nil, classify(err)
	}
	dial := u.guard.DialContext
	if parent != nil {
		dial = u.dialThroughParent
	}
	conn, err := dial(ctx, "tcp", hostport)
	if err != nil {
		return nil, classify(err)
	}
	return conn, nil
}

// CloseIdle closes the connections that nobody uses.
func (u *Upstream) CloseIdle() {
	u.direct.CloseIdleConnections()
	u.tunneled.CloseIdleConnections()
	u.absolute.CloseIdleConnections()
}

// upstreamRequest is req as it goes out.
func upstreamRequest(ctx context.Context, req *http.Request) *http.Request {
	out := req.WithContext(ctx)
	out.Header = req.Header.Clone()
	if out.Header == nil {
		out.Header = make(http.Header)
	}
	// What a client has for us, or a parent for us, is not for an origin.
	for _, name := range []string{"Proxy-Authorization", "Proxy-Connection", "Proxy-Authenticate"} {
		out.Header.Del(name)
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // else net/http adds its own
	}
	out.RequestURI = ""
	out.Close = false
	out.GetBody = nil
	// The URL says whom this is for; a Host that differs would be an address that nobody has checked.
	out.Host = upstreamAuthority(req.URL)
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
	default:
		// net/http takes these fields for permission to send a request twice. It looks for the usual spelling only,
		// while to an origin all spellings are the same.
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			if v, ok := out.Header[name]; ok {
				delete(out.Header, name)
				out.Header[strings.ToLower(name)] = v
			}
		}
	}
	return out
}

// upstreamAuthority returns a URL's host with its port unless that is the scheme's own.
func upstreamAuthority(u *url.URL) string {
	switch port := u.Port(); {
	case port == "", u.Scheme == "http" && port == "80", u.Scheme == "https" && port == "443":
		return strings.TrimSuffix(u.Host, ":"+port)
	}
	return u.Host
}

func upstreamHostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// upstreamConn gives up a write that takes too long.
type upstreamConn struct {
	net.Conn
	stall time.Duration
}

func (c *upstreamConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
