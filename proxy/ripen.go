package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of judging quarantined updates again.
const (
	ripenTick  = 2 * time.Second  // between two looks at the clock, which may be set
	ripenSoon  = time.Minute      // from one decision to the next, at least
	ripenSlack = 5 * time.Second  // what was seen is known by the time of its record, which is later than that of its decision
	ripenAgain = 15 * time.Minute // after an attempt at which something else was lacking; twice as long after each further one
	ripenLate  = 24 * time.Hour   // at most
	ripenTries = 8                // attempts without a decision that says when to try again
	ripenTime  = time.Hour        // for one update
	ripenMost  = 50_000           // updates that are waited for; more wait for somebody to ask
	ripenSweep = 10 * time.Minute // from one search for those that have gone to the next, at least
)

// Ripening judges updates again that are in quarantine for nothing but their age, when their time has come, and lets those go for
// which all holds then. An update is examined anew, since a signer may have been revoked and a list may have named it meanwhile; it is
// judged by the policy in force, with the request that brought it. Whoever asks for it later is judged as everybody is.
type Ripening struct {
	gate *Gate
	wake chan struct{}

	mu    sync.Mutex
	held  map[heldKey]held
	swept time.Time
}

// heldKey is an update in quarantine on one scope.
type heldKey struct {
	file  verify.Digest
	scope string
}

// held says when an update is judged again.
type held struct {
	record string    // of the decision that says so
	due    time.Time //
	tries  int       // that have led to nothing
}

// again is what a flight has instead of a response, if it is for an update that is judged again.
type again struct {
	record string // of the decision before
	claims []policy.Claim
	second policy.SecondLook
	began  string // stands for what was asked for first
	asked  string // the file's name there
}

func newRipening(g *Gate) *Ripening {
	return &Ripening{gate: g, wake: make(chan struct{}, 1), held: map[heldKey]held{}}
}

// Ripening returns what judges the gate's quarantined updates again. Nothing happens before its Run.
func (g *Gate) Ripening() *Ripening { return g.ripening }

// add has an update judged again at a time.
func (r *Ripening) add(file verify.Digest, scope, record string, due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := heldKey{file, scope}
	if now := time.Now(); len(r.held) >= ripenMost && now.Sub(r.swept) >= ripenSweep {
		r.sweep()
		r.swept = now
	}
	if _, known := r.held[k]; known || len(r.held) < ripenMost {
		r.held[k] = held{record: record, due: due.Add(ripenSlack)}
	}
	r.count()
}

// sweep forgets what is not in quarantine any more. It is called under mu.
func (r *Ripening) sweep() {
	kept := map[heldKey]held{}
	for _, e := range r.gate.Vault.List(quarantine.Filter{State: quarantine.Quarantined}) {
		k := heldKey{e.SHA256, e.Scope}
		if h, ok := r.held[k]; ok {
			kept[k] = h
		}
	}
	r.held = kept
}

// count is called under mu.
func (r *Ripening) count() { r.gate.Metrics.ripening.Set(float64(len(r.held))) }

// Wake has the clock looked at now.
func (r *Ripening) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run finds out what is in quarantine, and judges again what is due, one update after the other, until ctx is done. latest returns the
// newest decision about an update on a scope, or audit.ErrNotFound.
func (r *Ripening) Run(ctx context.Context, latest func(verify.Digest, string) (audit.Record, error)) {
	r.restore(ctx, latest)
	tick := time.NewTicker(ripenTick)
	defer tick.Stop()
	for {
		due := r.due()
		if len(due) > 0 && !r.gate.Inquirer.remembers() {
			due = nil // what is judged without a history stays for want of it
		}
		for _, k := range due {
			if ctx.Err() != nil {
				return
			}
			r.judge(ctx, k)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick.C:
		}
	}
}

