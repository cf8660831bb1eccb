package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestNewRefusesToGuess(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a proxy without a gate")
	}
}

func TestShutdownBeforeServe(t *testing.T) {
	g := newFrontRig(t, nil)
	s, err := New(g.server.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestShutdownFinishesWhatIsInFlight begins downloads of every kind, a WebSocket and tunnels, and shuts down in the
// middle: the downloads and the tunnel that moves come to their end, the quiet ones go at the end of the time given.
func TestShutdownFinishesWhatIsInFlight(t *testing.T) {
	g := newFrontRig(t, nil)
	goOn := make(chan struct{})
	h := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		<-goOn
		io.WriteString(w, "second")
	}
	plain, secure := g.origin(false, h), g.origin(true, h)
	var bodies []io.ReadCloser
	for _, u := range []string{"http://a.example:" + plain, "https://" + inspected + ":" + secure} {
		req, _ := http.NewRequest(http.MethodGet, u+"/", nil)
		resp, err := g.client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		io.CopyN(io.Discard, resp.Body, 6)
		bodies = append(bodies, resp.Body)
	}
	h1 := g.secure(g.connect(inspected+":"+secure), inspected, "http/1.1")
	h1.say("GET / HTTP/1.1\r\nHost: %s:%s\r\n\r\n", inspected, secure)
	for h1.line() != "" {
	}
	quiet := g.connect("free.example:" + g.rawOrigin(func(c net.Conn) { io.Copy(io.Discard, c) }))
	idle := g.dial()
	handshaking := g.connect(inspected + ":443")

	down := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { down <- g.server.Shutdown(ctx) }()
	if idle.rest() != "" || handshaking.rest() != "" {
		t.Error("an idle connection was answered")
	}
	for {
		c, err := net.Dial("tcp", g.addr)
		if err != nil {
			break
		}
		if late := (&rawClient{T: t, Conn: c, r: bufio.NewReader(c)}).rest(); late != "" && !strings.HasPrefix(late, "HTTP/1.1 503 ") {
			t.Errorf("a late connection got %q", late)
		}
		c.Close()
	}
	close(goOn)
	for _, b := range bodies {
		if got, err := io.ReadAll(b); string(got) != "second" || err != nil {
			t.Errorf("%q %v", got, err)
		}
		b.Close()
	}
	if got := h1.rest(); !strings.Contains(got, "second") || !strings.HasSuffix(got, "0\r\n\r\n") {
		t.Errorf("%q", got)
	}
	if quiet.rest() != "" {
		t.Error("the tunnel was not closed")
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if r := g.tunnels(1)[0].Tunnel; r.Result != "shut down" {
		t.Errorf("recorded as %+v", r)
	}
}

func TestShutdownCutsWhatTakesTooLong(t *testing.T) {
	g := newFrontRig(t, nil)
	port := g.origin(true, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("https://%s:%s/", inspected, port), nil)
	resp, err := g.client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := g.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a response that was cut looks complete")
	}
}
