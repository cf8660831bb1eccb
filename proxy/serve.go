package proxy

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
)

// serve answers with verified bytes.
func (x *transit) serve(f *flight, content *quarantine.Content, receipt audit.Receipt) *http.Response {
	mode := "hold"
	switch {
	case f.cached:
		mode = "cached"
	case x.plan.Delivery == policy.Retry:
		mode = "retry"
	}
	outcome := outcomeAllowed
	if receipt.Observes(content.SHA256(), x.plan.Scope) {
		mode, outcome = "observed", outcomeObserved
	}
	x.gate.Metrics.held(time.Since(x.session.Start))
	x.session.end(outcome)
	x.session.note(zap.String("delivery", mode))
	return x.contentResponse(content, f.header, f.status, &delivery{
		transit: x, receipt: receipt, content: content, mode: mode,
	})
}

// contentResponse is the response to x's request made of verified bytes and the origin's header: whole or in ranges,
// or that nothing has changed (RFC 9110 sections 13 and 14), as http.ServeContent has it. With a delivery, its end is
// written to the log; without one (HEAD) the content is given back at once.
func (x *transit) contentResponse(content *quarantine.Content, header map[string][]string, status int, d *delivery) *http.Response {
	reader, err := content.Reader()
	if err != nil {
		content.Close()
		x.gate.Logger.Error("opening a released update", zap.Error(err))
		return x.refuse(refusal{Kind: kindUnavailable, Channel: x.plan.Scope, Detail: "the file could not be read back"})
	}
	h := http.Header(header).Clone()
	if h.Get("Etag") == "" {
		h.Set("Etag", `"sha256-`+content.SHA256().String()+`"`)
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	markAllowed(h, status)
	modified, _ := http.ParseTime(h.Get("Last-Modified"))
	ask := x.req
	if status != http.StatusOK || x.req.Method != http.MethodGet && x.req.Method != http.MethodHead {
		ask = x.req.Clone(x.req.Context()) // ranges and conditions are for a GET that would be answered by 200
		ask.Method = http.MethodGet
		for _, name := range []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
			ask.Header.Del(name)
		}
	}
	out := newServed(h)
	go out.run(ask, modified, reader)
	resp := out.response(x.req)
	if status != http.StatusOK && resp.StatusCode == http.StatusOK {
		resp.StatusCode, resp.Status = status, strconv.Itoa(status)+" "+http.StatusText(status)
	}
	if d == nil {
		content.Close()
		return resp
	}
	d.body, d.length = resp.Body, resp.ContentLength
	d.status = resp.StatusCode
	resp.Body = d
	return resp
}

// served is an http.ResponseWriter behind http.ServeContent. What is written comes out as the body of a response:
// directly from the content where that is one piece, through a pipe where it is several.
type served struct {
	header http.Header
	status int
	ready  chan struct{} // closed when the header is complete and the body is known
	once   sync.Once
	body   io.ReadCloser
	pipe   *io.PipeWriter
	finish chan struct{} // closed when a direct body is closed
}

func newServed(h http.Header) *served {
	return &served{header: h, status: http.StatusOK, ready: make(chan struct{}), finish: make(chan struct{})}
}

// run serves content, which it closes in the end.
func (s *served) run(req *http.Request, modified time.Time, content io.ReadSeekCloser) {
	defer content.Close()
	http.ServeContent(s, req, "", modified, content)
	s.begin(http.NoBody)
	if s.pipe != nil {
		s.pipe.Close()
	}
}

func (s *served) begin(body io.ReadCloser) {
	s.once.Do(func() {
		s.body = body
		close(s.ready)
	})
}

// Header implements http.ResponseWriter.
func (s *served) Header() http.Header { return s.header }

// WriteHeader implements http.ResponseWriter.
func (s *served) WriteHeader(status int) { s.status = status }

// Write implements http.ResponseWriter: multipart ranges, and short texts of errors.
func (s *served) Write(p []byte) (int, error) {
	if s.pipe == nil {
		r, w := io.Pipe()
		s.pipe = w
		s.begin(r)
	}
	return s.pipe.Write(p)
}

// ReadFrom implements io.ReaderFrom. A single range of the content is handed out as it is, without copying; it
// returns when the reader is closed, since the content is the caller's.
func (s *served) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if _, multipart := limitedPipe(limited, ok); !ok || multipart || s.pipe != nil {
		return io.Copy(struct{ io.Writer }{s}, r)
	}
	n := limited.N
	s.begin(&directBody{Reader: limited, done: s.finish})
	<-s.finish
	return n - limited.N, nil
}

// limitedPipe reports whether what is read comes from the pipe that http.ServeContent uses for several ranges.
func limitedPipe(l *io.LimitedReader, ok bool) (*io.PipeReader, bool) {
	if !ok {
		return nil, false
	}
	p, is := l.R.(*io.PipeReader)
	return p, is
}

// directBody closes done when it is closed.
type directBody struct {
	io.Reader
	done chan struct{}
	once sync.Once
}

// Close implements io.Closer.
func (d *directBody) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

// response waits for the header and returns the response.
func (s *served) response(req *http.Request) *http.Response {
	<-s.ready
	length := int64(-1)
	if n, err := strconv.ParseInt(s.header.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	if s.body == http.NoBody {
		length = max(length, 0)
	}
	return &http.Response{
		Status: strconv.Itoa(s.status) + " " + http.StatusText(s.status), StatusCode: s.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: s.header, Body: s.body, ContentLength: length, Request: req,
	}
}
