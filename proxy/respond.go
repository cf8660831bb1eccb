package proxy

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// The kinds of refusal. Each is the last part of the problem type that clients see (RFC 9457 section 3.1.1), and an
// outcome of the metrics.
const (
	kindBlocked     = "blocked"     // judged, and the bytes are discarded
	kindQuarantined = "quarantined" // judged, and the bytes are kept for an auditor
	kindDenied      = "denied"      // not fetched at all: host, port, address or channel
	kindUnavailable = "unavailable" // we could not decide: disk, log, scanner
	kindUpstream    = "upstream"    // the origin failed
	kindMisdirected = "misdirected" // CONNECT authority, SNI and Host disagree
	kindLoop        = "loop"        // the request has been here before
	kindAuth        = "auth"        // proxy credentials are missing or wrong
	kindAmbiguous   = "ambiguous"   // the request could mean two things
	kindWaiting     = "waiting"     // the verdict is still to come
	kindLimit       = "limit"       // too much at once from this client
)

// manner is how a kind of refusal is put to a client.
type manner struct {
	status     int    // HTTP status
	title      string // public text
	proxyError string // Proxy-Status error type (RFC 9209 section 2.3)
}

var manners = map[string]manner{
	kindBlocked:     {http.StatusForbidden, "Blocked", "http_request_denied"},
	kindQuarantined: {http.StatusForbidden, "Quarantined", "http_request_denied"},
	kindDenied:      {http.StatusForbidden, "Not allowed", "http_request_denied"},
	kindUnavailable: {http.StatusServiceUnavailable, "Not able to decide", "proxy_internal_error"},
	kindUpstream:    {http.StatusBadGateway, "The origin failed", "destination_unavailable"},
	kindMisdirected: {http.StatusMisdirectedRequest, "Asked of another host than connected to", "http_request_error"},
	kindLoop:        {http.StatusLoopDetected, "The request runs in a loop", "proxy_loop_detected"},
	kindAuth:        {http.StatusProxyAuthRequired, "Proxy credentials required", "http_request_denied"},
	kindAmbiguous:   {http.StatusBadRequest, "Not clear", "http_request_error"},
	kindWaiting:     {http.StatusServiceUnavailable, "Still being checked", "http_response_timeout"},
	kindLimit:       {http.StatusTooManyRequests, "Too much at once", "http_request_denied"},
}

// problemBase is what problem types begin with; a kind of refusal follows.
const problemBase = "https://sallyport-project.github.io/problems/"

// proxyName is how the proxy calls itself in Proxy-Status and in challenges.
const proxyName = "sallyport"

// refusal is an answer of our own in place of the origin's. Its texts may hold what strangers wrote: they are
// escaped and shortened here, for each place anew.
type refusal struct {
	Kind       string        // one of the kinds above; any other is refused as denied
	Status     int           // 0 means the kind's own
	Title      string        // "" means the kind's own
	Detail     string        // one sentence: what happened and why
	Channel    string        // the scope that judged
	Rule       string        // what decided
	Record     string        // id of the record in the log
	SHA256     verify.Digest // of the artifact
	Policy     verify.Digest // of the policy file in force
	Changes    []string      // what counts against the artifact compared with the release before, in sentences
	Ripe       time.Time     // when the artifact is let through if nothing but time passes; zero: never
	RetryAfter time.Duration // 0 means that trying again is not suggested
	ProxyError string        // "" means the kind's own
}

// settled returns f with what its kind says filled in.
func (f refusal) settled() refusal {
	m, known := manners[f.Kind]
	if !known {
		f.Kind, m = kindDenied, manners[kindDenied]
	}
	if f.Status < 400 || f.Status > 599 {
		f.Status = m.status
	}
	if f.Title == "" {
		f.Title = m.title
	}
	if f.ProxyError == "" {
		f.ProxyError = m.proxyError
	}
	return f
}

// ownBody marks a response that was made here, not received from an origin.
type ownBody struct{ *bytes.Reader }

// Close implements io.Closer.
func (ownBody) Close() error { return nil }

// isOwn says whether a response was made here.
func isOwn(resp *http.Response) bool {
	_, own := resp.Body.(ownBody)
	return own
}

// response makes the answer to req: problem+json, a page or text, as its Accept field asks. It also notes the refusal
// in the session of req.
func (f refusal) response(req *http.Request) *http.Response {
	f = f.settled()
	f.account(sessionOf(req.Context()))
	form := preferredForm(req.Header)
	resp := answer(req, f.Status, form.mediaType(), f.body(form))
	resp.Status = strconv.Itoa(f.Status) + " " + f.reason()
	f.fields(resp.Header)
	return resp
}

