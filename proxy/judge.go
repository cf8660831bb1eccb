package proxy

import (
	"crypto/sha256"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// judge decides about a landed flight's artifact for one client, by the policy in force now, records the decision and
// settles the item. It returns the content, or the refusal.
func (x *transit) judge(f *flight) (*quarantine.Content, audit.Receipt, *refusal) {
	f.judged.Store(true)
	d, report, refused := x.decide(f)
	if refused != nil {
		return nil, audit.Receipt{}, refused
	}
	receipt, err := x.record(f, d, report)
	if err != nil {
		x.gate.Logger.Error("recording a decision: nothing is released", zap.Error(err))
		return nil, audit.Receipt{}, &refusal{Kind: kindUnavailable, Channel: d.Channel, RetryAfter: time.Minute,
			Detail: "the decision could not be written to the log, and without that nothing is let through"}
	}
	content, err := x.gate.Vault.Settle(f.item, d.Channel, receipt, quarantine.Origin{
		Name: f.artifact.Name, URL: redactedURL(x.req.URL), Format: f.artifact.Format, Record: receipt.ID(),
	})
	if err != nil && refuses(d) {
		x.gate.Logger.Warn("keeping what was refused", zap.Error(err), zap.String("record", receipt.ID())) // the refusal stands
	} else if err != nil {
		x.gate.Logger.Error("settling an update", zap.Error(err), zap.String("record", receipt.ID()))
		return nil, receipt, &refusal{Kind: kindUnavailable, Channel: d.Channel, Record: receipt.ID(), RetryAfter: time.Minute,
			Detail: "the proxy could not keep the file"}
	}
	x.gate.rememberObject(f, d)
	x.session.note(zap.String("action", d.Action.String()), zap.Bool("observed", d.Observed), zap.String("rule", d.Rule),
		zap.String("record", receipt.ID()), zap.Stringer("sha256", f.item.SHA256))
	if content == nil {
		r := verdictRefusal(d, receipt.ID(), f.item.SHA256)
		return nil, receipt, &r
	}
	return content, receipt, nil
}

// refuses reports whether a decision lets nothing through.
func refuses(d policy.Decision) bool { return d.Action != policy.Allow && !d.Observed }

// decide asks the policy; once more if another one came into force meanwhile.
func (x *transit) decide(f *flight) (policy.Decision, verify.Report, *refusal) {
	g := x.gate
	for {
		x.renew()
		p := x.policy
		if r := x.planned(); r != nil {
			return policy.Decision{}, verify.Report{}, r
		}
		report := f.reports.under(g.closing, g, x, f.artifact, g.trustUnder(p).only(x.plan.Anchors))
		now := g.Now()
		d := p.Decide(policy.Facts{
			Request: x.ask, Report: report, Now: now,
			Update: policy.Update{
				Name: f.artifact.Name, Format: f.artifact.Format, Role: f.artifact.Role, Size: f.item.Size, SHA256: f.item.SHA256,
			},
			Releases:   g.Releases.For(f.item.SHA256, x.plan.Scope, now),
			Reputation: g.feeds(x, f.artifact, report, now),
		})
		if g.closing.Err() != nil { // then neither the examination nor the feeds may have got to their end, and deny rules not have been heard
			return policy.Decision{}, verify.Report{}, &refusal{Kind: kindUnavailable, Channel: d.Channel, RetryAfter: time.Minute, Detail: "the proxy is being stopped"}
		}
		if g.Policy() == p {
			return d, report, nil
		}
	}
}

// record writes the decision to the log, or finds that the very same answer to the very same question is there from
// the last minutes.
func (x *transit) record(f *flight, d policy.Decision, report verify.Report) (audit.Receipt, error) {
	key := receiptKey{x.ask.Client, f.item.SHA256, d.Channel, d.Policy, d.Action, d.Rule, sha256.Sum256([]byte(strings.Join(d.Reasons, "\n")))}
	if receipt, ok := x.gate.receipts.recall(key); ok {
		return receipt, nil
	}
	findings, contents := audit.OfReport(report)
	receipt, err := x.gate.Append(audit.Record{
		Kind: audit.KindDecision, Client: x.auditClient(), Request: x.auditRequest(), Channel: d.Channel,
		Artifact: &audit.Artifact{
			Name: recordText(f.artifact.Name), Format: f.artifact.Format, Role: f.artifact.Role.String(), Size: f.item.Size,
			SHA256: f.item.SHA256, Product: recordText(report.Product), Version: recordText(report.Version),
		},
		Findings: findings, Contents: contents, Evidence: report.Evidence, Decision: audit.DecisionFrom(d),
	})
	if err != nil {
		x.gate.Metrics.recordFailed()
		return audit.Receipt{}, err
	}
	x.gate.receipts.keep(key, receipt)
	return receipt, nil
}

// recordText makes a stranger's text fit for a record.
func recordText(s string) string { return printable.Text(s, 1000) }

func (x *transit) auditClient() *audit.Client {
	return &audit.Client{Addr: x.ask.Client.Addr.String(), User: x.ask.Client.User}
}

func (x *transit) auditRequest() *audit.Request {
	return &audit.Request{Method: x.req.Method, URL: audit.RedactURL(x.req.URL.String())}
}

// rememberObject lets the next client have what this flight brought, after asking the origin whether it still is the
// same. What is not kept in the vault is not remembered.
func (g *Gate) rememberObject(f *flight, d policy.Decision) {
	if f.object == nil || d.Observed || d.Action == policy.Block {
		return
	}
	f.remember.Do(func() {
		f.object.SHA256 = f.item.SHA256
		if err := g.Vault.Remember(*f.object); err != nil {
			g.Logger.Warn("remembering where an update came from", zap.Error(err))
		}
	})
}

// verdictRefusal puts a refusing decision to the client.
func verdictRefusal(d policy.Decision, record string, digest verify.Digest) refusal {
	kind := kindBlocked
	if d.Action == policy.Quarantine {
		kind = kindQuarantined
	}
	return refusal{
		Kind: kind, Detail: strings.Join(d.Reasons, "; "), Channel: d.Channel, Rule: d.Rule, Record: record,
		SHA256: digest, Policy: d.Policy,
	}
}
