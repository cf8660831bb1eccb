package proxy

import (
	"context"
	"net/http"
	"strings"

	"github.com/sallyport-project/sallyport/proxy/quarantine"
)

// outgoing is the request as the origin gets it: for a channel's flight that may be shared, nothing in it tells who
// asks; never with a range, since a part of a file cannot be verified; and never asking for a coding that we cannot look into.
func (x *transit) outgoing(ctx context.Context, f *flight, known quarantine.Object) *http.Request {
	out := x.req.Clone(ctx)
	out.RequestURI = ""
	for _, name := range []string{
		"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
	} {
		out.Header.Del(name)
	}
	if f.shared && x.plan.Scope != "" {
		out.Header = x.impersonal()
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header.Set("User-Agent", "") // none, rather than Go's own
	}
	if x.plan.Scope != "" || !strings.Contains(strings.ToLower(x.req.Header.Get("Accept-Encoding")), "gzip") {
		out.Header.Set("Accept-Encoding", "identity")
	} else {
		out.Header.Set("Accept-Encoding", "gzip")
	}
	if known.ETag != "" {
		out.Header.Set("If-None-Match", known.ETag)
	}
	if known.LastModified != "" {
		out.Header.Set("If-Modified-Since", known.LastModified)
	}
	return out
}

// upstreamAccept is the Accept field that an origin gets. What names no particular type asks for anything.
func upstreamAccept(h http.Header) string {
	switch a := strings.Join(h["Accept"], ", "); a {
	case "", "text/*":
		return "*/*"
	default:
		return a
	}
}

// impersonal returns those fields of the request that tell nobody who asks: all that a shared fetch for a channel sends.
func (x *transit) impersonal() http.Header {
	h := http.Header{"Accept": {upstreamAccept(x.req.Header)}}
	for _, name := range []string{"User-Agent", "Via", "Cache-Control", "Pragma"} {
		if v := x.req.Header[name]; len(v) > 0 {
			h[name] = v
		}
	}
	return h
}
