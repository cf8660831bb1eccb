package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// streamable reports whether a flight's bytes may be sent while they arrive, but for the last part: only files that
// are of no use with their tail missing. Their first bytes must show that they are such files; a name does not.
func (f *flight) streamable() bool {
	_, total := f.progress()
	return f.status == http.StatusOK && total > streamTail(total) && uselessWithoutTail[f.begins]
}

// uselessWithoutTail are the formats whose directory stands at their end, and those whose installers read that first.
var uselessWithoutTail = map[verify.Format]bool{"zip": true, "7z": true, "msi": true}

// streamTail is how many bytes at the end of total are withheld until the verdict.
func streamTail(total int64) int64 { return max(1<<20, total/50) }

// stream answers with a flight's bytes as they arrive, but for the last part, which waits for the verdict.
func (x *transit) stream(f *flight) *http.Response {
	f.board() // this rider leaves when the body is closed
	_, total := f.progress()
	d := &delivery{transit: x, mode: "stream", status: f.status, length: total}
	d.body = newStreamBody(x, f, total, d)
	h := f.header.Clone()
	h.Set("Content-Length", strconv.FormatInt(total, 10))
	markAllowed(h, f.status)
	x.session.end(outcomeAborted) // until the verdict says otherwise
	x.session.note(zap.String("delivery", "stream"))
	return &http.Response{
		Status: strconv.Itoa(f.status) + " " + http.StatusText(f.status), StatusCode: f.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: d, ContentLength: total, Request: x.req,
	}
}

// streamBody gives the bytes of a flight as they arrive, the tail after an allowing verdict only.
type streamBody struct {
	transit  *transit
	flight   *flight
	delivery *delivery
	total    int64
	at       int64
	content  *quarantine.Content // once the verdict allows
	rest     io.ReadSeekCloser   // of content
	unwatch  func() bool         // of the client's going away
	once     sync.Once
}

func newStreamBody(x *transit, f *flight, total int64, d *delivery) *streamBody {
	b := &streamBody{transit: x, flight: f, total: total, delivery: d}
	b.unwatch = context.AfterFunc(x.req.Context(), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.moved.Broadcast()
	})
	return b
}

// errWithheld ends a streamed response whose verdict was a refusal: the connection is reset.
var errWithheld = errors.New("the verdict was a refusal: the rest of the file is withheld")

// Read implements io.Reader.
func (b *streamBody) Read(p []byte) (int, error) {
	if b.rest == nil {
		early, partial, err := b.wait()
		if err != nil {
			return 0, err
		}
		if partial != nil {
			n, err := partial.ReadAt(p[:min(int64(len(p)), early)], b.at)
			b.at += int64(n)
			if n > 0 {
				err = nil
			}
			return n, err
		}
		if err := b.open(); err != nil {
			return 0, err
		}
	}
	n, err := b.rest.Read(p)
	b.at += int64(n)
	return n, err
}

// wait returns how many bytes may be sent before the verdict and where they are, or nothing when the flight has landed.
func (b *streamBody) wait() (int64, io.ReaderAt, error) {
	f, ctx := b.flight, b.transit.req.Context()
	open := b.total - streamTail(b.total)
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.landed && min(f.got, open) <= b.at && ctx.Err() == nil {
		f.moved.Wait()
	}
	switch {
	case f.landed:
		return 0, nil, nil
	case ctx.Err() != nil:
		return 0, nil, ctx.Err()
	}
	return min(f.got, open) - b.at, f.partial, nil
}

// open judges, and opens what is left.
func (b *streamBody) open() error {
	x, f := b.transit, b.flight
	if f.failure != nil {
		x.session.end(f.failure.Kind)
		return errors.New(f.failure.Detail)
	}
	content, receipt, refused := x.judge(f)
	b.delivery.receipt = receipt
	if refused != nil {
		x.session.end(refused.Kind)
		return errWithheld
	}
	b.content = content
	outcome := outcomeAllowed
	if receipt.Observes(content.SHA256(), x.plan.Scope) {
		outcome = outcomeObserved
	}
	x.session.end(outcome)
	rest, err := content.Reader()
	if err != nil {
		return fmt.Errorf("going on after the verdict: %w", err)
	}
	if _, err := rest.Seek(b.at, io.SeekStart); err != nil {
		rest.Close()
		return fmt.Errorf("going on after the verdict: %w", err)
	}
	b.rest = rest
	return nil
}

// Close implements io.Closer.
func (b *streamBody) Close() error {
	var err error
	b.once.Do(func() {
		b.unwatch()
		if b.rest != nil {
			err = b.rest.Close()
		}
		if b.content != nil {
			b.content.Close()
		}
		b.flight.leave()
	})
	return err
}