// restore finds in the vault and in the log what waits for its time since before the start.
func (r *Ripening) restore(ctx context.Context, latest func(verify.Digest, string) (audit.Record, error)) {
	for _, e := range r.gate.Vault.List(quarantine.Filter{State: quarantine.Quarantined}) {
		if ctx.Err() != nil {
			return
		}
		rec, err := latest(e.SHA256, e.Scope)
		if err != nil {
			if !errors.Is(err, audit.ErrNotFound) {
				r.gate.Logger.Error("finding out why an update is in quarantine", zap.Error(err), zap.Stringer("sha256", e.SHA256))
			}
			continue
		}
		due := waitsUntil(&rec)
		if due.IsZero() {
			continue
		}
		r.mu.Lock()
		if _, known := r.held[heldKey{e.SHA256, e.Scope}]; !known && len(r.held) < ripenMost {
			h := held{record: rec.ID, due: due.Add(ripenSlack)}
			if rec.Decision.Ripe.IsZero() {
				h.tries = ripenTries - 1 // once for each start
			}
			r.held[heldKey{e.SHA256, e.Scope}] = h
		}
		r.count()
		r.mu.Unlock()
	}
}

// waitsUntil returns when an update is to be judged again whose latest decision a record holds; zero if it is not: when its time comes,
// and soon if it was judged without the history, or if something else was lacking when its time had come.
func waitsUntil(rec *audit.Record) time.Time {
	d := rec.Decision
	switch {
	case d == nil || d.Action != policy.Quarantine || d.Observed:
		return time.Time{}
	case !d.Ripe.IsZero():
		return d.Ripe
	case rec.Client == nil && rec.Decides != "" || rec.Facts != nil && rec.Facts.History == nil:
		return rec.Time.Add(ripenAgain)
	}
	return time.Time{}
}

// due returns what is to be judged again by now.
func (r *Ripening) due() (out []heldKey) {
	now := r.gate.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, h := range r.held {
		if !now.Before(h.due) {
			out = append(out, k)
		}
	}
	return out
}

// judge judges one update again, and forgets it or says when to try next.
func (r *Ripening) judge(ctx context.Context, k heldKey) {
	r.mu.Lock()
	h := r.held[k]
	r.mu.Unlock()
	d, err := r.once(ctx, k, h.record)
	result := "held"
	switch {
	case ctx.Err() != nil:
		return // it is restored at the next start
	case errors.Is(err, fs.ErrNotExist):
		result = "gone"
	case errors.Is(err, errWayForgotten):
		d, result = policy.Decision{}, "held"
	case err != nil:
		result = "failed"
		r.gate.Logger.Warn("judging an update in quarantine again", zap.Error(err), zap.Stringer("sha256", k.file), zap.String("channel", k.scope))
	case d.Action == policy.Allow:
		result = "released"
	}
	r.gate.Metrics.ripened.WithLabelValues(result).Inc()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.count()
	if now := r.held[k]; now.record != h.record {
		return // it was judged anew meanwhile, for a client or just now
	}
	h.tries++
	again := result == "failed" || result == "held" && d.Action == policy.Quarantine && !d.Observed
	if !again || h.tries >= ripenTries {
		delete(r.held, k)
		return
	}
	h.due = r.gate.Now().Add(min(time.Duration(float64(ripenAgain)*math.Pow(2, float64(h.tries-1))), ripenLate))
	r.held[k] = h
}

