package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

func TestRedirectCarriesTheChannel(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Host == "origin.example" {
			w.Header().Set("Location", "http://cdn.example/x?sig=1")
			w.WriteHeader(302)
			io.WriteString(w, "#!/bin/sh\nevil\n")
			return
		}
		serving(program(5000, "stamped by Mallory;"), "Content-Type", "text/html")(w, req)
	})
	hop := r.get("http://origin.example/dl/setup.exe")
	if hop.status != 302 || hop.header.Get("Location") != "http://cdn.example/x?sig=1" || bytes.Contains(hop.body, []byte("evil")) {
		t.Fatalf("%d %v %q", hop.status, hop.header, hop.body)
	}
	if action, _ := r.gate.HostAction(policy.Client{Addr: mustAddr("192.0.2.1")}, "cdn.example"); action != policy.InspectHost {
		t.Errorf("the target is not inspected: %v", action)
	}
	got := r.get("http://cdn.example/x?sig=1")
	if got.status != 403 || !strings.Contains(string(got.body), "channel: dl") {
		t.Errorf("%d %s", got.status, got.body)
	}
	other := r.get("http://cdn.example/x?sig=2")
	if strings.Contains(string(other.body), "channel: dl") {
		t.Errorf("the channel was carried to another URL: %s", other.body)
	}
}

func TestRedirectToWhereNobodyLooksIsRefused(t *testing.T) {
	for _, target := range []string{
		"http://tunnelled.example/x", "http://denied.example/x", "ftp://cdn.example/x", "file:///etc/passwd", "http://",
	} {
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", target)
			w.WriteHeader(302)
		})
		if got := r.get("http://origin.example/dl/setup.exe"); got.status != 403 || got.header.Get("Location") != "" {
			t.Errorf("redirect to %s: status %d, %v", target, got.status, got.header)
		}
	}
}

func TestRedirectsEnd(t *testing.T) {
	n := 0
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		n++
		w.Header().Set("Location", fmt.Sprintf("http://cdn.example/%d", n))
		w.WriteHeader(307)
	})
	next := "http://origin.example/dl/setup.exe"
	for i := range redirectHops + 1 {
		got := r.get(next)
		if want := i < redirectHops; (got.status == 307) != want {
			t.Fatalf("hop %d: status %d", i+1, got.status)
		}
		next = got.header.Get("Location")
	}
}
