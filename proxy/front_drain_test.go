package proxy

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestAnswerBeforeTheUploadEnds: an origin answers without reading what the client sends. On HTTP/2 the response has to
// reach the client whole, and the stream must not be reset while the client is still sending a little.
func TestAnswerBeforeTheUploadEnds(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Rules = func() Rules { return frontRules{inspect: names(inspected)} }
		o.Gate = roundTripper(func(r *http.Request) (*http.Response, error) {
			defer r.Body.Close() // as a transport does whose origin has answered
			return &http.Response{StatusCode: http.StatusOK, ContentLength: 6, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("enough")), Request: r}, nil
		})
	})
	c := g.secure(g.connect(inspected+":443"), inspected, "h2")
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	f := http2.NewFramer(c, c.r)
	f.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", inspected}, {":path", "/x"}} {
		enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	f.WriteData(1, false, []byte("some "))
	var body []byte
	var sent bool
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame:
			t.Fatalf("the stream was reset: %v, after %q", frame.ErrCode, body)
		case *http2.DataFrame:
			body = append(body, frame.Data()...)
			if frame.StreamEnded() {
				if !sent || string(body) != "enough" {
					t.Fatalf("the response ended as %q, our body sent: %v", body, sent)
				}
				return
			}
			if len(body) == len("enough") && !sent {
				time.Sleep(100 * time.Millisecond)
				f.WriteData(1, false, []byte("more "))
				f.WriteData(1, true, []byte("and the end"))
				sent = true
			}
		}
	}
}
