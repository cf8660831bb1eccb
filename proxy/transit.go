package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// transit is one client's request on its way through the gate.
type transit struct {
	gate    *Gate
	req     *http.Request
	session *session
	policy  *policy.Policy // in force when the request came
	ask     policy.Request
	plan    policy.Plan
	place   place // where a redirect has led the client
}

// answer does the whole of it.
func (x *transit) answer() *http.Response {
	x.session.note(zap.String("channel", x.plan.Scope))
	switch {
	case x.plan.Refusal != nil:
		return x.refuse(*x.planned())
	case !x.plan.Inspect:
		return x.forward()
	case x.repeatable():
		return x.get()
	default:
		return x.other()
	}
}

// renew plans the request under the policy in force, if it is another one than before.
func (x *transit) renew() {
	if p := x.gate.Policy(); p != x.policy {
		x.policy, x.plan = p, p.Plan(x.ask)
	}
	if open := x.gate.Open; open != nil && open() {
		x.plan.Contents = true
	}
}

// planned returns the refusal that the plan holds, or nil.
func (x *transit) planned() *refusal {
	if x.plan.Refusal == nil {
		return nil
	}
	r := planRefusal(x.plan.Refusal, x.policy.Digest())
	return &r
}

// repeatable reports whether a client that is told to come back can ask the very same again: a GET without a body.
func (x *transit) repeatable() bool {
	return x.req.Method == http.MethodGet && x.req.ContentLength == 0 && (x.req.Body == nil || x.req.Body == http.NoBody)
}

// get answers a GET: through a flight of its own or one shared with others who want the same.
func (x *transit) get() *http.Response {
	key, shared := x.flightKey()
	own := key + "|" + clientKey(x.ask.Client)
	f := x.gate.flights.join(func(key string) *flight { return x.gate.launch(x, key, shared) }, own, key)
	resp, next := x.ride(f)
	if next == rideOwn {
		f = x.gate.flights.join(func(key string) *flight { return x.gate.launch(x, key, false) }, own)
		resp, next = x.ride(f)
	}
	if next != rideOver {
		resp, _ = x.ride(x.gate.launch(x, "", false))
	}
	return resp
}

// ride's outcome: the answer is there, or the flight is not for this client, who then takes one of its own, which
// its own later requests may join or (what passes through cannot be shared) not.
type rideNext uint8

const (
	rideOver rideNext = iota
	rideOwn
	rideAlone
)

// other answers a request that is no plain GET: it is passed on once, never repeated and never shared. What comes back
// is held all the same.
func (x *transit) other() *http.Response {
	if x.req.Method == http.MethodHead {
		if resp := x.headFromVault(); resp != nil {
			return resp
		}
	}
	resp, _ := x.ride(x.gate.launch(x, "", false))
	return resp
}

// ride waits for a flight and answers from it, or says how to go on.
func (x *transit) ride(f *flight) (*http.Response, rideNext) {
	defer f.leave()
	ctx := x.req.Context()
	select {
	case <-f.classified:
	case <-ctx.Done():
		return x.gone(), rideOver
	}
	switch f.kind {
	case flightPasses:
		if resp := f.claim(x); resp != nil {
			return x.pass(resp), rideOver
		}
		return nil, rideAlone
	case flightPrivate:
		if f.leader.ask.Client != x.ask.Client {
			return nil, rideOwn
		}
	}
	if x.plan.Delivery == policy.Stream && f.streamable() && x.req.Header.Get("Range") == "" {
		return x.stream(f), rideOver
	}
	if !x.await(ctx, f) {
		if ctx.Err() != nil {
			return x.gone(), rideOver
		}
		f.expectReturn()
		return x.waiting(f), rideOver
	}
	return x.deliver(f), rideOver
}

