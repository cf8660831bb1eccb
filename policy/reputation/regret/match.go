package regret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/verify"
)

// fewEntries is up to how many new entries are looked for in the history one by one; of more, everything that is known is looked for
// among the entries.
const fewEntries = 5000

// listed regrets what a list has come to name.
func (t *Tracker) listed(ctx context.Context, c *change) error {
	var errs []error
	if c.Kinds().Has(reputation.KindSHA256) {
		if c.Added <= fewEntries {
			errs = append(errs, t.byEntry(ctx, &c.Notice))
		} else {
			errs = append(errs, t.byDigest(ctx, &c.Notice))
		}
	}
	if walkable(c.Kinds()) {
		errs = append(errs, t.walk(ctx, &c.Notice))
	}
	if left := unknowable(c.Kinds()); len(left) > 0 {
		t.o.Note(fmt.Sprintf("feed %s has entries of kinds that are not kept of what was let through before, so that they are found only in what is fetched again: %s",
			c.Feed, strings.Join(left, ", ")))
	}
	return errors.Join(errs...)
}

// unknowable are the kinds of entries that nothing in the past can be compared with.
func unknowable(has reputation.Kinds) (names []string) {
	for _, k := range []reputation.Kind{reputation.KindMD5, reputation.KindSHA1, reputation.KindSHA512, reputation.KindCertSHA1, reputation.KindCertSerial} {
		if has.Has(k) {
			names = append(names, k.String())
		}
	}
	return names
}

