package policy

import "github.com/sallyport-project/sallyport/verify"

// Proofs names what kinds of proof an update itself came with, sorted: "signed", and by which system ("signed:authenticode");
// "timestamped", a trusted time says when; "attested", a signed statement says what from, and of which kind ("attested:slsa"). It is
// empty where something is wrong with the update. A list of digests that the operator brings proves nothing of how it is published.
func Proofs(rep verify.Report) []string {
	e := evidence{findings: rep.Findings}
	return e.proofs()
}

// proofs names the kinds of proof by findings that are current.
func (e *evidence) proofs() []string {
	v := e.sort()
	if len(v.invalid) > 0 {
		return nil
	}
	var out []string
	for _, f := range v.valid {
		if f.Method == "digest" {
			continue
		}
		out = append(out, "signed", "signed:"+shortened(f.Method))
		if !f.SignedAt.IsZero() {
			out = append(out, "timestamped")
		}
		if a := f.Attestation; a != nil {
			out = append(out, "attested")
			if contains(predicates, a.Predicate) {
				out = append(out, "attested:"+a.Predicate)
			}
		}
	}
	return few(out)
}
