package replay

import (
	"errors"
	"strings"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// retry puts a recorded decision to a policy. missing says that its report is not kept; the error is the store's.
func (j *judge) retry(r audit.Record, p *policy.Policy) (t *policy.Retrial, missing bool, err error) {
	report, memory, err := j.reports.load(r.Report)
	if errors.Is(err, audit.ErrNoReport) {
		missing, err = true, nil
	}
	f := audit.FactsOf(r, report)
	f.Releases = j.releases.at(f.Update.SHA256, r.Time)
	var asked policy.Asked
	if r.Facts != nil && !missing {
		asked = r.Facts.Asked
	}
	t = p.Retry(f, asked, audit.Lost(r, p))
	if !missing {
		t.Remember(memory)
	}
	return t, missing, err
}

// verdict is what a policy says of a recorded decision.
type verdict struct {
	decision policy.Decision
	through  bool     // the bytes go out
	unseen   bool     // without being looked at
	open     []string // why it cannot be told; then nothing else counts
}

// notKept is why nothing can be told of an update whose report is gone.
const notKept = "its report is not kept, so that it would have to be examined again"

// told judges, and says what is open only where that can make a difference.
func told(t *policy.Retrial, missing bool) verdict {
	if gone := t.Gone(); len(gone) > 0 {
		return verdict{open: gone}
	}
	plan := t.Plan()
	if plan.Refusal == nil && !plan.Inspect {
		return verdict{through: true, unseen: true, decision: policy.Decision{
			Action: policy.Allow, Rule: "defaults.hosts", Reasons: []string{"the policy does not look at what comes from this host"},
		}}
	}
	d := t.Decide()
	switch questions := t.Open(); {
	case plan.Refusal != nil || denied(d):
		return verdict{decision: d}
	case missing:
		return verdict{open: []string{notKept}}
	case len(questions) > 0 && (through(t.Best()) != through(d) || through(t.Worst()) != through(d)):
		return verdict{open: questions}
	}
	return verdict{decision: d, through: through(d)}
}

// through reports whether a decision lets the bytes go out.
func through(d policy.Decision) bool { return d.Action == policy.Allow || d.Observed }

// denied reports whether a decision rests on something that was found and that nothing else outweighs.
func denied(d policy.Decision) bool {
	return d.Action == policy.Block && (strings.HasPrefix(d.Rule, "deny ") || strings.HasPrefix(d.Rule, "recall "))
}
