package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// hold takes a body into custody, and lands the flight with it.
func (g *Gate) hold(ctx context.Context, f *flight, resp *http.Response, head []byte) {
	x := f.leader
	defer resp.Body.Close()
	if f.endless {
		g.fail(f, refusal{Kind: kindUpstream, ProxyError: "http_response_incomplete", Channel: x.plan.Scope,
			Detail: "the origin sends neither a length nor an end mark, so that nobody can tell whether the file is whole"})
		return
	}
	share := shareKey(x.ask.Client)
	if !g.flights.take(share) {
		g.fail(f, refusal{Kind: kindLimit, Channel: x.plan.Scope, RetryAfter: time.Minute,
			Detail: fmt.Sprintf("%d downloads of this client are being held or examined already", heldEach)})
		return
	}
	defer g.flights.give(share)
	tap := g.Examiner.Tap(head)
	intake := quarantine.Intake{
		Client: share, Limit: g.MaxUpdate, Length: resp.ContentLength, Progress: f.advance,
	}
	if tap != nil {
		intake.Tap = tap
	}
	item, err := g.Vault.Hold(ctx, resp.Body, intake)
	if err != nil {
		g.fail(f, x.holdRefusal(err))
		return
	}
	g.Metrics.fromOrigin(item.Size)
	taps := map[string][]byte{}
	if tap != nil {
		tap.Sum(taps)
	}
	g.land(ctx, f, item, taps, g.Now())
}

// holdRefusal says why a body could not be taken into custody.
func (x *transit) holdRefusal(err error) refusal {
	r := refusal{Kind: kindUnavailable, Channel: x.plan.Scope, RetryAfter: time.Minute}
	switch {
	case errors.Is(err, quarantine.ErrTooLarge):
		return refusal{Kind: kindUpstream, ProxyError: "http_response_body_size", Channel: x.plan.Scope,
			Detail: fmt.Sprintf("the file is larger than the %d bytes that this proxy lets an update have (limits.update)", x.gate.MaxUpdate)}
	case errors.Is(err, quarantine.ErrFull):
		r.Detail = "the proxy has no room left to hold the file"
	case errors.Is(err, quarantine.ErrShare):
		r.Detail = "this client's downloads already hold as much as one client may"
	case errors.Is(err, quarantine.ErrShort), errors.Is(err, quarantine.ErrLong):
		return refusal{Kind: kindUpstream, ProxyError: "http_response_incomplete", Channel: x.plan.Scope,
			Detail: "the origin sent another length than it had announced"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		r.Detail = "the download was given up: it took too long, or nobody waited for it"
	default:
		if r := upstreamRefusal(err, x); r.ProxyError != "" {
			return r
		}
		x.gate.Logger.Error("holding an update", zap.Error(err))
		r.Detail = "the proxy could not store the file"
	}
	return r
}

// upstreamRefusal says why an origin could not be asked or did not answer to the end.
func upstreamRefusal(err error, x *transit) refusal {
	up := classify(err)
	r := refusal{Kind: kindUpstream, ProxyError: up.ProxyError, Detail: up.Detail, Channel: x.plan.Scope}
	switch up.Kind {
	case upstreamProhibited:
		r.Kind = kindDenied
	case upstreamTimeout:
		r.Status = http.StatusGatewayTimeout
	}
	return r
}

// land examines an item and lets the riders go.
func (g *Gate) land(ctx context.Context, f *flight, item *quarantine.Item, taps map[string][]byte, fetched time.Time) {
	x := f.leader
	f.item = item
	f.artifact = &verify.Artifact{
		Name: x.updateName(f.header), URL: x.published(), Asked: x.place.way, Size: item.Size, Fetched: fetched,
		Digests: verify.Digests{SHA256: item.SHA256, Taps: taps}, Content: item.Content(),
	}
	f.artifact.Format = formatOf(f.artifact)
	f.artifact.Role = g.Examiner.Classify(f.artifact)
	x.inquiry(ctx, f)
	if err := g.lookup(x, f.artifact).Prepare(ctx); err != nil {
		g.Logger.Warn("preparing to look an update up in the feeds", zap.Error(err)) // it is tried again for the verdict
	}
	if err := ctx.Err(); err != nil { // what could not be told for want of time is nothing to judge by
		g.fail(f, x.holdRefusal(err))
		return
	}
	if f.isExpected() && f.board() {
		g.dropAfter(f, g.Linger)
	} else {
		g.flights.drop(f)
	}
	f.land(func() {
		if !f.judged.Load() {
			// Nobody waited: the verdict is recorded and settled for the next one who asks.
			if content, _, _ := x.judge(f); content != nil {
				content.Close()
			}
		}
		item.Close()
		f.budget.Stop()
		f.cancel()
	})
}

// formatOf tells an artifact's format. It asks for as much of it as counts, however little came with the first packet.
func formatOf(a *verify.Artifact) verify.Format {
	head := make([]byte, min(a.Size, verify.SniffLen))
	n, _ := a.Content.ReadAt(head, 0) // what cannot be read cannot be verified either
	return verify.Sniff(head[:n], a.Name)
}
