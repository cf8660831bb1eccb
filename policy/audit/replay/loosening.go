package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Guard says which refusals a policy that is to come into force is held against. Log, InForce and Next are needed.
type Guard struct {
	Log     string
	Reports *audit.Reports // nil: none are kept
	InForce *policy.Policy
	Next    *policy.Policy
	Now     time.Time
	Back    time.Duration // how far back; 0 means 30 days
	Most    int           // how many refusals, the latest; 0 means 20,000
	Time    time.Duration // for all of them; 0 means 20 s
}

// What a guard looks at where it does not say.
const (
	guardBack = 30 * 24 * time.Hour
	guardMost = 20_000
	guardTime = 20 * time.Second
	guardPage = 100 // records that are read at a time
)

// Loosened is what a policy would let through that was refused, and that the policy in force refuses: by what is kept of each refusal,
// as of its moment and as of now. The zero value is nothing.
type Loosened struct {
	Judged  int     `json:"judged"`            // refusals
	Allowed []Group `json:"allowed,omitempty"` // would be let through
	Perhaps []Group `json:"perhaps,omitempty"` // would be, if what nobody knows spoke for them: new keys, say
	Count   int64   `json:"count"`             // of Allowed
	Maybe   int64   `json:"maybe"`             // of Perhaps
	policy.Looser
	Fewer []string `json:"fewer,omitempty"` // what it would take fewer people for
	Gone  int64    `json:"gone,omitempty"`  // refusals of which too little is kept to judge them again
	Cut   string   `json:"cut,omitempty"`   // why not all refusals of the time were judged
}

// Any reports whether the policy loosens anything.
func (l *Loosened) Any() bool { return l.Count+l.Maybe > 0 || len(l.Fewer) > 0 || l.Looser.Any() }

// Loosening compares two policies by what was refused. It is bounded in number and time, and says so where that cuts it short.
func Loosening(ctx context.Context, g Guard) (*Loosened, error) {
	g = g.withDefaults()
	l := &Loosened{Looser: g.Next.LooserThan(g.InForce), Fewer: g.Next.Approval().LooserThan(g.InForce.Approval())}
	releases, err := readReleases(ctx, g.Log)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(g.Time)
	run := &guarding{Guard: g, judge: &judge{reports: newCache(g.Reports), releases: releases}, out: l, seen: map[refusalKey]bool{}}
	run.would, run.perhaps = newSummary(3), newSummary(3)
	for _, action := range []policy.Action{policy.Quarantine, policy.Block} {
		if err := run.actions(ctx, action, deadline); err != nil {
			return nil, err
		}
	}
	would, perhaps := run.would.result(), run.perhaps.result()
	l.Allowed, l.Count = would.Allowed, would.Counts.Allowed
	l.Perhaps, l.Maybe = perhaps.Allowed, perhaps.Counts.Allowed
	return l, run.judge.failure()
}

func (g Guard) withDefaults() Guard {
	if g.Back <= 0 {
		g.Back = guardBack
	}
	if g.Most <= 0 {
		g.Most = guardMost
	}
	if g.Time <= 0 {
		g.Time = guardTime
	}
	if g.Now.IsZero() {
		g.Now = time.Now()
	}
	return g
}

// guarding is one comparison.
type guarding struct {
	Guard
	judge          *judge
	out            *Loosened
	would, perhaps *summary
	seen           map[refusalKey]bool // that would be judged alike
}

// refusalKey is what tells refusals apart that are judged again.
type refusalKey struct {
	sum, report verify.Digest
	url, client string
	rule        string
}

// actions judges the refusals of one sort, the latest first.
func (g *guarding) actions(ctx context.Context, action policy.Action, deadline time.Time) error {
	f := audit.Filter{Kind: audit.KindDecision, Action: action.String(), Since: g.Now.Add(-g.Back), Limit: guardPage}
	for {
		page, err := audit.List(ctx, g.Log, f)
		if err != nil {
			return fmt.Errorf("finding what was refused: %w", err)
		}
		for _, r := range page {
			switch {
			case g.out.Judged >= g.Most:
				g.out.Cut = fmt.Sprintf("only the latest %d refusals were judged again", g.out.Judged)
				return nil
			case time.Now().After(deadline):
				g.out.Cut = fmt.Sprintf("only the latest %d refusals were judged again, which took %s", g.out.Judged, g.Time)
				return nil
			}
			g.refusal(r)
		}
		if len(page) < guardPage {
			return nil
		}
		f.Before = page[len(page)-1].ID
	}
}

// refusal judges one record by both policies.
func (g *guarding) refusal(r audit.Record) {
	if r.Decision == nil || r.Artifact == nil || r.Decision.Observed || g.known(r) {
		return
	}
	g.out.Judged++
	for _, now := range []time.Time{r.Time, g.Now} {
		switch found, d, err := g.compare(r, now); {
		case errors.Is(err, errGone):
			g.out.Gone++
			return
		case err != nil:
			g.judge.fail(err)
			return
		case found == surely:
			g.would.add(outcome{kind: allowed, record: trimmed(r), now: d})
			return
		case found == maybe:
			g.perhaps.add(outcome{kind: allowed, record: trimmed(r), now: d})
			return
		}
	}
}

func (g *guarding) known(r audit.Record) bool {
	key := refusalKey{sum: r.Artifact.SHA256, report: r.Report, rule: r.Decision.Rule}
	if r.Request != nil {
		key.url = r.Request.URL
	}
	if r.Client != nil && g.asksClients() {
		key.client = r.Client.Addr + " " + r.Client.User
	}
	known := g.seen[key]
	g.seen[key] = true
	return known
}

func (g *guarding) asksClients() bool { return g.Next.AsksClients() || g.InForce.AsksClients() }

// loosens says how sure it is that a policy lets through what the other refuses.
type loosens uint8

const (
	no loosens = iota
	maybe
	surely
)

var errGone = errors.New("too little is kept of it")

// compare judges a refusal by both policies as of a time. What the facts do not answer counts once as unknown, and once as speaking
// for the update.
func (g *guarding) compare(r audit.Record, now time.Time) (loosens, policy.Decision, error) {
	r.Time = now
	next, missing, err := g.judge.retry(r, g.Next)
	if err != nil {
		return no, policy.Decision{}, err
	}
	inForce, _, err := g.judge.retry(r, g.InForce)
	if err != nil {
		return no, policy.Decision{}, err
	}
	if d, through := ruling(next, (*policy.Retrial).Decide); through {
		if _, before := ruling(inForce, (*policy.Retrial).Decide); !before {
			return surely, d, nil
		}
	}
	if missing || len(next.Gone()) > 0 {
		return no, policy.Decision{}, errGone
	}
	if d, through := ruling(next, (*policy.Retrial).Best); through {
		if _, before := ruling(inForce, (*policy.Retrial).Best); !before {
			return maybe, d, nil
		}
	}
	return no, policy.Decision{}, nil
}

// ruling judges in one of the ways that a retrial has; what is not looked at goes out.
func ruling(t *policy.Retrial, way func(*policy.Retrial) policy.Decision) (policy.Decision, bool) {
	if plan := t.Plan(); plan.Refusal == nil && !plan.Inspect {
		return policy.Decision{Action: policy.Allow, Rule: "defaults.hosts", Reasons: []string{"the policy does not look at what comes from this host"}}, true
	}
	d := way(t)
	return d, through(d)
}
