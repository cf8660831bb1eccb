package proxy

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// record writes the decision to the log and has history know of it, or finds that the very same answer to the very same question is
// there from the last minutes.
func (x *transit) record(f *flight, d policy.Decision, facts *policy.Facts, in *Inquiry) (audit.Receipt, error) {
	g := x.gate
	key := receiptKey{
		client: x.ask.Client, digest: f.item.SHA256, scope: d.Channel, policy: d.Policy, action: d.Action, rule: d.Rule,
		why:   sha256.Sum256([]byte(strings.Join(d.Reasons, "\n"))),
		where: sha256.Sum256(fmt.Appendln(nil, canonicalURL(x.req.URL), f.artifact.Name, in.Private, in.Began)),
	}
	if f.again == nil && !advances(d, facts) {
		if receipt, ok := g.receipts.recall(key); ok {
			return receipt, nil
		}
	}
	rec := x.decisionRecord(f, d, facts, in)
	receipt, err := g.Append(rec)
	if err != nil {
		g.Metrics.recordFailed()
		return audit.Receipt{}, err
	}
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	g.Inquirer.changes.note(rec.ID, in.Kept)
	if g.Advance != nil {
		g.Advance(rec, &in.Report)
	}
	if f.again == nil {
		g.receipts.keep(key, receipt)
	}
	return receipt, nil
}

// advances reports whether a decision makes an update the latest release of one of its products, which it is not yet.
func advances(d policy.Decision, f *policy.Facts) bool {
	if d.Action != policy.Allow || d.Observed || !f.History.Known {
		return false
	}
	for i := range f.History.Editions {
		e := &f.History.Editions[i]
		latest := f.History.Past[e.Channel].Releases
		if e.Product != "" && (len(latest) == 0 || latest[0].SHA256 != f.Update.SHA256) {
			return true
		}
	}
	return false
}

func (x *transit) decisionRecord(f *flight, d policy.Decision, facts *policy.Facts, in *Inquiry) audit.Record {
	report := &in.Report
	findings, contents := audit.OfReport(*report)
	rec := audit.Record{
		Kind: audit.KindDecision, Client: x.auditClient(), Request: x.auditRequest(), Channel: d.Channel,
		Artifact: &audit.Artifact{
			Name: recordText(f.artifact.Name), Format: f.artifact.Format, Role: f.artifact.Role.String(), Size: f.item.Size,
			SHA256: f.item.SHA256, Product: recordText(report.Product), Version: recordText(report.Version),
		},
		Findings: findings, Contents: contents, Evidence: report.Evidence, Decision: audit.DecisionFrom(d), Editions: facts.History.Editions,
		Report: in.Kept, Facts: audit.CircumstancesOf(in.Policy, *facts), Private: in.Private,
		Began: in.Began,
	}
	if f.again != nil {
		rec.Client, rec.Decides = nil, f.again.record
		rec.Message = "judged again by itself, because the time that it had lacked was over"
	}
	return rec
}

// recordText makes a stranger's text fit for a record.
func recordText(s string) string { return printable.Text(s, 1000) }

func (x *transit) auditClient() *audit.Client {
	return &audit.Client{Addr: x.ask.Client.Addr.String(), User: x.ask.Client.User}
}

func (x *transit) auditRequest() *audit.Request {
	return &audit.Request{Method: x.req.Method, URL: audit.RedactURL(x.req.URL.String())}
}
