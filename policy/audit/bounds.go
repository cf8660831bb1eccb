package audit

import (
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// Most of a record's text comes from strangers. It is made printable and cut to these lengths, in runes, and lists to
// these numbers of entries.
const (
	maxWord    = 256
	maxName    = 1024
	maxURL     = 8192
	maxText    = 2000
	maxList    = 256
	maxAnchors = 16
	maxScope   = 4096 // a longer one is refused: receipts and releases compare it
)

// bounded returns a copy of a record with every text and list within its bounds. It shares nothing with r that
// anybody could change afterwards.
func bounded(r Record) Record {
	r.Deleted, r.Altered = nil, nil
	if c := r.Client; c != nil {
		r.Client = &Client{Addr: printable.Text(c.Addr, maxWord), User: printable.Text(c.User, maxWord)}
	}
	if q := r.Request; q != nil {
		r.Request = &Request{Method: printable.Text(q.Method, maxWord), URL: boundedURL(q.URL)}
	}
	if a := r.Artifact; a != nil {
		b := *a
		b.Name = printable.Text(b.Name, maxName)
		b.Format = verify.Format(printable.Text(string(b.Format), maxWord))
		b.Role = printable.Text(b.Role, maxWord)
		b.Product = printable.Text(b.Product, maxWord)
		b.Version = printable.Text(b.Version, maxWord)
		r.Artifact = &b
	}
	r.Began = printable.Text(r.Began, maxWord)
	r.Editions = boundedEditions(r.Editions)
	r.Findings = boundedFindings(r.Findings)
	r.Contents = boundedContents(r.Contents)
	r.Evidence = boundedEvidence(r.Evidence)
	if d := r.Decision; d != nil {
		b := *d
		b.Rule = printable.Text(b.Rule, maxName)
		b.Reasons = boundedList(b.Reasons, maxList, maxText)
		b.Policy = printable.Text(b.Policy, maxWord)
		r.Decision = &b
	}
	if d := r.Delivery; d != nil {
		b := *d
		b.Mode, b.Error = printable.Text(b.Mode, maxWord), printable.Text(b.Error, maxText)
		r.Delivery = &b
	}
	if t := r.Tunnel; t != nil {
		b := *t
		b.Host, b.SNI = printable.Text(b.Host, maxName), printable.Text(b.SNI, maxName)
		b.Result = printable.Text(b.Result, maxText)
		r.Tunnel = &b
	}
	if l := r.Release; l != nil {
		b := *l
		b.Reason, b.By = printable.Text(b.Reason, maxText), printable.Text(b.By, maxWord)
		b.Until = b.Until.UTC()
		boundedConsent(&b)
		r.Release = &b
	}
	r.Recall, r.Regret, r.Approval = boundedRecall(r.Recall), boundedRegret(r.Regret), boundedApproval(r.Approval)
	r.Facts = boundedCircumstances(r.Facts).beside(r.Editions)
	r.Loosening = boundedLoosening(r.Loosening)
	r.Message = printable.Text(r.Message, maxText)
	return r
}

func boundedURL(raw string) string { return printable.Text(RedactURL(raw), maxURL) }

// boundedList never returns nil: the reasons of a decision are a list even where there are none.
func boundedList(list []string, entries, runes int) []string {
	out := make([]string, 0, min(len(list), entries))
	for i, s := range list {
		if i == entries-1 && len(list) > entries {
			out = append(out, fmt.Sprintf("%d more are left out", len(list)-i))
			break
		}
		out = append(out, printable.Text(s, runes))
	}
	return out
}

func boundedEvidence(list []verify.Reference) []verify.Reference {
	if len(list) == 0 {
		return nil
	}
	out := make([]verify.Reference, 0, min(len(list), maxList))
	for i, ref := range list {
		if i == maxList-1 && len(list) > maxList {
			out = append(out, verify.Reference{Result: fmt.Sprintf("%d more are left out", len(list)-i)})
			break
		}
		ref.URL, ref.Result = boundedURL(ref.URL), printable.Text(ref.Result, maxText)
		out = append(out, ref)
	}
	return out
}

// boundedFindings keeps what counts against an artifact rather than what speaks for it where there are too many, and
// says how many are left out.
func boundedFindings(list []Finding) []Finding {
	if len(list) == 0 {
		return nil
	}
	keep := make([]int, len(list))
	for i := range keep {
		keep[i] = i
	}
	if len(list) > maxList {
		slices.SortStableFunc(keep, func(a, b int) int { return weight(list[b]) - weight(list[a]) })
		keep = keep[:maxList-1]
		slices.Sort(keep)
	}
	out := make([]Finding, 0, len(keep)+1)
	for _, i := range keep {
		out = append(out, boundedFinding(list[i]))
	}
	if left := len(list) - len(keep); left > 0 {
		out = append(out, Finding{
			Method: "audit", Status: verify.Inconclusive, Code: "audit/left-out",
			Detail: fmt.Sprintf("%d more findings are left out of this record", left),
		})
	}
	return out
}

// weight orders findings by how much a reader would miss them.
func weight(f Finding) int {
	switch {
	case f.Status == verify.Invalid:
		return 3
	case f.Subject == "":
		return 2
	case f.Status == verify.Valid:
		return 0
	}
	return 1
}

func boundedFinding(f Finding) Finding {
	f.Subject = printable.Text(f.Subject, maxName)
	f.Method = printable.Text(f.Method, maxWord)
	f.Code = printable.Text(f.Code, maxWord)
	f.Signer = printable.Text(f.Signer, maxWord)
	f.Detail = printable.Text(f.Detail, maxText)
	f.Issuer = printable.Text(f.Issuer, maxName)
	f.Attestation, f.Workload = boundedAttestation(f.Attestation), boundedWorkload(f.Workload)
	f.SignedAt = f.SignedAt.UTC()
	if len(f.Anchors) > 0 {
		f.Anchors = boundedList(f.Anchors, maxAnchors, maxWord)
	}
	return f
}

// shrunk returns a copy of a record that is too large all the same: its texts and lists are cut much further, so that
// what was decided can be recorded whatever the artifact held.
func shrunk(r Record) Record {
	const text = 160
	r.Contents = shrunkContents(r.Contents)
	r.Facts = shrunkCircumstances(r.Facts)
	r.Findings = slices.Clone(r.Findings)
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Subject, f.Detail = printable.Text(f.Subject, text), printable.Text(f.Detail, text)
		f.Issuer = printable.Text(f.Issuer, text)
		f.Signer, f.Anchors = printable.Text(f.Signer, text), boundedAnchors(f.Anchors, text)
	}
	shrinkStatements(r.Findings)
	if d := r.Decision; d != nil {
		b := *d
		b.Reasons = boundedList(b.Reasons, maxList/2, text)
		r.Decision = &b
	}
	if len(r.Evidence) > maxList/8 {
		r.Evidence = append(slices.Clone(r.Evidence[:maxList/8]), verify.Reference{
			Result: fmt.Sprintf("%d more are left out", len(r.Evidence)-maxList/8),
		})
	}
	return r
}

func boundedAnchors(list []string, runes int) []string {
	if len(list) == 0 {
		return nil
	}
	return boundedList(list, maxAnchors/4, runes)
}
