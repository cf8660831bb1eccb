package audit

import (
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// FindingFrom returns a finding as records show it, its text printable and bounded.
func FindingFrom(f verify.Finding) Finding {
	issuer := ""
	if f.Method == "sigstore" {
		issuer = f.Signer.Issuer
	}
	return boundedFinding(Finding{
		Subject: f.Subject, Method: f.Method, Status: f.Status, Code: f.Code,
		Signer: f.Signer.String(), SignedAt: f.SignedAt, Anchors: f.Anchors, Detail: f.Detail,
		Issuer: issuer, Attestation: f.Attestation, Workload: f.Workload,
	})
}

// FindingsFrom returns a report's findings as records show them, at most 256: where there are more, what counts
// against the artifact is kept first, and a last finding says how many are left out.
func FindingsFrom(list []verify.Finding) []Finding {
	out := make([]Finding, len(list))
	for i, f := range list {
		out[i] = FindingFrom(f)
	}
	return boundedFindings(out)
}

// DecisionFrom returns a decision as records show it, its text printable and bounded.
func DecisionFrom(d policy.Decision) *Decision {
	r := Record{Decision: &Decision{Action: d.Action, Observed: d.Observed, Rule: d.Rule, Reasons: d.Reasons, Ripe: d.Ripe.UTC()}}
	if !d.Policy.IsZero() {
		r.Decision.Policy = "sha256:" + d.Policy.String()
	}
	return bounded(r).Decision
}
