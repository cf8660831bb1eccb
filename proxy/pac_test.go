package proxy

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestPagesOfTheProxyItself(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.CA = func() []byte { return []byte("-----BEGIN CERTIFICATE-----\n") }
		o.Credentials = func() *Credentials { return &Credentials{} } // pages need none
	})
	for path, want := range map[string]struct {
		status      int
		kind, holds string
	}{
		"/proxy.pac":  {200, "application/x-ns-proxy-autoconfig", `return "PROXY 127.0.0.1:`},
		"/ca.pem":     {200, "application/x-pem-file", "BEGIN CERTIFICATE"},
		"/":           {200, "text/html; charset=utf-8", "/proxy.pac"},
		"/etc/passwd": {404, "text/plain; charset=utf-8", "this is a proxy"},
	} {
		resp, err := http.Get("http://" + g.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		body.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want.status || resp.Header.Get("Content-Type") != want.kind || !strings.Contains(body.String(), want.holds) {
			t.Errorf("%s: %s %v\n%s", path, resp.Status, resp.Header, &body)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	c := g.dial()
	c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	if got := c.line(); !strings.HasPrefix(got, "HTTP/1.1 405 ") {
		t.Error(got)
	}
	if len(g.seen) != 0 {
		t.Error("the gate was asked")
	}
}

// TestPACHoldsNoForeignText is for Host fields that would be script in the file.
func TestPACHoldsNoForeignText(t *testing.T) {
	for addr, want := range map[string]string{
		"proxy.example:3128": `"PROXY proxy.example:3128"`,
		"[2001:DB8::1]:80":   `"PROXY [2001:db8::1]:80"`,
	} {
		if pac, err := PAC(addr); err != nil || !strings.Contains(string(pac), want) {
			t.Errorf("%s: %v\n%s", addr, err, pac)
		}
	}
	for _, addr := range []string{"", "host", `a";alert(1)//:1`, "a;b:1", "a b:1", "a:0", "a:99999", "a\n:1", "a%22:1"} {
		if pac, err := PAC(addr); err == nil {
			t.Errorf("%q was taken: %s", addr, pac)
		}
	}
	g := newFrontRig(t, nil)
	c := g.dial()
	c.say("GET /proxy.pac HTTP/1.1\r\nHost: a\";alert(1)//:80\r\nConnection: close\r\n\r\n")
	if got := c.rest(); strings.Contains(got, "alert") {
		t.Errorf("%s", got)
	}
}