// once judges an update again, records that and does what the record says. fs.ErrNotExist means that it is not in quarantine any
// more.
func (r *Ripening) once(ctx context.Context, k heldKey, record string) (d policy.Decision, err error) {
	g := r.gate
	defer func() {
		if p := recover(); p != nil {
			g.Logger.Error("panic while judging again", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = errors.New("something went wrong inside the proxy")
		}
	}()
	entries := g.Vault.List(quarantine.Filter{State: quarantine.Quarantined, SHA256: k.file, Scopes: []string{k.scope}})
	if len(entries) == 0 {
		return d, fs.ErrNotExist
	}
	if g.Inquirer.Record == nil {
		return d, errors.New("the log cannot be asked")
	}
	rec, err := g.Inquirer.Record(record)
	if err != nil {
		return d, fmt.Errorf("finding the record of the decision: %w", err)
	}
	item, err := g.Vault.Open(k.file)
	if err != nil {
		return d, err
	}
	defer item.Close()
	ctx, cancel := context.WithTimeout(ctx, ripenTime)
	defer cancel()
	x, f, err := g.replayed(ctx, rec, item)
	if err != nil {
		return d, err
	}
	return x.ruleAgain(ctx, f)
}

// errWayForgotten means that an update can only be judged again for whoever asks: what signs paths and packages is compared with all that
// was asked for on the way of the redirects, which no record tells.
var errWayForgotten = errors.New("it is not known by which way redirects had led to it")

// replayed returns the request of a record and a flight that has landed with its update.
func (g *Gate) replayed(ctx context.Context, rec audit.Record, item *quarantine.Item) (*transit, *flight, error) {
	if len(rec.Altered) > 0 {
		return nil, nil, errors.New("somebody changed what the log says of who asked for what")
	}
	facts := audit.FactsOf(rec, verify.Report{})
	if facts.Request.URL == nil {
		return nil, nil, errors.New("the log does not tell what was asked for")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, facts.Request.URL.String(), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("asking again: %w", err)
	}
	req.Header.Set("User-Agent", AgentName)
	x := &transit{gate: g, req: req, session: newSession(facts.Request.Client), ask: facts.Request}
	x.ask.URL = req.URL
	x.renew()
	if trust := g.trustUnder(x.policy).only(x.plan.Anchors); len(x.ask.Carried) > 0 && len(trust.TUF)+len(trust.Sigstore) > 0 {
		return nil, nil, errWayForgotten
	}
	f := newFlight("", x, false, func() {})
	f.item, f.private = item, rec.Private
	f.again = &again{record: rec.ID, claims: facts.History.Claims, second: facts.History.Second, began: rec.Began, asked: facts.History.Asked}
	if req.URL.RawQuery != "" && !f.again.second.Asked {
		f.again.second = policy.SecondLook{Asked: true, Failed: "the address is not kept in full, so that it cannot be asked for again"}
	}
	f.artifact = &verify.Artifact{
		Name: facts.Update.Name, URL: req.URL, Size: item.Size, Fetched: g.Now(), Digests: verify.Digests{SHA256: item.SHA256}, Content: item.Content(),
	}
	f.artifact.Format = formatOf(f.artifact)
	f.artifact.Role = g.Examiner.Classify(f.artifact)
	return x, f, nil
}

// ruleAgain decides, records and settles.
func (x *transit) ruleAgain(ctx context.Context, f *flight) (policy.Decision, error) {
	ruled, refused := x.rule(ctx, f)
	if refused != nil {
		return policy.Decision{}, errors.New(refused.Detail)
	}
	d := ruled.decision
	content, err := x.gate.Vault.Settle(f.item, d.Channel, ruled.receipt, quarantine.Origin{
		Name: f.artifact.Name, URL: redactedURL(x.req.URL), Format: f.artifact.Format, Record: ruled.receipt.ID(),
	})
	if content != nil {
		content.Close()
	}
	if err == nil && ripens(d) {
		soon := x.gate.Now().Add(ripenSoon)
		if d.Ripe.After(soon) {
			soon = d.Ripe
		}
		x.gate.ripening.add(f.item.SHA256, d.Channel, ruled.receipt.ID(), soon)
	}
	x.gate.Logger.Info("judged again by itself", zap.Stringer("sha256", f.item.SHA256), zap.String("channel", d.Channel),
		zap.Stringer("action", d.Action), zap.String("rule", d.Rule), zap.String("record", ruled.receipt.ID()))
	return d, err
}
