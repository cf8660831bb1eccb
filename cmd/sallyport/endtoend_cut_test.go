package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

// cutting sends the beginning of a body and breaks off: ?at= bytes of it, in chunks if ?chunked= says so, as something
// that is held or (type=) passes through.
func cutting(body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		at, err := strconv.Atoi(q.Get("at"))
		if err != nil {
			http.Error(w, "at", http.StatusBadRequest)
			return
		}
		sent := body
		if q.Has("type") {
			w.Header().Set("Content-Type", q.Get("type"))
			sent = bytes.Repeat([]byte(" "), len(body))
		}
		if !q.Has("chunked") {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(http.StatusOK)
		w.Write(sent[:at])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
}

// However an origin breaks off, no client takes what it got for the whole: curl fails, or is told that the origin did.
func TestCutBodyNeverLooksComplete(t *testing.T) {
	body := authenticodetest.BuildPE(authenticodetest.Image{Size: 100_000})
	plain := httptest.NewServer(cutting(body))
	defer plain.Close()
	for _, http2 := range []bool{false, true} {
		g := newGateway(t, `version: 1
defaults: {hosts: inspect}
channels: [{name: all, hosts: [secure.example, plain.example], paths: ["/held*"], require: []}]
`, map[string]string{
			"secure.example": tlsOrigin(t, cutting(body), "secure.example"),
			"plain.example":  plain.Listener.Addr().String(),
		})
		origin := "https://secure.example"
		if http2 {
			g.upstream = "  http2: true\n"
		}
		g.start()
		for _, from := range []string{origin, "http://plain.example"} {
			for _, framing := range []string{"", "&chunked"} {
				for _, at := range []int{0, 1, 2, 512, 4095, 4096, 4097, 65536, len(body) - 1} {
					for _, path := range []string{"/held?", "/passing?type=text/css&"} {
						for _, version := range []string{"--http1.1", "--http2"} {
							url := fmt.Sprintf("%s%sat=%d%s", from, path, at, framing)
							got := g.curl(url, version)
							switch {
							case got.exit != 0: // curl noticed
							case got.status == "502" && strings.Contains(string(got.body), "Sallyport"):
							default:
								t.Errorf("%s %s, HTTP/2 to the origin %v: curl is content with status %s and %d of %d bytes", version, url, http2, got.status, len(got.body), len(body))
							}
							if path == "/held?" && got.status == "200" {
								t.Errorf("%s: a cut update got as far as status 200", url)
							}
						}
					}
				}
			}
		}
		g.stop()
	}
}
