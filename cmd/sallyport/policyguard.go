package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
	"github.com/sallyport-project/sallyport/proxy/console"
)

// confirmCommand is what puts a policy in force that loosens.
const confirmCommand = "sallyport policy reload --confirm-loosening"

// loosening says what a policy would let through that was refused in the last 30 days and that the policy in force refuses.
func (o *owner) loosening(ctx context.Context, inForce, next *policy.Policy) (*replay.Loosened, error) {
	return replay.Loosening(ctx, replay.Guard{Log: o.dir.log(), Reports: o.reports, InForce: inForce, Next: next, Now: o.config.clock()})
}

// loosens is the error of a policy that does not come into force because nobody has confirmed what it loosens.
type loosens struct{ *replay.Loosened }

// looseningPrefix begins what is said of a policy that is not in force because it loosens.
const looseningPrefix = "it loosens: "

func (l *loosens) Error() string {
	return looseningPrefix + strings.Join(loosenedSentences(l.Loosened), "; ")
}

// Hint is how it comes into force.
func (l *loosens) Hint() string { return "if that is meant, `" + confirmCommand + "` puts it in force" }

// loosenedSentences says what a policy loosens, the worst first.
func loosenedSentences(l *replay.Loosened) []string {
	var out []string
	if l.Count > 0 {
		out = append(out, fmt.Sprintf("it would let through %s of the last 30 days, such as %s", count(int(l.Count), "refusal"), firstExample(l.Allowed)))
	}
	if l.Maybe > 0 {
		out = append(out, fmt.Sprintf("it might let through %s of them, which nobody can tell without examining them again, such as %s", count(int(l.Maybe), "other"), firstExample(l.Perhaps)))
	}
	for _, c := range []struct {
		what string
		list []string
	}{
		{"it would no longer look at what comes from ", l.Unseen},
		{"it would no longer refuse whatever comes from ", l.Undenied},
		{"it would only observe, and stop nothing on, ", l.Observed},
		{"it would no longer keep other clients from channel ", l.Admitted},
	} {
		if len(c.list) > 0 {
			out = append(out, c.what+printable.Text(strings.Join(c.list, ", "), 300))
		}
	}
	for _, fewer := range l.Fewer {
		out = append(out, "under it "+fewer)
	}
	if l.Cut != "" {
		out = append(out, l.Cut)
	}
	return out
}

func firstExample(groups []replay.Group) string {
	for _, g := range groups {
		for _, e := range g.Examples {
			return fmt.Sprintf("%s, refused by %s on %s (record %s)", printable.Text(e.Name, 100), printable.Text(g.Before, 100), e.Time.UTC().Format("2006-01-02"), printable.Text(e.Record, 60))
		}
	}
	return "some that are not listed"
}

// looseningRecord is what the log says of a policy that loosens.
func looseningRecord(l *replay.Loosened, before *policy.Policy) *audit.Loosening {
	r := &audit.Loosening{
		Before: "sha256:" + before.Digest().String(), Allowed: l.Count, Perhaps: l.Maybe, Judged: l.Judged,
		Unseen: l.Unseen, Undenied: l.Undenied, Observed: l.Observed, Admitted: l.Admitted, Fewer: l.Fewer,
	}
	for _, groups := range [][]replay.Group{l.Allowed, l.Perhaps} {
		for _, g := range groups {
			for _, e := range g.Examples {
				r.Records = append(r.Records, e.Record)
			}
		}
	}
	return r
}

// consent is who has confirmed that a policy comes into force although it loosens.
type consent struct {
	by        string
	reason    string
	approvers []string
}

// confirm has enough people agree that a policy comes into force, by the rules of the one that is, and then calls do. Asked is not nil
// where more of them are needed.
func (f *policyFile) confirm(ctx context.Context, p *policy.Policy, order console.ReloadOrder, do func(consent) error) (*console.Asked, error) {
	given := consent{by: order.By, reason: order.Reason}
	people := f.current.Load().Approval().Loosening.People
	if people == 1 {
		return nil, do(given)
	}
	if order.As == nil || f.approvals == nil {
		return nil, advise(fmt.Errorf("the policy in force wants %d people for this, each of whom proves who they are", people), confirmCommand+" --as NAME, by each of them")
	}
	asked, err := f.approvals.Ask(ctx, console.Subject{Action: console.ActionLoosening, Policy: p.Digest(), Reason: order.Reason}, "", people, *order.As,
		func(all console.Asked) error {
			given.approvers = all.By
			return do(given)
		})
	if err != nil || asked.Missing() == 0 {
		return nil, err
	}
	return &asked, nil
}
