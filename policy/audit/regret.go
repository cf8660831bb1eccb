package audit

import (
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// MaxRegretted is how many accesses a regret record lists; its Count is of all.
const MaxRegretted = 200

func boundedRecall(r *Recall) *Recall {
	if r == nil {
		return nil
	}
	b := *r
	b.Reason, b.By = printable.Text(b.Reason, maxText), printable.Text(b.By, maxWord)
	return &b
}

func boundedRegret(r *Regret) *Regret {
	if r == nil {
		return nil
	}
	b := *r
	b.Source, b.Recall, b.Path = printable.Text(b.Source, maxWord), printable.Text(b.Recall, maxWord), printable.Text(b.Path, maxName)
	if b.Listing != nil {
		l := *b.Listing
		l.Feed, l.Kind, l.Path = printable.Text(l.Feed, maxWord), printable.Text(l.Kind, maxWord), printable.Text(l.Path, maxName)
		l.Match, l.Value, l.Label = "", printable.Text(RedactURL(l.Value), maxName), printable.Text(l.Label, maxName)
		b.Listing = &l
	}
	b.Allowed = make([]RegrettedAccess, 0, min(len(r.Allowed), MaxRegretted))
	for _, a := range r.Allowed[:min(len(r.Allowed), MaxRegretted)] {
		b.Allowed = append(b.Allowed, RegrettedAccess{
			Record: printable.Text(a.Record, maxWord), Time: a.Time.UTC().Truncate(time.Microsecond), Channel: printable.Text(a.Channel, maxScope),
			Rule: printable.Text(a.Rule, maxName), Received: a.Received,
		})
	}
	return &b
}

// lackOf says what a record of these kinds lacks.
func lackOf(r *Record) string {
	switch r.Kind {
	case KindRecall:
		if r.Recall == nil || r.Recall.SHA256.IsZero() {
			return "a recall with a digest"
		}
	case KindRegret:
		if r.Regret == nil || r.Artifact == nil || r.Artifact.SHA256.IsZero() {
			return "a regret and an artifact with its digest"
		}
	case KindApproval:
		if r.Approval == nil || r.Approval.Action == "" {
			return "an approval"
		}
	}
	return ""
}
