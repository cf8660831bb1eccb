package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestStatusLine(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		phrase string
		writes []string
		want   string
	}{
		"1.1":                     {403, "No", []string{"HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\nbody"}, "HTTP/1.1 403 No\r\nA: b\r\n\r\nbody"},
		"1.0":                     {403, "No", []string{"HTTP/1.0 403 Forbidden\r\n\r\n"}, "HTTP/1.0 403 No\r\n\r\n"},
		"after an interim one":    {403, "No", []string{"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n"}, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n"},
		"only once":               {403, "No", []string{"HTTP/1.1 403 Forbidden\r\n", "HTTP/1.1 403 Forbidden\r\n"}, "HTTP/1.1 403 No\r\nHTTP/1.1 403 Forbidden\r\n"},
		"not in a body":           {403, "No", []string{"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n"}, "HTTP/1.1 404 Not Found\r\n\r\nHTTP/1.1 403 Forbidden\r\n"},
		"not another status":      {403, "No", []string{"HTTP/1.1 200 OK\r\n"}, "HTTP/1.1 200 OK\r\n"},
		"not half a line":         {403, "No", []string{"HTTP/1.1 403 Forb", "idden\r\n"}, "HTTP/1.1 403 Forbidden\r\n"},
		"no line end in a phrase": {403, "No\r\nSet-Cookie: a", []string{"HTTP/1.1 403 Forbidden\r\n"}, "HTTP/1.1 403 Forbidden\r\n"},
		"nothing outside ASCII":   {403, "Nö", []string{"HTTP/1.1 403 Forbidden\r\n"}, "HTTP/1.1 403 Forbidden\r\n"},
		"an unknown status":       {499, "No", []string{"HTTP/1.1 499 status code 499\r\n"}, "HTTP/1.1 499 status code 499\r\n"},
		"no phrase":               {403, "", []string{"HTTP/1.1 403 Forbidden\r\n"}, "HTTP/1.1 403 Forbidden\r\n"},
	} {
		var l statusLine
		l.expect(c.status, c.phrase)
		got := ""
		for _, w := range c.writes {
			got += string(l.apply([]byte(w)))
		}
		if got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestReasonPhraseReachesTheClient pipelines requests on one connection, plain and inside TLS: each response has its
// own phrase, and nothing else is changed.
func TestReasonPhraseReachesTheClient(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			if cause, ok := strings.CutPrefix(r.URL.Path, "/no/"); ok {
				return refusal{Kind: kindQuarantined, Detail: cause + strings.Repeat("; and more", 2000)}.response(r), nil
			}
			body := "HTTP/1.1 403 Forbidden\r\n"
			return &http.Response{Status: "200 Fine by me", StatusCode: 200, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
		})
	})
	for name, c := range map[string]*rawClient{
		"plain":               g.dial(),
		"TLS":                 g.secure(g.connect(inspected+":443"), inspected),
		"without TLS, inside": g.connect(inspected + ":80"),
	} {
		host, path := inspected, ""
		if name == "plain" {
			path = "http://" + inspected
		}
		request := func(p, version string) string {
			return fmt.Sprintf("GET %s%s HTTP/%s\r\nHost: %s\r\n\r\n", path, p, version, host)
		}
		c.say("%s%s%s%s", request("/no/a", "1.1"), request("/yes", "1.1"), request("/no/b", "1.1"), request("/no/c", "1.0"))
		for i, want := range []string{"403 Quarantined: a; and", "200 Fine by me", "403 Quarantined: b; and", "403 Quarantined: c; and"} {
			resp, body := c.response("GET")
			if !strings.HasPrefix(resp.Status, want) || len(resp.Status) > 170 {
				t.Errorf("%s, response %d: %q", name, i, resp.Status)
			}
			if i == 1 && string(body) != "HTTP/1.1 403 Forbidden\r\n" {
				t.Errorf("%s: the body was changed: %q", name, body)
			}
		}
		if got := c.rest(); got != "" {
			t.Errorf("%s: %q is left", name, got)
		}
	}
}
