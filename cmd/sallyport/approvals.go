package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/regret"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/verify"
)

// openApprovals makes what counts the people who agree, with what the log says is waiting for some.
func (o *owner) openApprovals() error {
	users, err := loadUsers(o.config.Approvers.Htpasswd, o.logger)
	if err != nil {
		return fmt.Errorf("approvers: %w", err)
	}
	if users != nil {
		users.what = "approvers"
	}
	o.approvers = users
	o.approvals = &console.Approvals{
		Append:    o.append,
		Approvers: &console.Approvers{Credentials: users.credentials(), Now: o.config.now},
		People:    o.people, Now: o.config.now,
	}
	return o.restoreApprovals(context.Background())
}

// restoreApprovals puts back what was waiting for people to agree when the log was closed.
func (o *owner) restoreApprovals(ctx context.Context) error {
	list := func(kind audit.Kind) ([]audit.Record, error) {
		since := o.config.clock().Add(-console.AskedFor)
		return audit.List(ctx, o.dir.log(), audit.Filter{Kind: kind, Since: since, Limit: math.MaxInt32})
	}
	all, err := list(audit.KindApproval)
	if err != nil || len(all) == 0 {
		return err
	}
	for _, kind := range []audit.Kind{audit.KindRelease, audit.KindReject} {
		records, err := list(kind)
		if err != nil {
			return fmt.Errorf("finding what waits for people to agree: %w", err)
		}
		all = append(all, records...)
	}
	slices.SortFunc(all, func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) })
	for _, rec := range all {
		o.approvals.Restore(rec)
	}
	return nil
}

// approval is what the policy in force asks of people. Where no server runs, that is what both the policy of the configuration and the
// one that was in force last ask for: to stop the server and change the file is no way to do with fewer.
func (o *owner) approval() (policy.Approval, error) {
	if o.inForce != nil {
		return o.inForce().Approval(), nil
	}
	p, err := loadPolicy(o.config.Policy)
	if err != nil {
		return policy.Approval{}, err
	}
	last, _, err := o.dir.lastPolicy()
	if err != nil {
		return policy.Approval{}, advise(err, "start the server, which puts a policy in force, and give the order then")
	}
	if last == nil {
		return p.Approval(), nil
	}
	return p.Approval().Stricter(last.Approval()), nil
}

// people is how many people an action takes.
func (o *owner) people(action string) (int, error) {
	a, err := o.approval()
	switch action {
	case console.ActionBreakGlass:
		return a.BreakGlass.People, err
	case console.ActionLoosening:
		return a.Loosening.People, err
	}
	return a.Release.People, err
}

// warnApprovers says so where the policy asks for more people than there are.
func (o *owner) warnApprovers() {
	a, err := o.approval()
	if err != nil {
		return
	}
	most, have := max(a.Release.People, a.BreakGlass.People, a.Loosening.People), 0
	if users := o.approvers.now(); users != nil {
		have = users.Len()
	}
	if most > 1 && have < most {
		o.logger.Warn("the policy asks for more people than approvers.htpasswd has: what takes them cannot be done", zap.Int("people", most), zap.Int("approvers", have))
	}
}

// historyRecalls is what the console asks about recalls.
type historyRecalls struct{ o *owner }

// Standing implements console.Recalls.
func (h historyRecalls) Standing(digest verify.Digest, report verify.Report) []policy.Recall {
	return h.o.ledger.Recalls(digest, report)
}

// Regret implements console.Recalls. What is left when it fails, or when whoever asks does not wait, is done behind its back, or by
// the next server.
func (h historyRecalls) Regret(ctx context.Context, recall audit.Record) (console.Regretted, error) {
	err := h.o.ledger.CatchUp(ctx)
	var n regret.Count
	if err == nil {
		n, err = h.o.regrets.Recalled(ctx, recall)
	}
	if err != nil {
		h.o.regrets.Again(recall)
	}
	return console.Regretted{Artifacts: n.Artifacts, Decisions: n.Decisions}, err
}
