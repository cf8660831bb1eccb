package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"text/tabwriter"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// What strangers wrote, and there is little else in a record, is escaped before a terminal sees it.

// listRecords prints a record a line.
func listRecords(w io.Writer, records []audit.Record, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, r := range records {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range records {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Time.Local().Format(time.DateTime), r.ID, r.Kind, outcome(r), summary(r))
	}
	return t.Flush()
}

// outcome is the word that matters in a record.
func outcome(r audit.Record) string {
	switch {
	case r.Decision != nil && r.Decision.Observed:
		return "(" + r.Decision.Action.String() + ")"
	case r.Decision != nil:
		return r.Decision.Action.String()
	case r.Delivery != nil && r.Delivery.Complete:
		return "complete"
	case r.Delivery != nil:
		return "broken"
	}
	return "-"
}

// summary says in a few words what a record is about.
func summary(r audit.Record) string {
	client := ""
	if r.Client != nil {
		client = r.Client.Addr
		if r.Client.User != "" {
			client = r.Client.User + "@" + client
		}
		client = printable.Text(client, 60) + " "
	}
	switch {
	case r.Regret != nil:
		return regrettedSummary(r)
	case r.Recall != nil:
		return fmt.Sprintf("%s by %s: %s", r.Recall.SHA256, printable.Text(r.Recall.By, 60), printable.Text(r.Recall.Reason, 100))
	case r.Approval != nil:
		return fmt.Sprintf("%s %s: %s", printable.Text(r.Approval.Action, 20), approvalState(r.Approval), printable.Text(r.Approval.Reason, 100))
	case r.Release != nil:
		return fmt.Sprintf("%s on %s by %s: %s", artifactName(r), channelName(r.Release.Scope), releasedBy(r.Release), printable.Text(r.Release.Reason, 100))
	case r.Tunnel != nil:
		return client + printable.Text(r.Tunnel.Host, 100)
	case r.Delivery != nil:
		return fmt.Sprintf("%s%s, %s", client, artifactName(r), byteSize(r.Delivery.Sent))
	case r.Decision != nil:
		return fmt.Sprintf("%s%s: %s", client, artifactName(r), printable.Text(r.Decision.Rule, 80))
	}
	return client + printable.Text(r.Message, 160)
}

func artifactName(r audit.Record) string {
	switch {
	case r.Artifact != nil && r.Artifact.Name != "":
		return printable.Text(r.Artifact.Name, 80)
	case r.Artifact != nil:
		return r.Artifact.SHA256.String()[:16]
	case r.Release != nil:
		return r.Release.SHA256.String()[:16]
	case r.Request != nil:
		return requestedName(r.Request.URL)
	}
	return "-"
}

// requestedName is what the last part of a URL's path is called; the whole URL if it has none.
func requestedName(address string) string {
	u, err := url.Parse(address)
	if err != nil || path.Base(u.Path) == "." || path.Base(u.Path) == "/" {
		return orDash(printable.Text(address, 80))
	}
	return printable.Text(path.Base(u.Path), 80)
}

// printRecord prints all that a record says.
func printRecord(w io.Writer, r audit.Record) {
	p := paragraph{w}
	p.line("record", "%s, %s, %s", r.ID, r.Kind, r.Time.Local().Format(time.RFC3339))
	if r.Client != nil {
		p.line("client", "%s", r.Client.Addr)
		p.text("user", r.Client.User)
	}
	if r.Request != nil {
		p.line("request", "%s %s", printable.Text(r.Request.Method, 20), printable.Text(r.Request.URL, 2000))
	}
	if a := r.Artifact; a != nil {
		p.text("name", a.Name)
		p.line("file", "%s, %s, %d bytes", orDash(string(a.Format)), orDash(a.Role), a.Size)
		p.text("sha256", a.SHA256.String())
		if a.Product != "" || a.Version != "" {
			p.line("product", "%s %s", printable.Text(a.Product, 200), printable.Text(a.Version, 100))
		}
	}
	p.text("channel", r.Channel)
	p.verdict(r)
	if d := r.Delivery; d != nil {
		p.line("delivery", "%d, %d bytes sent, complete %t, mode %s", d.Status, d.Sent, d.Complete, printable.Text(d.Mode, 20))
		p.text("error", d.Error)
	}
	if t := r.Tunnel; t != nil {
		p.line("tunnel", "%s, %d bytes sent, %d received, %s", printable.Text(t.Host, 300), t.Sent, t.Received, printable.Text(t.Result, 200))
		p.text("sni", t.SNI)
	}
	if l := r.Release; l != nil {
		p.line("of", "%s on %s", l.SHA256, channelName(l.Scope))
		p.text("reason", l.Reason)
		p.text("by", l.By)
		if !l.Until.IsZero() {
			p.text("until", l.Until.Local().Format(time.RFC3339))
		}
		p.emergency(l)
	}
	if r.Recall != nil {
		p.recall(r.Recall)
	}
	if r.Regret != nil {
		p.regret(r.Regret)
	}
	if r.Approval != nil {
		p.approval(r.Approval)
	}
	if r.Loosening != nil {
		p.loosening(r.Loosening)
	}
	p.text("follows", r.Decides)
	p.text("message", r.Message)
	for _, field := range r.Deleted {
		p.text("deleted", field)
	}
	for _, field := range r.Altered {
		p.line("ALTERED", "%s is not what was recorded", printable.Text(field, 50))
	}
}

// verdict prints the decision and what it rests on.
func (p paragraph) verdict(r audit.Record) {
	if d := r.Decision; d != nil {
		observed := ""
		if d.Observed {
			observed = ", observed only: the bytes were delivered"
		}
		p.line("verdict", "%s by %s%s", d.Action, printable.Text(d.Rule, 200), observed)
		for _, reason := range d.Reasons {
			p.text("reason", reason)
		}
		if !d.Ripe.IsZero() {
			p.line("until", "%s: then it is let through by itself, if nothing but time passes", policy.RipeFrom(d.Ripe))
		}
		p.text("policy", d.Policy)
	}
	p.changes(r)
	p.contents(r.Contents)
	if len(r.Findings) > 0 {
		p.findings(r.Findings)
	}
	p.evidence(r.Evidence)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return printable.Text(s, 0)
}

// paragraph prints indented lines with a word in front.
type paragraph struct{ w io.Writer }

func (p paragraph) line(word, format string, args ...any) {
	fmt.Fprintf(p.w, "  %-8s %s\n", word, fmt.Sprintf(format, args...))
}

// text prints a line of foreign text, unless there is none.
func (p paragraph) text(word, text string) {
	if text != "" {
		p.line(word, "%s", printable.Text(text, 4000))
	}
}