// account writes the refusal into the log line of its request.
func (f refusal) account(s *session) {
	s.end(f.Kind)
	s.note(zap.String("refused", f.ProxyError), zap.String("detail", printable.Text(f.Detail, 500)))
	if f.Channel != "" {
		s.note(zap.String("channel", printable.Text(f.Channel, 200)))
	}
	if f.Rule != "" {
		s.note(zap.String("rule", printable.Text(f.Rule, 200)))
	}
	if f.Record != "" {
		s.note(zap.String("record", printable.Text(f.Record, 100)))
	}
	if !f.SHA256.IsZero() {
		s.note(zap.Stringer("sha256", f.SHA256))
	}
}

// reason is the cause as an HTTP/1.1 reason phrase (RFC 9112 section 4), at most 160 bytes of printable ASCII.
func (f refusal) reason() string {
	text := f.Title
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return strings.TrimSpace(printable.ASCII(text, 160))
}

// fields sets the header fields that every refusal has.
func (f refusal) fields(h http.Header) {
	h.Set("Proxy-Status", proxyName+"; error="+f.ProxyError+"; details="+quoted(printable.ASCII(f.reason(), 300)))
	if f.Status == http.StatusProxyAuthRequired {
		h.Set("Proxy-Authenticate", `Basic realm="`+proxyName+`", charset="UTF-8"`)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(f.RetryAfter)))
	}
}

// answer makes a response of our own that no cache keeps.
func answer(req *http.Request, status int, mediaType string, body []byte) *http.Response {
	h := http.Header{}
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.HasPrefix(mediaType, "text/html") {
		h.Set("Content-Security-Policy", pagePolicy)
	}
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: ownBody{bytes.NewReader(body)}, ContentLength: int64(len(body)), Request: req,
	}
}

// quoted returns s, which is printable ASCII, as a string of structured fields (RFC 8941 section 3.3.3).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// allowedMark is a key that no origin can send; it tells the front that Proxy-Status is ours.
const allowedMark = "\x00sallyport-allowed"

// markAllowed says in the header of a response that the gate let it through, and which status the origin gave.
func markAllowed(h http.Header, status int) {
	h["Proxy-Status"] = append(withoutOurs(h["Proxy-Status"]), proxyName+"; received-status="+strconv.Itoa(status))
	h[allowedMark] = []string{""}
}

// withoutOurs returns the Proxy-Status lines in which nobody claims to be us.
func withoutOurs(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if !strings.Contains(strings.ToLower(line), proxyName) {
			kept = append(kept, line)
		}
	}
	return kept
}

// crowdedAnswer is written to connections for which there is no room.
var crowdedAnswer = []byte("HTTP/1.1 503 No more connections\r\n" +
	"Proxy-Status: " + proxyName + "; error=connection_limit_reached\r\n" +
	"Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

// tunnelRefusal tells a client why its tunnel could not be connected.
func tunnelRefusal(err error) refusal {
	up := classify(err)
	f := refusal{Kind: kindUpstream, ProxyError: up.ProxyError, Detail: up.Detail}
	switch up.Kind {
	case upstreamProhibited:
		f.Kind = kindDenied
	case upstreamTimeout:
		f.Status = http.StatusGatewayTimeout
	}
	return f
}

// waiting is what a browser is shown while its download is still on its way or being checked.
type waiting struct {
	Name     string        // of the download
	Stage    string        // what is being done, in a few words
	Received int64         // bytes so far
	Total    int64         // bytes announced; 0 if that is not known
	Retry    time.Duration // when the page asks again
}

// waitingAnswer tells a client that the verdict is still to come and when to ask again: a browser gets a page that
// turns into the download, others the refusal f. The status is an error for both, so that nobody takes the page for
// the download.
func waitingAnswer(req *http.Request, f refusal, w waiting) *http.Response {
	f.Kind = kindWaiting
	if f.RetryAfter == 0 {
		f.RetryAfter = max(w.Retry, time.Second)
	}
	if preferredForm(req.Header) != formPage || req.Method != http.MethodGet {
		return f.response(req)
	}
	f = f.settled()
	f.account(sessionOf(req.Context()))
	resp := answer(req, f.Status, formPage.mediaType(), waitingPage(w, seconds(f.RetryAfter)))
	resp.Status = strconv.Itoa(f.Status) + " " + f.reason()
	f.fields(resp.Header)
	resp.Header.Set("Refresh", strconv.Itoa(seconds(f.RetryAfter)))
	return resp
}
