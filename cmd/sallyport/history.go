package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/verify"
)

// catchUpFirst is how long a start waits for the history to be made from the log. After that the proxy serves without one: what needs
// it cannot be told until it is complete.
const catchUpFirst = 20 * time.Second

// openHistory opens what is remembered of updates, and the reports that they were judged by.
func (o *owner) openHistory() (err error) {
	if o.reports, err = audit.OpenReports(o.dir.reports()); err != nil {
		return err
	}
	o.ledger, err = ledger.Open(string(o.dir), o.dir.log(), ledger.Options{
		Report: o.reports.Load, Warn: func(err error) { o.logger.Warn("history", zap.Error(err)) },
	})
	if err != nil {
		return fmt.Errorf("opening the history: %w", err)
	}
	return nil
}

// closeHistory closes what openHistory has opened.
func (o *owner) closeHistory() error {
	var errs []error
	if o.ledger != nil {
		errs = append(errs, o.ledger.Close())
	}
	if o.reports != nil {
		errs = append(errs, o.reports.Close())
	}
	return errors.Join(errs...)
}

// catchUp has the history know all of the log. If that takes long, it goes on behind the proxy's back.
func (r *running) catchUp() {
	ctx, cancel := context.WithTimeout(context.Background(), catchUpFirst)
	defer cancel()
	err := r.owner.ledger.CatchUp(ctx)
	if err == nil {
		return
	}
	r.logger.Warn("the history is not complete yet: what the policy asks of it cannot be told until it is", zap.Error(err))
	r.behind = true
}

// catchUpBehind goes on where catchUp has ended, again and again until all is known.
func (r *running) catchUpBehind(ctx context.Context) {
	if !r.behind {
		return
	}
	for {
		err := r.owner.ledger.CatchUp(ctx)
		if err == nil {
			r.logger.Info("the history is complete")
			return
		}
		if ctx.Err() == nil {
			r.logger.Error("making the history from the log", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Minute):
		}
	}
}

// historyHealth is the history's part in /readyz.
func (r *running) historyHealth(context.Context) (console.Health, string) {
	_, err := r.owner.ledger.Of(ledger.Query{SHA256: verify.Digest{1}, Now: r.config.clock()})
	if err != nil {
		return console.Warning, printable.Text(err.Error(), 300)
	}
	return console.Good, ""
}

// inquirer asks what a state directory remembers. It is the same for the gate and for `verify`.
func inquirer(dir stateDir, l *ledger.Ledger, reports *audit.Reports) *proxy.Inquirer {
	return &proxy.Inquirer{
		Past:    func(q proxy.PastQuery) (policy.History, error) { return l.Of(ledgerQuery(q)) },
		Address: l.Address,
		Recalls: l.Recalls,
		Reports: reports,
		Record:  func(id string) (audit.Record, error) { return audit.Show(context.Background(), dir.log(), id) },
		Fixes:   proxy.KnownFixes,
	}
}

func ledgerQuery(q proxy.PastQuery) ledger.Query {
	addr := ""
	if q.Client.Addr.IsValid() {
		addr = q.Client.Addr.String()
	}
	return ledger.Query{SHA256: q.SHA256, URL: q.URL, Began: q.Began, Client: ledger.ClientName(addr, q.Client.User), Editions: q.Editions, Now: q.Now}
}

// advance has the history know of a decision.
func (o *owner) advance(rec audit.Record, report *verify.Report) {
	o.ledger.Add(rec, report)
	o.regrets.Saw(rec, report)
}

// latestDecision returns the newest decision of the log about an update on a scope.
func (o *owner) latestDecision(file verify.Digest, scope string) (audit.Record, error) {
	recs, err := audit.List(context.Background(), o.dir.log(), audit.Filter{Kind: audit.KindDecision, SHA256: file, Channel: scope, Limit: 1})
	if err != nil {
		return audit.Record{}, err
	}
	if len(recs) == 0 || recs[0].Channel != scope {
		return audit.Record{}, audit.ErrNotFound
	}
	return recs[0], nil
}

// closeLookups closes what is kept of the answers of services. What is lost of them is asked for again.
func (r *running) closeLookups() {
	if r.lookups == nil {
		return
	}
	if err := r.lookups.Close(); err != nil {
		r.logger.Warn("closing the answers of look-ups", zap.Error(err))
	}
}
