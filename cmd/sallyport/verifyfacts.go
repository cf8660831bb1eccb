package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/policy/reputation/scan"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
)

// facts gathers what a file is judged by, as the gate does.
func (j *judge) facts(ctx context.Context, a *verify.Artifact, report verify.Report) policy.Facts {
	in := proxy.Inquiry{
		Policy: j.policy, Plan: j.plan, Request: j.request, Artifact: a, Report: report, Origin: j.origin, Now: j.at,
	}
	if j.request.URL != nil {
		in.Sources = []*url.URL{j.request.URL}
	}
	in.Answers = j.inquirer.Ask(ctx, &in)
	return j.inquirer.Facts(ctx, &in)
}

// openHistory takes up what a proxy remembers of updates, without changing it. Where no server has made a history yet,
// or it may not be read, what needs it cannot be told.
func (j *judge) openHistory(ctx context.Context, dir stateDir) error {
	reports, err := audit.ReadReports(dir.reports())
	if err != nil {
		return err
	}
	j.closers = append(j.closers, reports)
	l, err := ledger.Open(string(dir), dir.log(), ledger.Options{ReadOnly: true, Report: reports.Load})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the history: %w", err)
	}
	j.closers = append(j.closers, l)
	if err := l.CatchUp(ctx); err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	known := inquirer(dir, l, reports)
	known.Logger, known.Sums = j.inquirer.Logger, j.inquirer.Sums
	j.inquirer = known
	return nil
}

// openOthers decides whom files are asked about. Without a URL that files are from, nothing leaves this machine but to local
// scanners.
func (f *verifyFlags) openOthers(c config, dir stateDir, j *judge) error {
	var transport http.RoundTripper
	if f.url != "" && f.sidecars == "" && (len(j.plan.Lookups) > 0 || j.plan.SecondLook) {
		upstream, err := buildUpstream(c, nil)
		if err != nil {
			return err
		}
		transport, j.origin = upstream, j.request.URL
		j.inquirer.SecondLook = &proxy.SecondLooks{Upstream: upstream}
	}
	if len(j.plan.Scanners) > 0 {
		j.inquirer.Scan = scan.New(scan.Options{Examiner: j.examiner, Now: j.now}).Scan
	}
	if len(j.plan.Lookups) > 0 {
		l, err := openLookups(dir, transport, true, j.now, nil)
		if err != nil {
			return err
		}
		j.closers = append(j.closers, l)
		j.inquirer.Lookup = l.ask
	}
	return nil
}

// now is the time of judgement.
func (j *judge) now() time.Time { return j.at }
