package proxy

import (
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// judge decides about a landed flight's artifact for one client, by the policy in force now, records the decision and
// settles the item. It returns the content, or the refusal.
func (x *transit) judge(f *flight) (*quarantine.Content, audit.Receipt, *refusal) {
	f.judged.Store(true)
	ruled, refused := x.rule(x.gate.closing, f)
	if refused != nil {
		return nil, audit.Receipt{}, refused
	}
	d, receipt := ruled.decision, ruled.receipt
	content, err := x.gate.Vault.Settle(f.item, d.Channel, receipt, quarantine.Origin{
		Name: f.artifact.Name, URL: redactedURL(x.req.URL), Format: f.artifact.Format, Record: receipt.ID(),
	})
	if err != nil && refuses(d) {
		x.gate.Logger.Warn("keeping what was refused", zap.Error(err), zap.String("record", receipt.ID())) // the refusal stands
	} else if err != nil {
		x.gate.Logger.Error("settling an update", zap.Error(err), zap.String("record", receipt.ID()))
		return nil, receipt, &refusal{Kind: kindUnavailable, Channel: d.Channel, Record: receipt.ID(), RetryAfter: time.Minute,
			Detail: "the proxy could not keep the file"}
	} else if ripens(d) {
		x.gate.ripening.add(f.item.SHA256, d.Channel, receipt.ID(), d.Ripe)
	} else if d.Action == policy.Quarantine && !d.Observed && x.gate.Inquirer.Past != nil && !ruled.facts.History.Known {
		x.gate.ripening.add(f.item.SHA256, d.Channel, receipt.ID(), x.gate.Now().Add(ripenSoon))
	}
	x.gate.rememberObject(f, d)
	x.session.note(zap.String("action", d.Action.String()), zap.Bool("observed", d.Observed), zap.String("rule", d.Rule),
		zap.String("record", receipt.ID()), zap.Stringer("sha256", f.item.SHA256))
	if content == nil {
		r := verdictRefusal(d, receipt.ID(), f.item.SHA256)
		r.Changes = changesInBrief(ruled.facts.Changes)
		return nil, receipt, &r
	}
	return content, receipt, nil
}

// refuses reports whether a decision lets nothing through.
func refuses(d policy.Decision) bool { return d.Action != policy.Allow && !d.Observed }

// ripens reports whether a decision keeps an update for no other reason than its age.
func ripens(d policy.Decision) bool {
	return d.Action == policy.Quarantine && !d.Observed && !d.Ripe.IsZero()
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
		SHA256: digest, Policy: d.Policy, Ripe: d.Ripe,
	}
}
