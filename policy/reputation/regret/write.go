package regret

import (
	"context"
	"fmt"
	"math"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// source is who says that something is bad.
type source struct {
	feed   string
	entry  reputation.Entry
	recall *audit.Record // instead of a feed
}

// name is the source as records name it.
func (s source) name() string {
	if s.recall != nil {
		return s.recall.Recall.By
	}
	return "feed " + s.feed
}

// matter is what is regretted, and why: one artifact, one entry of one list or one recall.
type matter struct {
	artifact verify.Digest
	source   string // "feed NAME", or "" for a recall
	what     string // kind and value of the entry, or the id of the recall's record
}

func (s source) matter(artifact verify.Digest) matter {
	if s.recall != nil {
		return matter{artifact, "", s.recall.ID}
	}
	return matter{artifact, s.name(), s.entry.Kind.String() + " " + s.entry.Value}
}

// matterOf is what a record of the log regrets.
func matterOf(r *audit.Record) matter {
	if l := r.Regret.Listing; l != nil {
		return matter{r.Artifact.SHA256, r.Regret.Source, l.Kind + " " + l.Value}
	}
	return matter{r.Artifact.SHA256, "", r.Regret.Recall}
}

// load reads what was told of before. The caller holds writing.
func (t *Tracker) load(ctx context.Context) error {
	if t.told != nil {
		return nil
	}
	records, err := audit.List(ctx, t.o.LogDir, audit.Filter{Kind: audit.KindRegret, Limit: math.MaxInt32})
	if err != nil {
		return fmt.Errorf("reading what was regretted before: %w", err)
	}
	t.told = map[matter]string{}
	for i := range records {
		r := &records[i]
		if r.Regret == nil || r.Artifact == nil {
			continue
		}
		t.toldUntil(matterOf(r), latest(r.Regret.Allowed))
	}
	return nil
}

// latest returns the id of the latest decision; ids sort as the log is ordered.
func latest(list []audit.RegrettedAccess) (id string) {
	for _, a := range list {
		id = max(id, a.Record)
	}
	return id
}

func (t *Tracker) toldUntil(m matter, id string) { t.told[m] = max(t.told[m], id) }

// regret writes down who got an artifact, as far as that was not written down before, and tells everybody. It returns how many
// decisions let it through that were not told of before.
func (t *Tracker) regret(ctx context.Context, artifact verify.Digest, path string, s source) (int, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	if err := t.load(ctx); err != nil {
		return 0, err
	}
	m := s.matter(artifact)
	found, err := t.accesses(ctx, artifact, t.told[m])
	if err != nil || found.count == 0 {
		return 0, err
	}
	rec := found.record(artifact, path, s)
	receipt, err := t.o.Append(rec)
	if err != nil {
		return 0, fmt.Errorf("recording a regret: %w", err)
	}
	t.toldUntil(m, found.decisions[0].ID)
	rec.ID, rec.Time = receipt.ID(), t.o.Now()
	t.o.Tell(rec, found.decisions)
	return found.count, nil
}

// record is the account of what was found.
func (a *accesses) record(artifact verify.Digest, path string, s source) audit.Record {
	newest := &a.decisions[0]
	r := audit.Record{
		Kind: audit.KindRegret, Channel: newest.Channel, Decides: newest.ID,
		Artifact: &audit.Artifact{SHA256: artifact},
		Regret:   &audit.Regret{Source: s.name(), Path: path, Count: a.count},
	}
	if newest.Artifact != nil {
		*r.Artifact = *newest.Artifact
	}
	for i := range a.decisions {
		d := &a.decisions[i]
		r.Regret.Allowed = append(r.Regret.Allowed, audit.RegrettedAccess{Record: d.ID, Time: d.Time, Channel: d.Channel, Rule: d.Decision.Rule, Received: a.received[d.ID]})
	}
	if s.recall != nil {
		r.Regret.Recall = s.recall.ID
	} else {
		r.Regret.Listing = &policy.Listing{
			Feed: s.feed, Path: path, Kind: s.entry.Kind.String(), Value: s.entry.Value, Label: s.entry.Label, Listed: s.entry.Listed, Line: s.entry.Line,
		}
	}
	r.Message = a.sentence(r, s)
	return r
}

// sentence says it to a person.
func (a *accesses) sentence(r audit.Record, s source) string {
	what := printable.Text(r.Artifact.Name, 120)
	if what == "" {
		what = "sha256 " + r.Artifact.SHA256.String()
	}
	times := fmt.Sprintf("%d times, last", a.count)
	if a.count == 1 {
		times = "once,"
	}
	text := fmt.Sprintf("%s was let through %s at %s by %s, and ", what, times, a.decisions[0].Time.UTC().Format("2006-01-02 15:04:05 UTC"), printable.Text(a.decisions[0].Decision.Rule, 160))
	subject := "is now known to be bad"
	if r.Regret.Path != "" {
		subject = "has something inside that is now known to be bad, " + printable.Text(r.Regret.Path, 200)
	}
	if s.recall != nil {
		return text + fmt.Sprintf("%s: recalled by %s: %s", subject, printable.Text(s.name(), 60), printable.Text(s.recall.Recall.Reason, 300))
	}
	text += fmt.Sprintf("%s: feed %s lists %s %s", subject, s.feed, s.entry.Kind, printable.Text(s.entry.Value, 200))
	if s.entry.Label != "" {
		text += " as " + printable.Text(s.entry.Label, 200)
	}
	return text
}
