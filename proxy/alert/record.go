package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// Of returns the event that a record is; ok is false if it is none. Who was let through by the decisions that a regret lists is for
// the caller to add.
func Of(r audit.Record) (e Event, ok bool) {
	e = Event{Time: r.Time, Record: r.ID, Channel: r.Channel}
	if a := r.Artifact; a != nil {
		e.Name, e.SHA256 = a.Name, a.SHA256
	}
	switch {
	case r.Kind == audit.KindDecision && r.Decision != nil:
		ok = e.decision(r)
	case r.Kind == audit.KindRelease && r.Release != nil:
		e.release(r.Release)
		ok = true
	case r.Kind == audit.KindApproval && r.Approval != nil:
		ok = e.approval(r)
	case r.Kind == audit.KindRecall && r.Recall != nil:
		e.recall(r.Recall)
		ok = true
	case r.Kind == audit.KindRegret && r.Regret != nil:
		e.regret(r)
		ok = true
	case r.Kind == audit.KindPolicy:
		e.Kind, e.Text, ok = Loaded, r.Message, true
		if strings.HasPrefix(r.Message, "refused ") {
			e.Kind = Policy
		}
	case r.Kind == audit.KindCA:
		e.Kind, e.Text, ok = CA, r.Message, true
	}
	return e.finished(), ok
}

// finished sets what follows from the kind, and bounds the text.
func (e Event) finished() Event {
	e.V, e.Severity = 1, e.Kind.Severity()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC()
	for _, s := range []*string{&e.Text, &e.Name, &e.Path, &e.Source, &e.Value, &e.Label, &e.Reason, &e.By, &e.Channel, &e.Rule} {
		*s = printable.Text(*s, 1000)
	}
	if len(e.Clients) > MaxClients {
		e.Count, e.Clients = max(e.Count, len(e.Clients)), e.Clients[:MaxClients]
	}
	return e
}

func (e *Event) decision(r audit.Record) bool {
	d := r.Decision
	if d.Observed {
		return false
	}
	access := Access{Time: r.Time, Channel: r.Channel, Rule: d.Rule, Record: r.ID}
	if r.Client != nil {
		access.Addr, access.User = r.Client.Addr, printable.Text(r.Client.User, 200)
	}
	if r.Request != nil {
		access.URL = printable.Text(r.Request.URL, 1000)
	}
	e.Rule, e.Clients, e.Reason = d.Rule, []Access{access}, strings.Join(d.Reasons, "; ")
	switch {
	case d.Action == policy.Block:
		e.Kind = Block
	case d.Action == policy.Quarantine:
		e.Kind = Quarantine
	case r.Client == nil && r.Decides != "": // nobody asked just now: it was let go by itself
		e.Kind = Ripe
	default:
		return false
	}
	e.Text = fmt.Sprintf("%s: %s by %s: %s", headlines[e.Kind], named(r), d.Rule, printable.Text(e.Reason, 400))
	return true
}

// named says which artifact a record is about.
func named(r audit.Record) string {
	a := r.Artifact
	if a == nil {
		return "an update"
	}
	if a.Name == "" {
		return "sha256 " + a.SHA256.String()
	}
	return printable.Text(a.Name, 120) + " (sha256 " + a.SHA256.String() + ")"
}

func (e *Event) release(r *audit.Release) {
	e.Kind, e.SHA256, e.Until, e.Reason, e.By, e.Approvers = Release, r.SHA256, r.Until, r.Reason, r.By, r.Approvers
	what, how := printable.Text(e.Name, 120), "released by hand"
	if what == "" {
		what = "sha256 " + r.SHA256.String()
	}
	if r.BreakGlass {
		e.Kind, what, how = BreakGlass, "BREAK GLASS: "+what, "released"
	}
	e.Text = fmt.Sprintf("%s is %s on %s by %s%s%s: %s", what, how, scope(r.Scope), printable.Text(r.By, 60), with(r.Approvers), until(r.Until), printable.Text(r.Reason, 300))
}

func with(approvers []string) string {
	if len(approvers) == 0 {
		return ""
	}
	return " (agreed: " + printable.Text(strings.Join(approvers, ", "), 200) + ")"
}

func until(t time.Time) string {
	if t.IsZero() {
		return ", for ever"
	}
	return ", until " + t.UTC().Format("2006-01-02 15:04 UTC")
}

func scope(name string) string {
	if name == "" {
		return "no channel"
	}
	return "channel " + printable.Text(name, 120)
}

func (e *Event) approval(r audit.Record) bool {
	a := r.Approval
	if a.State == audit.ApprovalDone {
		return false // what was done has a record of its own
	}
	e.Kind, e.SHA256, e.Until, e.Reason, e.By = Approval, a.SHA256, a.Until, a.Reason, a.By
	if a.Action == "break-glass" {
		e.Kind = BreakGlass
	}
	what := "a policy, sha256 " + a.Policy.String()
	if a.Policy.IsZero() {
		what = named(r)
	}
	switch a.State {
	case audit.ApprovalRefused:
		e.Text = fmt.Sprintf("%s (%s)", r.Message, a.Action)
	default:
		e.Text = fmt.Sprintf("%s wants a %s of %s, which takes %d people, by %s: %s", printable.Text(a.By, 60), a.Action, what, a.People,
			a.Ends.UTC().Format("2006-01-02 15:04 UTC"), printable.Text(a.Reason, 300))
		if a.State == audit.ApprovalAgreed {
			e.Text = fmt.Sprintf("%s agrees to a %s of %s, and one of %d is still missing", printable.Text(a.By, 60), a.Action, what, a.People)
		}
	}
	return true
}

func (e *Event) recall(r *audit.Recall) {
	e.Kind, e.SHA256, e.Reason, e.By, e.Source = Recall, r.SHA256, r.Reason, r.By, r.By
	e.Text = fmt.Sprintf("%s recalls what is, or contains, sha256 %s: %s", printable.Text(r.By, 60), r.SHA256, printable.Text(r.Reason, 300))
	if r.Lifted {
		e.Text = fmt.Sprintf("%s lifts the recall of sha256 %s: %s", printable.Text(r.By, 60), r.SHA256, printable.Text(r.Reason, 300))
	}
}

func (e *Event) regret(r audit.Record) {
	g := r.Regret
	e.Kind, e.Path, e.Source, e.Count, e.Text = Regret, g.Path, g.Source, g.Count, r.Message
	if l := g.Listing; l != nil {
		e.Value, e.Label = l.Value, l.Label
	}
	for _, a := range g.Allowed {
		e.Clients = append(e.Clients, Access{Time: a.Time, Channel: a.Channel, Rule: a.Rule, Record: a.Record, Received: a.Received})
	}
}

// OfFeed is the event that a list cannot be had, or has become stale.
func OfFeed(name, what, text string, at time.Time) Event {
	return Event{Kind: Feed, Time: at, Source: "feed " + name, Text: fmt.Sprintf("feed %s %s: %s", name, what, printable.Text(text, 600))}.finished()
}

// Ended is the event that a release in an emergency is over.
func Ended(l policy.Release, text string, at time.Time) Event {
	return Event{Kind: BreakGlass, Time: at, Text: text, Record: l.Record, Channel: l.Scope, SHA256: l.SHA256, Until: l.Until}.finished()
}
