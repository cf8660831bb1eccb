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

const upstreamText = "0123456789abcdef0123456789abcdef"

// upstreamAnswers are complete answers with upstreamText in them, as they come on a wire.
var upstreamAnswers = map[string]string{
	"length":  "HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n" + upstreamText,
	"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + upstreamText[:16] + "\r\n10\r\n" + upstreamText[16:] + "\r\n0\r\n\r\n",
}

// An answer that is cut at any place is an error, never a shorter body.
func TestUpstreamBodyCutAnywhere(t *testing.T) {
	for name, whole := range upstreamAnswers {
		t.Run(name, func(t *testing.T) {
			body := strings.Index(whole, "\r\n\r\n") + 4
			for cut := body; cut <= len(whole); cut++ {
				addr := upstreamRaw(t, func(c net.Conn) {
					if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
						io.WriteString(c, whole[:cut])
					}
				})
				resp, err := upstreamGet(t, upstreamTo(t, addr, UpstreamOptions{}), "http://origin.example/")
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				b, err := io.ReadAll(resp.Body)
				_, again := resp.Body.Read(make([]byte, 1))
				resp.Body.Close()
				if !EndKnown(resp) {
					t.Fatal("the end is known")
				}
				if cut == len(whole) {
					if err != nil || string(b) != upstreamText || again != io.EOF {
						t.Errorf("whole: %q, %v, %v", b, err, again)
					}
					continue
				}
				if err == nil || again == nil || again == io.EOF {
					t.Fatalf("cut at %d: %q, %v, then %v", cut, b, err, again)
				}
				upstreamWant(t, err, upstreamResponse, "http_response_incomplete")
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("cut at %d: %v hides its cause", cut, errors.Unwrap(err))
				}
			}
		})
	}
}

func TestUpstreamBodyCutOverHTTP2(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	cert := pki.leaf(upstreamKey(t), nil)
	for _, length := range []bool{true, false} {
		for _, sent := range []int{0, 1, 1 << 20} {
			origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) {
				if length {
					w.Header().Set("Content-Length", fmt.Sprint(2<<20))
				}
				w.WriteHeader(http.StatusOK)
				w.Write(make([]byte, sent))
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}, &cert, true)
			u := upstreamTo(t, origin.addr, UpstreamOptions{Roots: pki.pool(), HTTP2: true})
			resp, err := upstreamGet(t, u, "https://origin.example/")
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.ProtoMajor != 2 || !EndKnown(resp) {
				t.Fatalf("%s, end known %v", resp.Proto, EndKnown(resp))
			}
			if err == nil {
				t.Fatalf("length %v, %d bytes sent: %d bytes and no error", length, sent, n)
			}
			upstreamWant(t, err, upstreamResponse, "http_response_incomplete")
		}
	}
}

func TestUpstreamEndKnown(t *testing.T) {
	for name, test := range map[string]struct {
		answer, method string
		want           bool
	}{
		"close-delimited":       {"HTTP/1.1 200 OK\r\n\r\nx", "GET", false},
		"HTTP/1.0":              {"HTTP/1.0 200 OK\r\n\r\nx", "GET", false},
		"HTTP/1.0 with length":  {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "GET", true},
		"Connection: close":     {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "GET", true},
		"chunked":               {upstreamAnswers["chunked"], "GET", true},
		"HEAD":                  {"HTTP/1.1 200 OK\r\n\r\n", "HEAD", true},
		"HEAD with length":      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HEAD", true},
		"204":                   {"HTTP/1.1 204 No Content\r\n\r\n", "GET", true},
		"304":                   {"HTTP/1.1 304 Not Modified\r\nEtag: x\r\n\r\n", "GET", true},
		"1xx first, then close": {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx", "GET", false},
	} {
		t.Run(name, func(t *testing.T) {
			addr := upstreamRaw(t, func(c net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.WriteString(c, test.answer)
				}
			})
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://origin.example/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := upstreamTo(t, addr, UpstreamOptions{}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if EndKnown(resp) != test.want {
				t.Errorf("got %v", !test.want)
			}
			if _, err := io.ReadAll(resp.Body); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUpstreamBodyThatStalls(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	cert := pki.leaf(upstreamKey(t), nil)
	for _, h2 := range []bool{false, true} {
		origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, &cert, true)
		u := upstreamTo(t, origin.addr, UpstreamOptions{Roots: pki.pool(), HTTP2: h2, StallTimeout: 100 * time.Millisecond})
		resp, err := upstreamGet(t, u, "https://origin.example/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		upstreamWant(t, err, upstreamTimeout, "connection_read_timeout")
		if string(b) != "some" {
			t.Errorf("%q came before", b)
		}
	}
}

// upstreamGivenUpBody ends in good form once its request has been given up, as a chunked answer over TLS can: closing the
// connection tells the origin first, whose last chunk may arrive before the connection is gone.
type upstreamGivenUpBody struct{ ctx context.Context }

func (b upstreamGivenUpBody) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, io.EOF }
func (upstreamGivenUpBody) Close() error               { return nil }

func TestUpstreamEndAfterGivingUpIsNoEnd(t *testing.T) {
	for name, giveUp := range map[string]func(cancel context.CancelFunc, body io.Closer){
		"client gone": func(cancel context.CancelFunc, _ io.Closer) { cancel() },
		"closed":      func(_ context.CancelFunc, body io.Closer) { body.Close() },
		"stalled":     func(context.CancelFunc, io.Closer) {},
	} {
		t.Run(name, func(t *testing.T) {
			asked, stop := context.WithCancel(t.Context())
			defer stop()
			ctx, cancel := context.WithCancelCause(asked)
			body := upstreamWatch(ctx, cancel, &http.Response{Body: upstreamGivenUpBody{ctx}}, 50*time.Millisecond)
			giveUp(stop, body)
			if b, err := io.ReadAll(body); err == nil {
				t.Errorf("%q, and it looks complete", b)
			}
		})
	}
}

// The time that a reader takes between its reads is not held against the origin.
func TestUpstreamSlowReaderIsNoStall(t *testing.T) {
	addr := upstreamRaw(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, upstreamAnswers["length"])
		}
	})
	resp, err := upstreamGet(t, upstreamTo(t, addr, UpstreamOptions{StallTimeout: 50 * time.Millisecond}), "http://origin.example/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	time.Sleep(200 * time.Millisecond)
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != upstreamText {
		t.Errorf("%q, %v", b, err)
	}
}

func TestUpstreamBodyClosedWhileItIsRead(t *testing.T) {
	origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, nil, false)
	resp, err := upstreamGet(t, upstreamTo(t, origin.addr, UpstreamOptions{}), "http://origin.example/")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() { resp.Body.Close() })
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%q and no error", b)
	}
}

func TestUpstreamKeepsConnections(t *testing.T) {
	origin := upstreamServe(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }, nil, false)
	u := upstreamTo(t, origin.addr, UpstreamOptions{})
	seen := make(map[string]bool)
	for range 20 {
		resp, err := upstreamGet(t, u, "http://origin.example/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		seen[string(b)] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d connections for 20 requests one after the other", len(seen))
	}
}
