package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// forward passes a request on and its response back untouched: the policy does not look into this host.
func (x *transit) forward() *http.Response {
	out := x.req.Clone(x.req.Context())
	out.RequestURI = ""
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header.Set("User-Agent", "")
	}
	resp, err := x.gate.Upstream.RoundTrip(out)
	if err != nil {
		return x.refuse(upstreamRefusal(err, x))
	}
	return resp
}

// pass answers with a response that is no update, as it comes. A redirect from a channel carries the channel with it,
// and a body that somebody could install in spite of its status is left out.
func (x *transit) pass(resp *http.Response) *http.Response {
	body := resp.Body
	stop := context.AfterFunc(x.req.Context(), func() { body.Close() })
	resp.Body = onClose(body, func() { stop() })
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return resp
	case x.plan.Scope != "" && resp.StatusCode/100 == 3 && leads(resp.Header):
		if r := x.follow(resp); r != nil {
			resp.Body.Close()
			return x.refuse(*r)
		}
		return x.withoutBody(resp)
	case resp.StatusCode/100 != 2 && hasBody(x.req, resp):
		return x.passFailure(resp)
	}
	resp.Body = &watchedStart{ReadCloser: resp.Body}
	return resp
}

// passFailure answers with the body of a response whose status is no success, if nobody could mistake it for an
// update: some clients store or run what they get without a look at the status.
func (x *transit) passFailure(resp *http.Response) *http.Response {
	if decode(resp, "") != nil {
		return x.withoutBody(resp)
	}
	head, whole, err := peek(resp.Body)
	if err != nil {
		resp.Body.Close()
		return x.refuse(upstreamRefusal(err, x))
	}
	if verify.Sniff(head, "") != "" || x.plan.Scope != "" && !passive(resp.Header) {
		return x.withoutBody(resp)
	}
	resp.Body = &watchedStart{ReadCloser: whole}
	return resp
}

// watchedStart is a body that passes by. It ends in an error when its first bytes turn out to be an update's after all:
// some formats have their magic so far behind that a stream of events would have to be kept waiting for it.
type watchedStart struct {
	io.ReadCloser
	start []byte
	err   error
}

var errLateUpdate = errors.New("what comes looks like an update, and updates are not passed on unjudged")

// Read implements io.Reader.
func (w *watchedStart) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.ReadCloser.Read(p)
	if room := verify.SniffLen - len(w.start); room > 0 && n > 0 {
		w.start = append(w.start, p[:min(n, room)]...)
		if verify.Sniff(w.start, "") != "" {
			w.err = errLateUpdate
			return 0, w.err
		}
	}
	return n, err
}

// withoutBody leaves an origin's status and drops what it sent with it.
func (x *transit) withoutBody(resp *http.Response) *http.Response {
	resp.Body.Close()
	text := fmt.Sprintf("Sallyport: the origin answered %d %s; what it sent with that is left out.\n",
		resp.StatusCode, http.StatusText(resp.StatusCode))
	h := bodilessHeader(resp.Header)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", fmt.Sprint(len(text)))
	resp.Header, resp.Body, resp.ContentLength = h, io.NopCloser(strings.NewReader(text)), int64(len(text))
	if x.req.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	resp.TransferEncoding, resp.Trailer = nil, nil
	return resp
}

// bodilessHeader is what of an origin's header stays when its body is left out.
func bodilessHeader(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{"Date", "Retry-After", "Www-Authenticate", "Location", "Set-Cookie", "Cache-Control", "Expires", "Vary", "Allow"} {
		if v := h[name]; len(v) > 0 {
			kept[name] = v
		}
	}
	return kept
}

// leads reports whether a header names a place to go to: clients differ in which of several they take.
func leads(h http.Header) bool {
	return slices.ContainsFunc(h["Location"], func(line string) bool { return line != "" })
}

// follow carries the channel to where a redirect leads. A redirect to where the policy lets nobody look is refused:
// the client would end up with bytes that were never held.
func (x *transit) follow(resp *http.Response) *refusal {
	lines := resp.Header["Location"]
	refuse := func(kind, why string) *refusal {
		return &refusal{Kind: kind, Channel: x.plan.Scope, Rule: "channel " + x.plan.Scope, Policy: x.policy.Digest(),
			Detail: "the update channel redirects to " + recordText(strings.Join(lines, " and ")) + ", " + why}
	}
	to, err := x.destination(lines)
	if err != nil {
		return refuse(kindDenied, err.Error())
	}
	if ok, why := x.policy.Redirect(hostOf(to)); !ok {
		return refuse(kindDenied, "and "+why)
	}
	if why := x.gate.redirects.carry(x.ask.Client, x.req.URL, to, x.plan.Scope, x.origin()); why != "" {
		return refuse(kindDenied, why)
	}
	resp.Header["Location"] = []string{to.String()}
	// A client that kept the redirect (RFC 9110 section 15.4) would go there by itself when it has been forgotten here.
	for _, name := range []string{"Expires", "Age", "Pragma", "Cdn-Cache-Control", "Surrogate-Control"} {
		delete(resp.Header, name)
	}
	resp.Header["Cache-Control"] = []string{"no-store"}
	x.session.note(zap.String("redirected_to", redactedURL(to)))
	return nil
}

// destination reads where a redirect leads, and writes it such that every client reads the same: an absolute URL of
// ASCII, with nothing in it that some clients drop or turn. (Browsers take a backslash for a slash, and each
// has its own idea of a host name with other letters.)
func (x *transit) destination(lines []string) (*url.URL, error) {
	if len(lines) != 1 {
		return nil, errors.New("which is more than one place")
	}
	to, err := x.req.URL.Parse(lines[0])
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
		return nil, errors.New("which is no web address")
	}
	if x.req.URL.Scheme == "https" && to.Scheme == "http" {
		return nil, errors.New("which would leave TLS")
	}
	host, err := canonicalHost(strings.TrimSuffix(to.Hostname(), "."))
	if err != nil || !isASCII(to.Host) {
		return nil, errors.New("which is no host name that everybody reads the same way")
	}
	out := &url.URL{
		Scheme: to.Scheme, User: to.User, Path: to.Path, RawPath: to.RawPath, RawQuery: plainQuery(to.RawQuery),
		ForceQuery: to.ForceQuery, Fragment: to.Fragment, RawFragment: to.RawFragment,
	}
	if out.Host = host; strings.Contains(host, ":") {
		out.Host = "[" + host + "]"
	}
	if port := to.Port(); port != "" {
		out.Host += ":" + port
	}
	return out, nil
}

// plainQuery percent-encodes what RFC 3986 (section 3.4) does not allow in a query.
func plainQuery(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c > '~' || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// hostPolicy is what the front asks about hosts: the policy, and where redirects have led.
type hostPolicy struct {
	gate   *Gate
	policy *policy.Policy
}

// Host implements Rules.
func (h hostPolicy) Host(c policy.Client, host string) (policy.HostAction, string) {
	return h.gate.HostAction(c, host)
}

// Port implements Rules.
func (h hostPolicy) Port(host string, port int) bool { return h.policy.Port(host, port) }

// Upgrade implements Rules.
func (h hostPolicy) Upgrade(host string) bool { return h.policy.Upgrade(host) }

// Rules returns what the front of the proxy asks about hosts, under the policy in force.
func (g *Gate) Rules() Rules { return hostPolicy{g, g.Policy()} }