// await waits until a flight has landed, for as long as the plan lets a client wait. Whoever cannot ask again waits
// to the end.
func (x *transit) await(ctx context.Context, f *flight) bool {
	select {
	case <-f.done:
		return true
	default:
	}
	if !x.repeatable() {
		select {
		case <-f.done:
			return true
		case <-ctx.Done():
			return false
		}
	}
	patience := x.plan.HoldMax
	switch {
	case x.plan.Delivery == policy.Retry:
		patience = 0
	case wantsPage(x.req):
		patience = min(patience, pagePatience)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.done:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// wantsPage reports whether a person waits in front of a browser.
func wantsPage(req *http.Request) bool { return preferredForm(req.Header) == formPage }

// pagePatience is how long a browser waits before it is shown the progress page.
const pagePatience = 3 * time.Second

// deliver answers from a flight that has landed.
func (x *transit) deliver(f *flight) *http.Response {
	if f.failure != nil {
		return x.refuse(*f.failure)
	}
	content, receipt, refusal := x.judge(f)
	if refusal != nil {
		return x.refuse(*refusal)
	}
	return x.serve(f, content, receipt)
}

// gone is the answer to a client that has gone away: nobody reads it.
func (x *transit) gone() *http.Response {
	resp := refusal{Kind: kindUnavailable, Detail: "the client closed the connection"}.response(x.req)
	x.session.end(outcomeAborted)
	return resp
}

// refuse answers with a refusal.
func (x *transit) refuse(r refusal) *http.Response { return r.response(x.req) }

// waiting tells the client to come back.
func (x *transit) waiting(f *flight) *http.Response {
	got, total := f.progress()
	w := waiting{Name: artifactName(f.header, x.req.URL), Stage: "being fetched", Received: got, Total: max(total, 0), Retry: pagePatience}
	if total >= 0 && got >= total {
		w.Stage = "being checked"
	}
	again := x.plan.HoldMax / 4
	if wantsPage(x.req) {
		again = pagePatience
	}
	return waitingAnswer(x.req, refusal{
		Channel: x.plan.Scope, RetryAfter: max(again, 2*time.Second), Policy: x.policy.Digest(),
		Detail: fmt.Sprintf("the update is still %s (%d bytes so far); ask again", w.Stage, got),
	}, w)
}

// headFromVault answers a HEAD for what the vault would serve to a GET, without asking the origin, while it is fresh.
func (x *transit) headFromVault() *http.Response {
	key, shared := x.flightKey()
	if !shared {
		return nil
	}
	obj, ok := x.gate.Vault.Recall(key)
	if !ok || !x.gate.Now().Before(obj.FreshUntil) {
		return nil
	}
	content, ok := x.gate.Vault.Released(obj.SHA256, x.plan.Scope)
	if !ok {
		return nil
	}
	x.session.end(outcomeAllowed)
	return x.contentResponse(content, obj.Header, obj.Status, nil)
}

// sharedFields are the request fields that say nothing about who asks. A request with any other field may carry a
// credential, and is fetched for its client alone.
var sharedFields = map[string]bool{
	"Accept": true, "Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true, "User-Agent": true,
	"Range": true, "If-Range": true, "If-Match": true, "If-None-Match": true, "If-Modified-Since": true,
	"If-Unmodified-Since": true, "Cache-Control": true, "Pragma": true, "Via": true, "Dnt": true, "Referer": true,
	"Upgrade-Insecure-Requests": true, "Priority": true, "Sec-Fetch-Dest": true, "Sec-Fetch-Mode": true,
	"Sec-Fetch-Site": true, "Sec-Fetch-User": true, "Sec-Ch-Ua": true, "Sec-Ch-Ua-Mobile": true,
	"Sec-Ch-Ua-Platform": true, "Sec-Gpc": true, "Connection": true, "Proxy-Connection": true, "Keep-Alive": true,
	"Te": true,
}

// shareable reports whether a repeatable request could be anybody's: a GET or HEAD without credentials, cookies or a
// field that we do not know.
func shareable(req *http.Request) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || req.URL.User != nil {
		return false
	}
	for name := range req.Header {
		if !sharedFields[name] {
			return false
		}
	}
	return true
}

// flightKey names what a request asks for, and under which channels. Requests with the same key get the same bytes;
// shared says whether that holds across clients. What a server may choose its answer by without saying so is
// part of it: on a channel User-Agent and Accept, which is all that goes there of a request that is shared;
// elsewhere every field that the origin gets.
func (x *transit) flightKey() (key string, shared bool) {
	h := sha256.New()
	part := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	part(canonicalURL(x.req.URL))
	part(fmt.Sprint(x.plan.Scope, x.plan.HoldAll))
	part(x.req.Header.Get("User-Agent"))
	part(upstreamAccept(x.req.Header))
	x.place.key(h)
	shared = shareable(x.req)
	if !shared {
		part(clientKey(x.ask.Client))
	}
	if !shared || x.plan.Scope == "" {
		names := make([]string, 0, len(x.req.Header))
		for name := range x.req.Header {
			if !unkeyedFields[name] {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		for _, name := range names {
			part(name)
			part(strings.Join(x.req.Header[name], "\n"))
		}
	}
	return hex.EncodeToString(h.Sum(nil)), shared
}

// unkeyedFields are those that the origin does not get or that do not change what it sends.
var unkeyedFields = map[string]bool{
	"Range": true, "If-Range": true, "If-Match": true, "If-None-Match": true, "If-Modified-Since": true,
	"If-Unmodified-Since": true, "Cache-Control": true, "Pragma": true, "Via": true, "Connection": true,
	"Proxy-Connection": true, "Keep-Alive": true, "Te": true,
}

// clientKey names a client where flights are kept apart.
func clientKey(c policy.Client) string { return c.User + "@" + c.Addr.String() }

// shareKey names a client where shares are counted. Whoever has one IPv6 address has the whole /64.
func shareKey(c policy.Client) string { return c.User + "@" + shareOf(c.Addr).String() }

// planRefusal puts a refusal of the policy to the client.
func planRefusal(r *policy.Refusal, digest verify.Digest) refusal {
	kind := kindDenied
	if r.Ambiguous {
		kind = kindAmbiguous
	}
	return refusal{Kind: kind, Rule: r.Rule, Detail: r.Reason, Policy: digest}
}
