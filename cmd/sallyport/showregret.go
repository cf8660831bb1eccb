package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// regret prints what a regret record says.
func (p paragraph) regret(g *audit.Regret) {
	p.text("source", g.Source)
	if l := g.Listing; l != nil {
		p.line("lists", "%s %s %s", printable.Text(l.Kind, 20), printable.Text(l.Value, 300), printable.Text(l.Label, 200))
	}
	p.text("recall", g.Recall)
	p.text("inside", g.Path)
	p.line("allowed", "%s, %d listed here", count(g.Count, "decision"), len(g.Allowed))
}

// recall prints what a recall record says.
func (p paragraph) recall(r *audit.Recall) {
	state := "recalled"
	if r.Lifted {
		state = "the recall is lifted"
	}
	p.line("of", "%s: %s", r.SHA256, state)
	p.text("reason", r.Reason)
	p.text("by", r.By)
}

// approval prints what an approval record says.
func (p paragraph) approval(a *audit.Approval) {
	p.line("state", "%s; it takes %d people, by %s", approvalState(a), a.People, a.Ends.Local().Format(time.RFC3339))
	if a.Policy.IsZero() {
		p.line("of", "%s of %s on %s, %s", printable.Text(a.Action, 30), a.SHA256, channelName(a.Scope), endOf(a.Until))
	} else {
		p.line("of", "%s of the policy %s", printable.Text(a.Action, 30), a.Policy)
	}
	p.text("reason", a.Reason)
	p.text("request", a.Request)
}

// approvalState says who did what about something that takes several people. "Refused" alone would say that the person declined.
func approvalState(a *audit.Approval) string {
	if a.State == audit.ApprovalRefused {
		return "refused: whoever said they were " + printable.Text(a.By, 60) + " could not prove it, or had agreed already"
	}
	return printable.Text(a.State, 20) + " by " + printable.Text(a.By, 60)
}

// releasedBy says in a few words who let something through.
func releasedBy(l *audit.Release) string {
	who := printable.Text(l.By, 60)
	if len(l.Approvers) > 1 {
		who = printable.Text(strings.Join(l.Approvers, ", "), 120)
	}
	if l.BreakGlass {
		who += " in an emergency"
	}
	return who
}

// emergency prints what makes a release more than an ordinary one.
func (p paragraph) emergency(l *audit.Release) {
	if l.BreakGlass {
		p.line("BREAK", "GLASS: it was given in an emergency")
	}
	p.text("agreed", strings.Join(l.Approvers, ", "))
	p.text("request", l.Approval)
}

// maxResolved is how many accesses of a regret are shown with their client; --json gives their records.
const maxResolved = 200

// printAccesses prints who got what a regret record is about. Who it was stands in the decisions' own records, from where it can
// have been deleted.
func printAccesses(ctx context.Context, w io.Writer, dir stateDir, r audit.Record) {
	if r.Regret == nil {
		return
	}
	for i, a := range r.Regret.Allowed {
		if i == maxResolved {
			fmt.Fprintf(w, "  and %d more\n", len(r.Regret.Allowed)-i)
			return
		}
		who, from := "(record not found)", ""
		if d, err := audit.Show(ctx, dir.log(), a.Record); err == nil {
			who = "(deleted)"
			if d.Client != nil && (d.Client.Addr != "" || d.Client.User != "") {
				who = strings.TrimPrefix(d.Client.User+"@"+d.Client.Addr, "@")
			}
			if d.Request != nil {
				from = d.Request.URL
			}
		}
		received := "not known to have been received"
		if a.Received {
			received = "received"
		}
		fmt.Fprintf(w, "  client   %s  %s  by %s, %s, record %s\n", printable.Text(who, 100), a.Time.Local().Format(time.DateTime), printable.Text(a.Rule, 160), received, a.Record)
		if from != "" {
			fmt.Fprintf(w, "           %s\n", printable.Text(from, 1000))
		}
	}
}

// regrettedSummary says in a few words what a regret record is about.
func regrettedSummary(r audit.Record) string {
	return fmt.Sprintf("%s: %s, %s", artifactName(r), printable.Text(r.Regret.Source, 80), count(r.Regret.Count, "decision"))
}
