package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/sallyport-project/sallyport/internal/printable"
)

const (
	parentMaxHeader = 64 << 10 // bytes of a parent's answer to CONNECT
	parentMaxInfo   = 8        // 1xx answers before the real one
)

// parentChoice returns what says which parent proxy, if any, is to be used for a URL.
func parentChoice(fixed *url.URL, useEnvironment bool) (func(*url.URL) (*url.URL, error), error) {
	switch {
	case fixed != nil:
		if err := parentUsable(fixed); err != nil {
			return nil, fmt.Errorf("setting up outbound connections: %w", err)
		}
		return func(*url.URL) (*url.URL, error) { return fixed, nil }, nil
	case !useEnvironment:
		return func(*url.URL) (*url.URL, error) { return nil, nil }, nil
	}
	choose := httpproxy.FromEnvironment().ProxyFunc()
	for _, scheme := range []string{"http", "https"} {
		parent, err := choose(&url.URL{Scheme: scheme, Host: "host.invalid"})
		if err == nil && parent != nil {
			err = parentUsable(parent)
		}
		if err != nil {
			return nil, fmt.Errorf("setting up outbound connections: the environment's proxy for %s: %w", scheme, err)
		}
	}
	return choose, nil
}

func parentUsable(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("the parent proxy %s is not of the form http://host:port or https://host:port", printable.Text(u.Redacted(), 100))
	}
	return nil
}

// parentFor returns the parent proxy for a URL, nil for none.
func (u *Upstream) parentFor(target *url.URL) (*url.URL, error) {
	if name, ip, err := guardHost(target.Hostname()); err == nil {
		if _, mapped := u.guard.mapped(name, ip); mapped {
			return nil, nil
		}
	}
	parent, err := u.proxyFor(target)
	if err != nil {
		return nil, fmt.Errorf("choosing the parent proxy: %w", err)
	}
	return parent, nil
}

// checkForParent refuses a target that the parent proxy is not to be asked for. The parent resolves the name anew, and
// may be told something else than we were; to hold against that it needs a guard of its own.
func (u *Upstream) checkForParent(ctx context.Context, hostport string) error {
	ctx, cancel := context.WithTimeout(ctx, u.guard.timeout)
	defer cancel()
	_, err := u.guard.AllAddresses(ctx, hostport)
	if _, unresolved := errors.AsType[*net.DNSError](err); unresolved && u.parentResolves {
		return nil
	}
	return err
}

// dialThroughParent connects to host:port through the parent proxy, by CONNECT (RFC 9110, 9.3.6).
func (u *Upstream) dialThroughParent(ctx context.Context, _, hostport string) (net.Conn, error) {
	parent, err := u.parentFor(&url.URL{Scheme: "https", Host: hostport})
	if err != nil {
		return nil, err
	}
	if parent == nil {
		return u.guard.DialContext(ctx, "tcp", hostport)
	}
	if err := u.checkForParent(ctx, hostport); err != nil {
		return nil, err
	}
	conn, err := u.guard.dialTrusted(ctx, upstreamHostPort(parent))
	if err != nil {
		return nil, parentError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, u.handshake)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	through, err := u.connectThrough(ctx, conn, parent, hostport)
	if !stop() && err == nil {
		err = context.Cause(ctx) // the deadline has been spoilt
	}
	if err != nil {
		conn.Close()
		if cause := ctx.Err(); cause != nil {
			err = errors.Join(cause, err)
		}
		return nil, parentError(err)
	}
	return through, nil
}

// connectThrough asks the parent at the other end of conn for a tunnel.
func (u *Upstream) connectThrough(ctx context.Context, conn net.Conn, parent *url.URL, hostport string) (net.Conn, error) {
	if parent.Scheme == "https" {
		config := u.tls.Clone()
		config.ServerName, config.NextProtos = parent.Hostname(), []string{"http/1.1"}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: hostport}, Host: hostport, Header: http.Header{"User-Agent": {""}}}
	if parent.User != nil {
		password, _ := parent.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(parent.User.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: parentMaxHeader}
	in := bufio.NewReader(limited)
	for range parentMaxInfo {
		resp, err := http.ReadResponse(in, req)
		switch {
		case err != nil && limited.N <= 0:
			return nil, &UpstreamError{Kind: upstreamParent, ProxyError: "http_response_header_section_size", Detail: "the parent proxy's answer is too large", Err: err}
		case err != nil:
			return nil, err
		case resp.StatusCode/100 == 1:
			continue
		case resp.StatusCode/100 != 2:
			resp.Body.Close()
			return nil, parentRefusal(resp)
		}
		if in.Buffered() == 0 {
			return conn, nil
		}
		early, err := in.Peek(in.Buffered())
		return &parentConn{Conn: conn, early: early}, err
	}
	return nil, errors.New("malformed answer to CONNECT: only 1xx")
}

// parentRefusal is the parent's answer to CONNECT if it is not yes.
func parentRefusal(resp *http.Response) error {
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return upstreamUnauthorized(true)
	}
	token := "destination_unavailable"
	if resp.StatusCode == http.StatusForbidden {
		token = "http_request_denied"
	}
	return &UpstreamError{Kind: upstreamParent, ProxyError: token, Detail: "the parent proxy refused the connection: " + printable.Text(resp.Status, 100)}
}

// upstreamUnauthorized is about a 407: from a parent proxy, or from an origin, which has no business sending it.
func upstreamUnauthorized(parent bool) *UpstreamError {
	if parent {
		return &UpstreamError{Kind: upstreamParent, ProxyError: "proxy_configuration_error", Detail: "the parent proxy did not accept our credentials, or we have none for it (407)"}
	}
	return &UpstreamError{Kind: upstreamResponse, ProxyError: "http_protocol_error", Detail: "the origin asked for proxy credentials (407), which only a proxy may do"}
}

// parentError says of an error that it is about the parent proxy, not about the origin.
func parentError(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if up, ok := errors.AsType[*UpstreamError](err); ok && up.Kind == upstreamParent {
		return up
	}
	up := *classify(err)
	if up.Kind != upstreamTimeout {
		up.Kind = upstreamParent
	}
	up.Detail = "between this proxy and its parent: " + up.Detail
	return &up
}

// parentConn is a connection on which the other side spoke before the tunnel was handed on.
type parentConn struct {
	net.Conn
	early []byte
}

func (c *parentConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite ends one direction, where the connection can.
func (c *parentConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}
