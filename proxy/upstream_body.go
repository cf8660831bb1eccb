package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

// EndKnown reports whether a response's framing tells where its body ends: a length, chunks, HTTP/2 frames, or no
// body at all. Otherwise the end of the connection is the end of the body (RFC 9112, 6.3, item 8), and a cut cannot be told
// from it.
func EndKnown(resp *http.Response) bool {
	return resp.ProtoMajor >= 2 || resp.ContentLength >= 0 || resp.Body == http.NoBody ||
		slices.Contains(resp.TransferEncoding, "chunked") || resp.StatusCode == http.StatusSwitchingProtocols ||
		resp.Request != nil && resp.Request.Method == http.MethodHead
}

var errUpstreamStalled = errors.New("no data came for too long")

// upstreamBody is the body of a response. A read that waits too long ends the transfer; every error but io.EOF is an
// *UpstreamError.
type upstreamBody struct {
	body   io.ReadCloser
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer // runs during Read only
	err    error       // what Read has ended with
}

// upstreamWatch returns the body that clients of resp read. cancel is called when the exchange is over.
func upstreamWatch(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, stall time.Duration) io.ReadCloser {
	if resp.Body == http.NoBody {
		cancel(nil)
		return resp.Body
	}
	if rw, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		return &upstreamUpgraded{rw, cancel}
	}
	b := &upstreamBody{body: resp.Body, ctx: ctx, cancel: cancel, stall: stall}
	b.timer = time.AfterFunc(stall, func() { cancel(errUpstreamStalled) })
	b.timer.Stop()
	return b
}

// Read implements io.Reader. Close may be called meanwhile.
func (b *upstreamBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	b.timer.Reset(b.stall)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err == nil {
		return n, nil
	}
	// An origin that is told of our going away by TLS may end its answer in good form before the connection is gone.
	// What ends after we have given it up is not the whole.
	if gone := context.Cause(b.ctx); gone != nil && (err == io.EOF || errors.Is(gone, errUpstreamStalled)) {
		err = gone
	}
	if b.err = err; err != io.EOF {
		b.err = classifyBody(err)
	}
	b.cancel(nil)
	return n, b.err
}

// Close implements io.Closer.
func (b *upstreamBody) Close() error {
	b.timer.Stop()
	b.cancel(nil) // first, so that a Read under way does not take what comes of it for the end
	return b.body.Close()
}

// upstreamUpgraded is a connection that has left HTTP (101). Whoever has it watches it.
type upstreamUpgraded struct {
	io.ReadWriteCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (c *upstreamUpgraded) Close() error {
	err := c.ReadWriteCloser.Close()
	c.cancel(nil)
	return err
}
