package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of what is done off the verdict path.
const (
	refreshTime  = 2 * time.Minute // for one call of a Refresher
	refreshSoon  = time.Second     // between two calls, at least
	refreshLate  = time.Hour       // at most
	refreshAgain = time.Minute     // after a call that crashed or was cut off
	refreshEach  = 4096            // fetches in one call
	refreshTold  = 256             // things that one call may tell of
	refreshState = 1024            // anchors of which it is known whether they fail
)

// Refreshers keep what verifiers know by themselves up to date (TUF metadata, trusted roots), on their own time: nobody who
// waits for a verdict waits for them, and the proxy is ready without them. It is safe for concurrent use; Run is called
// once.
type Refreshers struct {
	gate *Gate
	all  []*refresher
}

// refresher is one verifier that keeps knowledge, and what it has told.
type refresher struct {
	gate *Gate
	verify.Refresher
	wake    chan struct{}
	mu      sync.Mutex
	failing map[string]string // what was told of anchors whose last attempt has failed
}

// NewRefreshers finds the Refreshers among the verifiers of a gate.
func NewRefreshers(g *Gate) *Refreshers {
	r := &Refreshers{gate: g}
	for _, v := range g.Examiner.Verifiers {
		if one, ok := v.(verify.Refresher); ok {
			r.all = append(r.all, &refresher{gate: g, Refresher: one, wake: make(chan struct{}, 1), failing: map[string]string{}})
		}
	}
	return r
}

// Wake has every Refresher look at once, because the policy has changed.
func (r *Refreshers) Wake() {
	for _, one := range r.all {
		select {
		case one.wake <- struct{}{}:
		default:
		}
	}
}

// Run refreshes until ctx is done, and returns when nothing of it is left running.
func (r *Refreshers) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, one := range r.all {
		running.Go(func() { one.run(ctx) })
	}
	running.Wait()
}

// run calls one Refresher again and again, never twice at the same time.
func (r *refresher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
		wait := r.once(ctx)
		timer.Reset(max(refreshSoon, min(wait, refreshLate)))
	}
}

// once calls the Refresher, and returns when to call it again.
func (r *refresher) once(ctx context.Context) (wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	var told atomic.Int32
	method := r.Method()
	defer func() {
		if p := recover(); p != nil {
			r.gate.Logger.Error("panic while refreshing", zap.String("method", method), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			r.gate.Metrics.refreshed(method, "crashed")
			wait = refreshAgain
		}
	}()
	p := r.gate.Policy()
	trust := r.gate.trustUnder(p).whole
	defer func() { r.gate.Metrics.refreshFailing(method, len(r.failures(&trust))) }()
	wait = r.Refresh(ctx, verify.Env{
		Sidecars: &fromSources{gate: r.gate, policy: p, sources: NewSources(trust.Sources())},
		Memory:   r.gate.remembered, Trust: trust, At: r.gate.Now(),
	}, func(what verify.Refreshed) {
		if told.Add(1) <= refreshTold {
			r.tell(method, what)
		}
	})
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.gate.Logger.Warn("refreshing took too long", zap.String("method", method), zap.Duration("limit", refreshTime))
		r.gate.Metrics.refreshed(method, "timeout")
		wait = max(wait, refreshAgain)
	case told.Load() == 0:
		r.gate.Metrics.refreshed(method, "unchanged")
	}
	return wait
}

// tell says what has changed or failed: everything to the operator's log and the metrics, and to the audit log what
// verdicts may differ by, which is every change, and the beginning and the end of a failure.
func (r *refresher) tell(method string, what verify.Refreshed) {
	text := printableSentence(method, what)
	result, log := "changed", r.gate.Logger.Info
	if what.Failed {
		result, log = "failed", r.gate.Logger.Warn
	}
	r.gate.Metrics.refreshed(method, result)
	log("refreshing", zap.String("method", method), zap.String("result", result), zap.String("what", text))
	if !r.news(what, text) {
		return
	}
	if _, err := r.gate.Append(audit.Record{Kind: audit.KindLearn, Message: text}); err != nil {
		r.gate.Metrics.recordFailed()
		r.gate.Logger.Error("recording what was refreshed", zap.Error(err))
	}
}

// news reports whether a thing is not the same failure again, and remembers how the anchor is.
func (r *refresher) news(what verify.Refreshed, text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.failing[what.Anchor]; known && what.Failed {
		r.failing[what.Anchor] = text
		return false
	}
	if len(r.failing) >= refreshState {
		clear(r.failing)
	}
	if delete(r.failing, what.Anchor); what.Failed {
		r.failing[what.Anchor] = text
	}
	return true
}

// printableSentence puts what a Refresher tells in words.
func printableSentence(method string, what verify.Refreshed) string {
	text := method
	if what.Anchor != "" {
		text += " anchor " + what.Anchor
	}
	switch {
	case what.Failed && what.Code != "":
		text += ": not refreshed (" + what.Code + ")"
	case what.Failed:
		text += ": not refreshed"
	}
	if what.Text != "" {
		text += ": " + what.Text
	}
	return recordText(text)
}

// fromSources fetches what anchors name, and nothing else.
type fromSources struct {
	gate    *Gate
	policy  *policy.Policy
	sources Sources
	count   atomic.Int32
}

// Fetch implements verify.Sidecars, for absolute URLs below the sources.
func (s *fromSources) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("reading the address of a sidecar: %w", err)
	}
	if !u.IsAbs() || !s.sources.Hold(u) {
		return nil, fmt.Errorf("%s is not where an anchor says", redactedURL(u))
	}
	if s.count.Add(1) > refreshEach {
		return nil, fmt.Errorf("more than %d fetches in one go", refreshEach)
	}
	ctx, cancel := context.WithTimeout(ctx, sidecarTime)
	defer cancel()
	e := Evidence{Upstream: s.gate.Upstream, UserAgent: AgentName, Follow: FollowUnder(s.policy, u, s.sources)}
	answer, err := e.Get(ctx, u, limit, EvidenceAnswer{})
	return answer.Body, err
}
