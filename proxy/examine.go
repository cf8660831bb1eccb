package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// flightReports are what was found out about a flight's artifact: one report for each way of asking, made for all
// riders who ask so. The zero value is empty.
type flightReports struct {
	mu sync.Mutex
	by map[reportAsk]verify.Report
}

// reportAsk is how a rider asks: under which trust, whether evidence beside the update may be fetched, and
// whether it has to be opened.
type reportAsk struct {
	epoch    string
	sidecars bool
	contents bool
}

// under returns the report for x, and makes it if nobody has.
func (r *flightReports) under(ctx context.Context, g *Gate, x *transit, a *verify.Artifact, trust verify.Trust) verify.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	ask := reportAsk{trust.Epoch, x.plan.Sidecars, x.plan.Contents}
	report, ok := r.by[ask]
	if !ok {
		report = g.examine(ctx, x, a, trust)
		if r.by == nil {
			r.by = map[reportAsk]verify.Report{}
		}
		r.by[ask] = report
	}
	return report
}

// examine returns what there is to know about an artifact, from memory where that cannot have changed.
func (g *Gate) examine(ctx context.Context, x *transit, a *verify.Artifact, trust verify.Trust) verify.Report {
	now := g.Now()
	key := keyOfReport(a, trust.Epoch, x.plan.Contents, x.plan.Sidecars)
	if report, ok := g.reports.recall(key, now); ok {
		return report
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
	if !memory.asked.Load() {
		g.reports.keep(key, report, now)
	}
	return report
}
