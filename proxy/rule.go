package proxy

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// ruling is a decision that is in the log.
type ruling struct {
	decision policy.Decision
	facts    policy.Facts
	receipt  audit.Receipt
}

// rule decides about a flight's artifact and records the decision; once more if another policy came into force meanwhile.
func (x *transit) rule(ctx context.Context, f *flight) (ruling, *refusal) {
	g := x.gate
	for {
		x.renew()
		if r := x.planned(); r != nil {
			return ruling{}, r
		}
		in := x.inquiry(ctx, f)
		facts := g.Inquirer.gather(ctx, &in)
		if ctx.Err() != nil { // then neither the examination nor the feeds may have got to their end, and deny rules not have been heard
			return ruling{}, &refusal{Kind: kindUnavailable, Channel: x.plan.Scope, RetryAfter: time.Minute, Detail: "the proxy is being stopped"}
		}
		ruled, err := x.inTurn(f, &in, facts)
		if err != nil {
			g.Logger.Error("recording a decision: nothing is released", zap.Error(err))
			return ruling{}, &refusal{Kind: kindUnavailable, Channel: ruled.decision.Channel, RetryAfter: time.Minute,
				Detail: "the decision could not be written to the log, and without that nothing is let through"}
		}
		if !ruled.receipt.IsZero() {
			return ruled, nil
		}
	}
}

// inTurn decides and records while no other file of the same address or product is decided about: who comes after finds this
// decision in the history. There is no receipt if the policy is not in force any more.
func (x *transit) inTurn(f *flight, in *Inquiry, facts policy.Facts) (r ruling, err error) {
	g := x.gate
	leave := g.turns.enter(facts.Update.SHA256, subjectsOf(x.req.URL, in.Began, facts.History.Editions))
	defer leave()
	g.Inquirer.remember(&facts, in)
	r.facts, r.decision = facts, in.Policy.Decide(facts)
	if g.Policy() != in.Policy {
		return r, nil
	}
	r.receipt, err = x.record(f, r.decision, &facts, in)
	return r, err
}

// subjectsOf names what decisions have to know of one another about: the address, whatever its query, what stands for the one that was
// asked for first, and the products.
func subjectsOf(u *url.URL, began string, editions []policy.Edition) []string {
	var out []string
	if began != "" {
		out = append(out, "began "+began)
	}
	if u != nil {
		out = append(out, "url "+originOf(u)+u.EscapedPath())
	}
	for i := range editions {
		if e := &editions[i]; e.Product != "" {
			out = append(out, "product "+e.Channel+"\n"+e.Product)
		}
	}
	return out
}

// inquiry is what x wants to know about a flight's artifact.
func (x *transit) inquiry(ctx context.Context, f *flight) Inquiry {
	g := x.gate
	in := Inquiry{
		Policy: x.policy, Plan: x.plan, Request: x.ask, Artifact: f.artifact, Sources: x.sources(), Origin: x.beginning(),
		Claims: f.claims(), Private: f.private, Now: g.Now(),
	}
	switch {
	case f.again != nil:
		in.Began, in.Asked = f.again.began, f.again.asked
	default:
		in.Fields = f.leader.impersonal()
		if in.Origin != x.req.URL && g.Inquirer.Address != nil {
			in.Began, in.Asked = g.Inquirer.Address(in.Origin), recordText(baseName(in.Origin.Path))
		}
	}
	found := f.reports.under(ctx, g, x, f, &in)
	in.Report, in.Kept, in.Answers, in.Now = found.report, found.kept, found.answers, g.Now()
	return in
}

// beginning is the address whose answer is the update: what was asked for first, if redirects led from there to the request's.
func (x *transit) beginning() *url.URL {
	if len(x.ask.Carried) > 0 {
		if first := x.gate.redirects.began(x.ask.Client, x.req.URL); first != nil {
			return first
		}
	}
	return x.req.URL
}

// claims are the times of publication that the origin claims for what it has sent.
func (f *flight) claims() []policy.Claim {
	if f.again != nil {
		return f.again.claims
	}
	at, err := http.ParseTime(f.header.Get("Last-Modified"))
	if err != nil {
		return nil
	}
	return []policy.Claim{{Source: "Last-Modified", At: at.UTC()}}
}
