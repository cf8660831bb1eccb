package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/regret"
	"github.com/sallyport-project/sallyport/proxy/alert"
)

// openRegrets makes what finds out who got what turns out to be bad.
func (o *owner) openRegrets() {
	o.regrets = regret.New(regret.Options{
		Ledger: o.ledger, LogDir: o.dir.log(), Report: o.reports.Load, Append: o.append, Now: o.config.now,
		Ignore: func(feed string) bool { return o.harmless.Load() != nil && (*o.harmless.Load())[feed] },
		Tell:   func(rec audit.Record, who []audit.Record) { o.tellRegret(rec, who) },
		Note:   func(message string) { o.logger.Info("regrets", zap.String("note", printable.Text(message, 500))) },
		Warn:   func(err error) { o.logger.Error("regrets", zap.Error(err)) },
	})
}

// ignoreFeeds remembers which feeds of a policy are not of what is bad.
func (o *owner) ignoreFeeds(p *policy.Policy) {
	names := map[string]bool{}
	for _, f := range p.Feeds() {
		if f.Good || f.Seen || f.Exploited || f.Vulnerabilities {
			names[f.Name] = true
		}
	}
	for _, l := range p.Lookups() {
		if l.Good {
			names[l.Name] = true
		}
	}
	o.harmless.Store(&names)
}

// tellRegret says at once who got something that is bad: in the operational log, on the metrics and to the sinks of alerts.
func (o *owner) tellRegret(rec audit.Record, who []audit.Record) {
	e, _ := alert.Of(rec)
	e.Clients = accessesOf(rec, who)
	if len(e.Clients) > alert.MaxClients {
		e.Clients = e.Clients[:alert.MaxClients]
	}
	clients := make([]string, 0, len(e.Clients))
	for _, c := range e.Clients {
		clients = append(clients, printable.Text(c.Who(), 120)+" at "+c.Time.UTC().Format(time.RFC3339)+" by "+printable.Text(c.Rule, 160))
	}
	o.logger.Error("REGRET: something that was let through turns out to be bad", zap.String("what", e.Text), zap.Stringer("sha256", e.SHA256),
		zap.String("path", e.Path), zap.String("source", e.Source), zap.Strings("clients", clients), zap.Int("decisions", rec.Regret.Count), zap.String("record", rec.ID))
	if o.regretted != nil {
		o.regretted(rec, e)
	}
}

// accessesOf is who got what a regret is about, from the records of the decisions.
func accessesOf(rec audit.Record, who []audit.Record) []alert.Access {
	var out []alert.Access
	for i, d := range who {
		a := alert.Access{Time: d.Time, Channel: d.Channel, Record: d.ID}
		if i < len(rec.Regret.Allowed) {
			a.Received = rec.Regret.Allowed[i].Received
		}
		if d.Decision != nil {
			a.Rule = printable.Text(d.Decision.Rule, 300)
		}
		if d.Client != nil {
			a.Addr, a.User = d.Client.Addr, printable.Text(d.Client.User, 200)
		}
		if d.Request != nil {
			a.URL = printable.Text(d.Request.URL, 1000)
		}
		out = append(out, a)
	}
	return out
}

// runRegrets finds out who got what, as soon as the history is complete.
func (r *running) runRegrets(ctx context.Context) {
	for {
		err := r.owner.ledger.CatchUp(ctx)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Second):
		}
	}
	recalls, err := standingRecalls(ctx, r.owner.dir)
	if err != nil && ctx.Err() == nil {
		r.logger.Error("finding the recalls in force", zap.Error(err))
	}
	r.owner.regrets.Run(ctx, recalls)
}
