package proxy

import (
	"context"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// launch starts the flight of a request. It runs on its own time: a client that leaves does not end what others, or
// its own next try, can use.
func (g *Gate) launch(x *transit, key string, shared bool) *flight {
	ctx, cancel := context.WithCancel(g.closing)
	f := newFlight(key, x, shared, cancel)
	f.budget = time.AfterFunc(g.Budget, cancel)
	g.Metrics.flight(1)
	g.work.Add(1)
	go func() {
		defer g.work.Done()
		defer g.Metrics.flight(-1)
		defer g.crashed(f)
		g.fly(ctx, f)
	}()
	return f
}

// crashed is to be deferred: it turns a panic into a failure of the flight.
func (g *Gate) crashed(f *flight) {
	p := recover()
	if p == nil {
		return
	}
	g.Logger.Error("panic while fetching or examining", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
	f.mu.Lock()
	landed := f.landed
	f.mu.Unlock()
	if !landed {
		g.fail(f, refusal{Kind: kindUnavailable, Detail: "something went wrong inside the proxy; its log says what"})
	}
}

// fly fetches, classifies, holds and examines.
func (g *Gate) fly(ctx context.Context, f *flight) {
	x := f.leader
	known, isKnown := g.known(f)
	if isKnown && fresh(known, x.req, g.Now()) && g.landKnown(ctx, f, known, false) {
		return
	}
	resp, err := g.Upstream.RoundTrip(x.outgoing(ctx, f, known))
	if err != nil {
		g.fail(f, upstreamRefusal(err, x))
		return
	}
	if isKnown && resp.StatusCode == http.StatusNotModified {
		resp.Body.Close()
		known.Stored, known.FreshUntil = g.Now(), freshUntil(resp.Header, g.Now())
		if g.landKnown(ctx, f, known, true) {
			return
		}
		// The bytes have gone meanwhile: ask again without conditions.
		g.Vault.Forget(known.Key)
		if resp, err = g.Upstream.RoundTrip(x.outgoing(ctx, f, quarantine.Object{})); err != nil {
			g.fail(f, upstreamRefusal(err, x))
			return
		}
	}
	g.receive(ctx, f, resp)
}

// known returns what the vault remembers of an earlier answer to the same request, if its bytes are still there.
func (g *Gate) known(f *flight) (quarantine.Object, bool) {
	if !f.shared || f.leader.req.Method != http.MethodGet {
		return quarantine.Object{}, false
	}
	obj, ok := g.Vault.Recall(f.key)
	if !ok {
		return quarantine.Object{}, false
	}
	item, ok := g.Vault.Get(obj.SHA256)
	if !ok {
		return quarantine.Object{}, false
	}
	item.Close()
	return obj, true
}

// landKnown lands a flight with bytes that are in the vault already. It is false if they have gone.
func (g *Gate) landKnown(ctx context.Context, f *flight, obj quarantine.Object, revalidated bool) bool {
	item, ok := g.Vault.Get(obj.SHA256)
	if !ok {
		return false
	}
	f.status, f.header, f.total, f.cached = obj.Status, http.Header(obj.Header), item.Size, true
	head := make([]byte, min(item.Size, verify.SniffLen))
	if _, err := io.ReadFull(io.NewSectionReader(item.Content(), 0, item.Size), head); err != nil {
		item.Close()
		return false
	}
	f.begins = verify.Sniff(head, "")
	if revalidated {
		f.object = &obj
	}
	g.Metrics.cacheHit()
	f.classify(flightHeld)
	g.land(ctx, f, item, nil, obj.Stored)
	return true
}

// receive decides what a response is, and holds it if it is an update.
func (g *Gate) receive(ctx context.Context, f *flight, resp *http.Response) {
	x := f.leader
	x.renew() // what passes by is not judged later
	r := x.planned()
	if r == nil {
		r = x.unacceptable(resp)
	}
	if r != nil {
		resp.Body.Close()
		g.fail(f, *r)
		return
	}
	if !hasBody(x.req, resp) || resp.StatusCode/100 != 2 {
		g.letPass(f, resp)
		return
	}
	name := artifactName(resp.Header, x.req.URL)
	f.endless = resp.ContentLength < 0 && !EndKnown(resp)
	if err := decode(resp, name); err != nil {
		resp.Body.Close()
		g.fail(f, refusal{Kind: kindUpstream, ProxyError: "http_response_content_coding", Detail: err.Error()})
		return
	}
	first := peek
	if x.plan.Scope == "" && isEventStream(resp) {
		first = peekEvents
	}
	head, body, err := first(resp.Body)
	if err != nil {
		resp.Body.Close()
		g.fail(f, upstreamRefusal(err, x))
		return
	}
	resp.Body = body
	f.begins = verify.Sniff(head, "")
	if !x.holds(resp, verify.Sniff(head, name)) {
		g.letPass(f, resp)
		return
	}
	f.status, f.header = resp.StatusCode, keptHeader(resp.Header)
	if cookies := resp.Header["Set-Cookie"]; len(cookies) > 0 {
		f.header["Set-Cookie"] = cookies // never of a shared flight: see unshared
	}
	f.mu.Lock()
	f.total = resp.ContentLength
	f.mu.Unlock()
	f.private = !shareable(x.req) || unshared(resp.Header)
	if f.shared && unshared(resp.Header) {
		g.flights.reserve(f)
		f.classify(flightPrivate)
	} else {
		if f.shared {
			f.object = newObject(f.key, resp, f.header, g.Now())
		}
		f.classify(flightHeld)
	}
	g.hold(ctx, f, resp, head)
}

// letPass ends a flight whose response is no update: its leader gets it as it comes.
func (g *Gate) letPass(f *flight, resp *http.Response) {
	f.budget.Stop() // a stream may go on for as long as it moves
	resp.Body = onClose(resp.Body, f.cancel)
	g.flights.drop(f)
	f.mu.Lock()
	f.response = resp
	f.mu.Unlock()
	f.classify(flightPasses)
	f.land(func() {
		f.mu.Lock()
		left := f.response
		f.response = nil
		f.mu.Unlock()
		if left != nil {
			left.Body.Close()
		}
	})
}

// onClose returns body with a function that is called when it is closed. What can be written to, as the origin's side
// of an upgraded connection, still can.
func onClose(body io.ReadCloser, end func()) io.ReadCloser {
	if duplex, ok := body.(io.ReadWriteCloser); ok {
		return &endingDuplex{duplex, end}
	}
	return &endingBody{body, end}
}

type endingBody struct {
	io.ReadCloser
	end func()
}

// Close implements io.Closer.
func (e *endingBody) Close() error {
	defer e.end()
	return e.ReadCloser.Close()
}

type endingDuplex struct {
	io.ReadWriteCloser
	end func()
}

// Close implements io.Closer.
func (e *endingDuplex) Close() error {
	defer e.end()
	return e.ReadWriteCloser.Close()
}

// fail lands a flight without an item.
func (g *Gate) fail(f *flight, r refusal) {
	g.flights.drop(f)
	f.failure = &r
	if !isClosed(f.classified) {
		f.classify(flightHeld)
	}
	f.land(func() {
		if f.item != nil {
			f.item.Close()
		}
		f.budget.Stop()
		f.cancel()
	})
}
