package proxy

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

// session is what the front of the proxy knows of one request. It travels in the request's context to the gate,
// which reads the exported fields and adds to the request's log line by note and end. Its methods may be called by
// several goroutines.
type session struct {
	Client    policy.Client
	Authority string    // host:port the client asked for: the host in lower case without trailing dot, the port always there
	TLS       bool      // the client speaks TLS with us
	Inspect   bool      // false: the policy only forwards this host
	Upgrade   bool      // the request asks for a change of protocol, and may
	ID        string    // of the request, in the log
	Start     time.Time // when its header was complete

	mu      sync.Mutex
	fields  []zap.Field
	outcome string
	writer  *exchange // the way back to the client; nil where there is no front
}

type sessionKey struct{}

// newSession starts the account of a request that has just arrived.
func newSession(client policy.Client) *session {
	return &session{Client: client, ID: rand.Text()[:16], Start: time.Now()}
}

// in returns r with s in its context.
func (s *session) in(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), sessionKey{}, s))
}

// sessionOf returns the session of a request by its context. A context without one gets a session of nobody on an
// inspected host, so that callers need not ask and nothing is let through for want of an answer.
func sessionOf(ctx context.Context) *session {
	if s, ok := ctx.Value(sessionKey{}).(*session); ok {
		return s
	}
	return &session{Inspect: true, Start: time.Now()}
}

// note adds fields to the one line that the log gets for the request. A field that is there already is replaced.
func (s *session) note(fields ...zap.Field) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range fields {
		if i := slices.IndexFunc(s.fields, func(old zap.Field) bool { return old.Key == f.Key }); i >= 0 {
			s.fields[i] = f
			continue
		}
		s.fields = append(s.fields, f)
	}
}

// end says how the request came out: one of the outcomes in metrics.go. The last call counts.
func (s *session) end(outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcome = outcome
}

// ended returns the outcome, which is outcomePassed where nobody said anything else, and the fields noted.
func (s *session) ended() (string, []zap.Field) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outcome == "" {
		return outcomePassed, s.fields
	}
	return s.outcome, s.fields
}

// redactedURL returns a URL for logs and records: without user information and fragment, with the values of the query
// replaced by "…", safe to show and at most 1,000 characters.
func redactedURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque}
	s := c.String()
	if u.RawQuery != "" {
		s += "?" + redactedQuery(u.RawQuery)
	}
	return printable.Text(s, 1000)
}

func redactedQuery(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		if name, value, found := strings.Cut(part, "="); found && value != "" {
			parts[i] = name + "=…"
		} else if !found && part != "" {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "&")
}
