package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"syscall"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// Kinds of UpstreamError, coarse enough to choose an answer by.
const (
	upstreamProhibited  = "prohibited"  // the address is not to be reached
	upstreamTimeout     = "timeout"     // something took too long
	upstreamDNS         = "dns"         // the name does not resolve
	upstreamConnection  = "connection"  // refused, reset, unreachable
	upstreamCertificate = "certificate" // the origin could not prove who it is
	upstreamTLS         = "tls"         // TLS went wrong otherwise
	upstreamResponse    = "response"    // what came is not, or not all of, a response
	upstreamParent      = "parent"      // the parent proxy would not
	upstreamCanceled    = "canceled"    // our side gave up
	upstreamOther       = "other"       // not known to be about the origin
)

// UpstreamError says why an origin could not be asked, or did not answer to the end.
type UpstreamError struct {
	Kind       string // one of the kinds above
	ProxyError string // the error type of RFC 9209, 2.3; "" where none fits
	Detail     string // a sentence for a person, safe to show
	Err        error  // the cause; its text may hold what strangers wrote
}

func (e *UpstreamError) Error() string { return e.Detail }

// Unwrap returns the cause.
func (e *UpstreamError) Unwrap() error { return e.Err }

// errParentIsUs says that the parent proxy's address is one that this process listens on.
var errParentIsUs = errors.New("the parent proxy is this proxy itself")

// classify says what an error of Upstream is about; nil only for nil.
func classify(err error) *UpstreamError {
	if err == nil {
		return nil
	}
	if up, ok := errors.AsType[*UpstreamError](err); ok {
		return up
	}
	for _, about := range []func(error) *UpstreamError{classifyRefusal, classifyCertificate, classifyName, classifyTLS, classifyResponse, classifyConnection, classifyInvalid} {
		if up := about(err); up != nil {
			up.Err = err
			return up
		}
	}
	return &UpstreamError{Kind: upstreamOther, Detail: printable.Text(err.Error(), 300), Err: err}
}

// classifyBody is classify for an error in the middle of a body: whatever it is, the body is not all there. What is no
// matter of time is an io.ErrUnexpectedEOF too.
func classifyBody(err error) *UpstreamError {
	up := classify(err)
	switch up.Kind {
	case upstreamTimeout, upstreamCanceled:
		return up
	}
	detail := "the origin's answer was cut short: " + printable.Text(err.Error(), 200)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return &UpstreamError{Kind: upstreamResponse, ProxyError: "http_response_incomplete", Detail: detail, Err: err}
}

// classifyRefusal is about what we would not do, or no longer.
func classifyRefusal(err error) *UpstreamError {
	if e, ok := errors.AsType[*guardError](err); ok {
		return &UpstreamError{Kind: upstreamProhibited, ProxyError: "destination_ip_prohibited", Detail: e.Error()}
	}
	switch {
	case errors.Is(err, errParentIsUs):
		return &UpstreamError{Kind: upstreamParent, ProxyError: "proxy_loop_detected", Detail: "the parent proxy that is configured, or that the environment names, is this proxy itself"}
	case errors.Is(err, errUpstreamStalled):
		return &UpstreamError{Kind: upstreamTimeout, ProxyError: "connection_read_timeout", Detail: "the origin stopped sending in the middle of its answer"}
	case errors.Is(err, context.Canceled):
		return &UpstreamError{Kind: upstreamCanceled, Detail: "the request was given up before the origin had answered"}
	}
	return nil
}

func classifyCertificate(err error) *UpstreamError {
	if why := upstreamBadCertificate(err); why != "" {
		return &UpstreamError{Kind: upstreamCertificate, ProxyError: "tls_certificate_error", Detail: why}
	}
	return nil
}

func classifyName(err error) *UpstreamError {
	e, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return nil
	}
	name := printable.Text(e.Name, 100)
	switch {
	case e.IsTimeout:
		return &UpstreamError{Kind: upstreamTimeout, ProxyError: "dns_timeout", Detail: fmt.Sprintf("the name %s could not be resolved in time", name)}
	case e.IsNotFound:
		return &UpstreamError{Kind: upstreamDNS, ProxyError: "dns_error", Detail: fmt.Sprintf("the name %s does not exist or has no address", name)}
	}
	return &UpstreamError{Kind: upstreamDNS, ProxyError: "dns_error", Detail: fmt.Sprintf("the name %s could not be resolved: %s", name, printable.Text(e.Err, 100))}
}