// byEntry looks for each new entry in the history.
func (t *Tracker) byEntry(ctx context.Context, n *reputation.Notice) error {
	for e, err := range n.AddedEntries() {
		if err != nil {
			return err
		}
		if e.Kind != reputation.KindSHA256 || over(e, t) {
			continue
		}
		digest, err := verify.ParseDigest(e.Value)
		if err != nil {
			continue
		}
		if err := t.holders(ctx, digest, source{feed: n.Feed, entry: e}); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// over reports whether an entry has ended.
func over(e reputation.Entry, t *Tracker) bool {
	return !e.Until.IsZero() && !t.o.Now().Before(e.Until)
}

// byDigest looks for everything that is known among the new entries.
func (t *Tracker) byDigest(ctx context.Context, n *reputation.Notice) error {
	var found []reputation.Hit
	err := t.o.Ledger.Each(ctx, func(d ledger.Digest) error {
		hits, err := n.Match(reputation.Subject{SHA256: d.SHA256, At: t.o.Now()})
		found = append(found, hits...)
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		return err
	}
	for _, h := range found {
		digest, err := verify.ParseDigest(h.Match)
		if err != nil {
			continue
		}
		if err := t.holders(ctx, digest, source{feed: n.Feed, entry: h.Entry}); err != nil {
			return err
		}
	}
	return nil
}

// holders regrets all that was let through and is, or contains, a digest.
func (t *Tracker) holders(ctx context.Context, digest verify.Digest, s source) error {
	holders, err := t.o.Ledger.Holders(ctx, digest)
	if err != nil {
		return err
	}
	for _, h := range holders {
		path := ""
		if len(h.Paths) > 0 && h.SHA256 != digest {
			path = h.Paths[0]
		}
		if _, err := t.regret(ctx, h.SHA256, path, s); err != nil {
			return err
		}
	}
	return nil
}

// Recalled regrets all that was let through and is, or contains, what a record recalls.
func (t *Tracker) Recalled(ctx context.Context, recall audit.Record) (Count, error) {
	var sum Count
	r := recall.Recall
	if r == nil || r.Lifted {
		return sum, nil
	}
	holders, err := t.o.Ledger.Holders(ctx, r.SHA256)
	if err != nil {
		return sum, err
	}
	for _, h := range holders {
		path := ""
		if len(h.Paths) > 0 && h.SHA256 != r.SHA256 {
			path = h.Paths[0]
		}
		n, err := t.regret(ctx, h.SHA256, path, source{recall: &recall})
		if err != nil {
			return sum, err
		}
		if n > 0 {
			sum.Artifacts++
			sum.Decisions += n
		}
	}
	return sum, nil
}

// Count is how much was let through that is regretted.
type Count struct {
	Artifacts int
	Decisions int // that let them through, and were not told of before
}

// caught regrets one decision that was under way when something changed.
func (t *Tracker) caught(ctx context.Context, rec audit.Record) error {
	if !wentOut(&rec) {
		return t.judgedBad(ctx, rec)
	}
	whole := reportOf(&rec, nil)
	if t.o.Report != nil && !rec.Report.IsZero() {
		if r, err := t.o.Report(rec.Report); err == nil {
			whole = r
		}
	}
	var errs []error
	for _, r := range t.o.Ledger.Recalls(rec.Artifact.SHA256, whole) {
		_, err := t.regret(ctx, rec.Artifact.SHA256, r.Path, recalledBy(r))
		errs = append(errs, err)
	}
	t.mu.Lock()
	changes := append([]recent(nil), t.recent...)
	t.mu.Unlock()
	for _, c := range changes {
		errs = append(errs, t.match(ctx, c.notice, &rec, whole))
	}
	return errors.Join(errs...)
}

// judgedBad regrets what a refusal says is bad.
func (t *Tracker) judgedBad(ctx context.Context, rec audit.Record) error {
	var errs []error
	for _, r := range rec.Facts.Recalls {
		_, err := t.regret(ctx, rec.Artifact.SHA256, r.Path, recalledBy(r))
		errs = append(errs, err)
	}
	if rec.Facts.Reputation == nil {
		return errors.Join(errs...)
	}
	for _, l := range rec.Facts.Reputation.Listings {
		e := reputation.Entry{Value: l.Value, Label: l.Label, Listed: l.Listed, Line: l.Line}
		if l.Unclear || t.o.Ignore != nil && t.o.Ignore(l.Feed) || e.Kind.UnmarshalText([]byte(l.Kind)) != nil {
			continue
		}
		_, err := t.regret(ctx, rec.Artifact.SHA256, l.Path, source{feed: l.Feed, entry: e})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// recalledBy is a recall as a source.
func recalledBy(r policy.Recall) source {
	return source{recall: &audit.Record{
		ID: r.Record, Time: r.At, Kind: audit.KindRecall, Recall: &audit.Recall{SHA256: r.SHA256, Reason: r.Reason, By: r.By},
	}}
}

// match regrets what the new entries of a list say of one decision.
func (t *Tracker) match(ctx context.Context, n *reputation.Notice, rec *audit.Record, whole verify.Report) error {
	var errs []error
	for _, s := range subjects(rec, whole) {
		s.At = t.o.Now()
		hits, err := n.Match(s)
		errs = append(errs, err)
		for _, h := range hits {
			if h.Unclear {
				continue
			}
			_, err := t.regret(ctx, rec.Artifact.SHA256, h.Path, source{feed: n.Feed, entry: h.Entry})
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// wentOut reports whether a record is a decision that let its artifact go, be it only because it was observed.
func wentOut(r *audit.Record) bool {
	return r.Kind == audit.KindDecision && r.Artifact != nil && !r.Artifact.SHA256.IsZero() && r.Decision != nil &&
		(r.Decision.Action == policy.Allow || r.Decision.Observed)
}

// reportOf returns a decision's report, or what its record says of it.
func reportOf(rec *audit.Record, report *verify.Report) verify.Report {
	if report != nil {
		return *report
	}
	var r verify.Report
	for _, f := range rec.Findings {
		r.Findings = append(r.Findings, verify.Finding{Subject: f.Subject, Method: f.Method, Status: f.Status, Attestation: f.Attestation})
	}
	if c := rec.Contents; c != nil {
		r.Contents = &verify.Contents{}
		for _, in := range c.Inner {
			r.Contents.Inner = append(r.Contents.Inner, verify.Inner{Path: in.Path, SHA256: in.SHA256})
		}
	}
	return r
}

// subjects is what can be looked up of a decision.
func subjects(rec *audit.Record, whole verify.Report) []reputation.Subject {
	s := reputation.Subject{SHA256: rec.Artifact.SHA256}
	if rec.Request != nil && rec.Request.URL != "" {
		s.URLs = []string{rec.Request.URL}
	}
	for i := range whole.Findings {
		f := &whole.Findings[i]
		if f.Subject != "" || f.Attestation == nil || f.Attestation.Package == "" {
			continue
		}
		if p, err := reputation.ParsePackageURL(f.Attestation.Package); err == nil && !slices.Contains(s.Packages, p) {
			s.Packages = append(s.Packages, p)
		}
	}
	return reputation.Subjects(s, whole)
}
