package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// flightReports are what was found out about a flight's artifact: once for each way of asking, for all
// riders who ask so. The zero value is empty.
type flightReports struct {
	mu sync.Mutex
	by map[reportAsk]examined
}

// reportAsk is how a rider asks: under which trust, whether evidence beside the update may be fetched, whether it has to
// be opened, and who else is asked.
type reportAsk struct {
	epoch    string
	sidecars bool
	contents bool
	others   string
}

// examined is what was found out.
type examined struct {
	report  verify.Report
	kept    verify.Digest // of the report, as it is stored; zero if it is not
	answers Answers
}

// under returns what x wants to know of a flight's artifact, and finds it out if nobody has.
func (r *flightReports) under(ctx context.Context, g *Gate, x *transit, f *flight, in *Inquiry) examined {
	r.mu.Lock()
	defer r.mu.Unlock()
	trust := g.trustUnder(x.policy).only(x.plan.Anchors)
	ask := reportAsk{trust.Epoch, x.plan.Sidecars, x.plan.Contents, othersAsked(x.policy, &x.plan)}
	found, ok := r.by[ask]
	if ok {
		return found
	}
	found.report, found.kept = g.examine(ctx, x, f.artifact, trust)
	in.Report = found.report
	if f.again != nil {
		in.Answers.Second = f.again.second
	}
	found.answers = g.Inquirer.Ask(ctx, in)
	if r.by == nil {
		r.by = map[reportAsk]examined{}
	}
	r.by[ask] = found
	return found
}

// othersAsked names all who are asked, and by which policy, which says how.
func othersAsked(p *policy.Policy, pl *policy.Plan) string {
	if len(pl.Scanners) == 0 && len(pl.Lookups) == 0 && !pl.SecondLook {
		return ""
	}
	return fmt.Sprint(p.Digest(), strings.Join(pl.Scanners, ","), pl.ScanInside, strings.Join(pl.Lookups, ","), pl.SecondLook)
}

// examine returns what there is to know about an artifact, from memory where that cannot have changed, and the digest under which that
// is stored, zero if it is not.
func (g *Gate) examine(ctx context.Context, x *transit, a *verify.Artifact, trust verify.Trust) (verify.Report, verify.Digest) {
	now := g.Now()
	key := keyOfReport(a, trust.Epoch, x.plan.Contents, x.plan.Sidecars)
	if report, stored, ok := g.reports.recall(key, now); ok {
		if stored.IsZero() {
			stored = g.Inquirer.keep(report)
		}
		return report, stored
	}
	began := time.Now()
	memory := &askedMemory{Memory: g.Memory}
	report := g.Examiner.Examine(ctx, a, verify.Env{
		Sidecars: g.sidecarsOf(x, a, trust), Memory: memory, Trust: trust, At: now, Inside: x.plan.Contents,
	})
	g.Metrics.judged(time.Since(began))
	for _, found := range report.Findings {
		g.Metrics.finding(found.Code)
	}
	stored := g.Inquirer.keep(report)
	if !memory.asked.Load() {
		g.reports.keep(key, report, stored, now)
	}
	return report, stored
}