func classifyTLS(err error) *UpstreamError {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return &UpstreamError{Kind: upstreamTLS, ProxyError: "tls_alert_received", Detail: "the origin refused the TLS connection: " + printable.Text(e.Err.Error(), 100)}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &UpstreamError{Kind: upstreamTLS, ProxyError: "tls_protocol_error", Detail: "the origin does not speak TLS on this port"}
	}
	switch text := err.Error(); {
	case strings.Contains(text, "TLS handshake timeout"):
		return &UpstreamError{Kind: upstreamTimeout, ProxyError: "connection_timeout", Detail: "the origin did not finish the TLS handshake in time"}
	case strings.HasPrefix(text, "tls: "), strings.HasPrefix(text, "local error: tls: "), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return &UpstreamError{Kind: upstreamTLS, ProxyError: "tls_protocol_error", Detail: "TLS with the origin failed: " + printable.Text(text, 200)}
	}
	return nil
}

// classifyResponse knows net/http's errors, most of which have no type, by their text; a test holds it to the real ones.
func classifyResponse(err error) *UpstreamError {
	text := err.Error()
	switch has := func(s string) bool { return strings.Contains(text, s) }; {
	case has("timeout awaiting response headers"):
		return &UpstreamError{Kind: upstreamTimeout, ProxyError: "http_response_timeout", Detail: "the origin did not answer in time"}
	case has("response headers exceeded"), has("response header list larger"):
		return &UpstreamError{Kind: upstreamResponse, ProxyError: "http_response_header_section_size", Detail: "the header of the origin's answer is too large"}
	case has("server closed idle connection"), errors.Is(err, io.EOF), has("http2: server sent GOAWAY"):
		return &UpstreamError{Kind: upstreamConnection, ProxyError: "connection_terminated", Detail: "the origin closed the connection without an answer"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &UpstreamError{Kind: upstreamResponse, ProxyError: "http_response_incomplete", Detail: "the origin closed the connection in the middle of its answer"}
	}
	return nil
}

// classifyInvalid is about answers that net/http cannot read; it comes after everything that may lie beneath.
func classifyInvalid(err error) *UpstreamError {
	text := err.Error()
	has := func(s string) bool { return strings.Contains(text, s) }
	_, isProtocol := errors.AsType[textproto.ProtocolError](err)
	if isProtocol || has("transport connection broken") || has("malformed") || has("stream error: stream ID") || has("connection error: ") || has("too many 1xx") {
		return &UpstreamError{Kind: upstreamResponse, ProxyError: "http_protocol_error", Detail: "the origin's answer is not valid HTTP: " + printable.Text(text, 200)}
	}
	return nil
}

func classifyConnection(err error) *UpstreamError {
	op, isOp := errors.AsType[*net.OpError](err)
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &UpstreamError{Kind: upstreamConnection, ProxyError: "connection_refused", Detail: "the origin refused the connection"}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return &UpstreamError{Kind: upstreamConnection, ProxyError: "destination_ip_unroutable", Detail: "there is no route to the origin"}
	case errors.As(err, &timeout) && timeout.Timeout():
		switch {
		case !isOp && errors.Is(err, context.DeadlineExceeded):
			return &UpstreamError{Kind: upstreamTimeout, ProxyError: "http_response_timeout", Detail: "the origin took longer than the request may take"}
		case isOp && op.Op == "read":
			return &UpstreamError{Kind: upstreamTimeout, ProxyError: "connection_read_timeout", Detail: "no data came for too long"}
		case isOp && op.Op == "write":
			return &UpstreamError{Kind: upstreamTimeout, ProxyError: "connection_write_timeout", Detail: "the origin stopped taking the request"}
		}
		return &UpstreamError{Kind: upstreamTimeout, ProxyError: "connection_timeout", Detail: "no connection to the origin in time"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return &UpstreamError{Kind: upstreamConnection, ProxyError: "connection_terminated", Detail: "the origin broke the connection off"}
	case isOp:
		return &UpstreamError{Kind: upstreamConnection, ProxyError: "destination_unavailable", Detail: "the origin cannot be reached: " + printable.Text(op.Error(), 200)}
	}
	return nil
}
