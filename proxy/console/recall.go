package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Recalls are the recalls in force.
type Recalls interface {
	// Standing returns what is recalled of an artifact and of what its report, or the history, says to be inside.
	Standing(artifact verify.Digest, report verify.Report) []policy.Recall
	// Regret finds out who got what a record recalls, writes it down and tells everybody; it returns how many decisions let it
	// through, of how many artifacts.
	Regret(ctx context.Context, recall audit.Record) (Regretted, error)
}

// Regretted counts who got what was recalled.
type Regretted struct {
	Artifacts int `json:"artifacts"` // that were let through and are, or contain, what was recalled
	Decisions int `json:"decisions"` // that let them through
}

// RecallOrder takes bytes back that were let through, or lets them through again.
type RecallOrder struct {
	SHA256 verify.Digest `json:"sha256"` // of an update, or of a file inside updates
	Reason string        `json:"reason"`
	By     string        `json:"by"`
	Lift   bool          `json:"lift,omitempty"` // an earlier recall of them ends
}

// RecallDone is what became of a RecallOrder.
type RecallDone struct {
	Record string `json:"record"`
	Regretted
}

// Recall takes bytes back: from the moment of the record on nothing that is, or contains, them is let through. It says how many
// were let through before.
func (o *Operator) Recall(ctx context.Context, order RecallOrder) (RecallDone, error) {
	if order.SHA256.IsZero() {
		return RecallDone{}, fmt.Errorf("%w: it names no digest", ErrOrder)
	}
	if err := (Order{Reason: order.Reason}).check(o.now()); err != nil {
		return RecallDone{}, err
	}
	if o.Recalls == nil {
		return RecallDone{}, fmt.Errorf("nothing can be recalled: the history is not known")
	}
	rec, err := o.recall(order)
	if err != nil {
		return RecallDone{}, err
	}
	done := RecallDone{Record: rec.ID}
	if order.Lift {
		return done, nil
	}
	if done.Regretted, err = o.Recalls.Regret(ctx, rec); err != nil { // other orders do not wait for that
		return done, fmt.Errorf("the recall is in force as %s, but who got it could not be found out: %w", rec.ID, err)
	}
	return done, nil
}

// recall records a recall, or that one ends.
func (o *Operator) recall(order RecallOrder) (audit.Record, error) {
	o.orders.Lock()
	defer o.orders.Unlock()
	is := func(r policy.Recall) bool { return r.SHA256 == order.SHA256 }
	if order.Lift && !slices.ContainsFunc(o.Recalls.Standing(order.SHA256, verify.Report{}), is) {
		return audit.Record{}, fmt.Errorf("%s: no recall of it: %w", order.SHA256, ErrNotFound)
	}
	rec := audit.Record{Kind: audit.KindRecall, Recall: &audit.Recall{SHA256: order.SHA256, Reason: order.Reason, By: order.By, Lifted: order.Lift}}
	receipt, err := o.Append(rec)
	if err != nil {
		return audit.Record{}, fmt.Errorf("recording the recall; nothing is changed: %w", err)
	}
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	return rec, nil
}

// notRecalled keeps from releasing by hand what the gate would refuse all the same.
func (o *Operator) notRecalled(t target) error {
	if o.Recalls == nil {
		return nil
	}
	report := verify.Report{Contents: &verify.Contents{}}
	if rec, err := o.Record(t.decides); err == nil && rec.Contents != nil {
		for _, in := range rec.Contents.Inner {
			report.Contents.Inner = append(report.Contents.Inner, verify.Inner{Path: in.Path, SHA256: in.SHA256})
		}
	}
	standing := o.Recalls.Standing(t.digest, report)
	if len(standing) == 0 {
		return nil
	}
	r := standing[0]
	what := "it"
	if r.SHA256 != t.digest {
		what = "a file inside, sha256 " + r.SHA256.String() + ","
	}
	return &recalled{strings.TrimSpace(fmt.Sprintf("%s was recalled by %s at %s: %s", what, printable.Text(r.By, 60),
		r.At.UTC().Format("2006-01-02 15:04:05 UTC"), printable.Text(r.Reason, 300))), r.SHA256}
}

// recalled says that a release would change nothing.
type recalled struct {
	text   string
	digest verify.Digest
}

func (r *recalled) Error() string {
	return fmt.Sprintf("%v: %s; no release overrides that", ErrOrder, r.text)
}

// Is makes it an ErrOrder.
func (r *recalled) Is(target error) bool { return target == ErrOrder }

// Hint is what to do instead.
func (r *recalled) Hint() string {
	return "if it turned out to be harmless: `sallyport audit recall " + r.digest.String() + " --lift --reason …`"
}
