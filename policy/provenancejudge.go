package policy

import (
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// judge implements requirement. Anything Invalid about the update itself leaves it undecided where it comes from, as it leaves
// undecided who signed.
func (r *provenance) judge(e *evidence) (outcome, string) {
	if e.index() {
		return holds, "provenance: asked of payloads only, and this is metadata"
	}
	v := e.sort()
	if len(v.invalid) > 0 {
		return undecided, "provenance: what is wrong with the file defeats every statement about it: " + quoted(v.invalid)
	}
	s := r.sort(&v)
	switch {
	case s.fits != nil:
		return holds, fmt.Sprintf("provenance: %s, which is %s, states%s", who(s.fits), r.anchorOf(s.fits), stated(s.fits))
	case len(v.inconclusive) > 0:
		return undecided, "provenance: it could not be told where the file comes from: " + quoted(v.inconclusive)
	case len(s.misfits) > 0:
		return fails, "provenance: " + someOf(s.misfits)
	case len(s.bare) > 0:
		return fails, fmt.Sprintf("provenance: the file is signed by %s, but the signature comes without a statement about provenance", signers(s.bare))
	case len(s.foreign) > 0:
		return fails, fmt.Sprintf("provenance: the statement about the file's provenance is by %s, but not by %s", signers(s.foreign), r.by())
	case len(s.stale) > 0:
		return fails, "provenance: what vouched for the file's provenance has expired: " + quoted(s.stale)
	case len(s.rest) > 0:
		return fails, fmt.Sprintf("provenance: the file comes without provenance by %s: %s", r.by(), quoted(s.rest))
	}
	return undecided, "provenance: nothing was found out about the file's provenance"
}

// sortedProvenance is the findings about the update's provenance.
type sortedProvenance struct {
	fits    *verify.Finding
	misfits []string          // what is wrong with statements by the right anchors
	bare    []*verify.Finding // by the right anchors, but without statement
	foreign []*verify.Finding // statements by others
	stale   []*verify.Finding
	rest    []*verify.Finding
}

// sort tells the findings about the update's provenance apart.
func (r *provenance) sort(v *sorted) sortedProvenance {
	var s sortedProvenance
	var otherKind []string // misfits that are no more than of another kind
	for _, f := range v.valid {
		switch {
		case f.Method != "sigstore":
		case r.anchorOf(f) == nil && f.Attestation != nil:
			s.foreign = append(s.foreign, f)
		case r.anchorOf(f) == nil:
			s.rest = append(s.rest, f)
		case f.Attestation == nil:
			s.bare = append(s.bare, f)
		case !r.rightKind(f.Attestation):
			otherKind = append(otherKind, fmt.Sprintf("the statement about the file is of kind %s, wanted %s", shownValue(kindOf(f.Attestation)), quote(r.predicate)))
		default:
			misfit := r.misfit(f)
			if misfit == "" && s.fits == nil {
				s.fits = f
			} else if misfit != "" {
				s.misfits = append(s.misfits, misfit)
			}
		}
	}
	if len(s.misfits) == 0 {
		s.misfits = otherKind
	}
	for _, f := range v.rest {
		switch {
		case f.Method != "sigstore":
		case f.Status == verify.Valid:
			s.stale = append(s.stale, f)
		case f.Status == verify.Untrusted && f.Attestation != nil && !f.Signer.IsZero():
			s.foreign = append(s.foreign, f)
		default:
			s.rest = append(s.rest, f)
		}
	}
	return s
}

// rightKind reports whether a statement is of the kind that is asked for.
func (r *provenance) rightKind(a *verify.Attestation) bool {
	return r.predicate == "" || r.predicate == a.Predicate || strings.Contains(r.predicate, ":") && r.predicate == a.PredicateType
}

func kindOf(a *verify.Attestation) string {
	if a.Predicate != "" {
		return a.Predicate
	}
	return a.PredicateType
}

// misfit says in what a statement of the right kind differs from what is asked for; "" if in nothing. Source and ref have to be
// named by the statement or by the signer's certificate, and neither may name another.
func (r *provenance) misfit(f *verify.Finding) string {
	a, w := f.Attestation, f.Workload
	if w == nil {
		w = &verify.Workload{}
	}
	var out []string
	for _, c := range []struct {
		what, pattern, said, certified string
	}{
		{"source", r.source, a.Source, w.Source},
		{"ref", r.ref, a.Ref, w.Ref},
		{"builder", r.builder, a.Builder, ""},
	} {
		switch {
		case c.pattern == "":
		case c.said == "" && c.certified == "":
			out = append(out, fmt.Sprintf("the provenance names no %s, wanted %s", c.what, quote(c.pattern)))
		case c.said != "" && !starred(c.pattern, c.said):
			out = append(out, fmt.Sprintf("the provenance names %s %s, wanted %s", c.what, shownValue(c.said), quote(c.pattern)))
		case c.certified != "" && !starred(c.pattern, c.certified):
			out = append(out, fmt.Sprintf("the signer's certificate names %s %s, wanted %s", c.what, shownValue(c.certified), quote(c.pattern)))
		}
	}
	if a.Predicate == "vsa" && a.Result != "PASSED" {
		out = append(out, fmt.Sprintf("the result of the verification that it sums up is %s, wanted PASSED", shownValue(a.Result)))
	}
	return strings.Join(out, ", and ")
}

// stated is what a statement says of the update, in words.
func stated(f *verify.Finding) string {
	a := f.Attestation
	w := f.Workload
	if w == nil {
		w = &verify.Workload{}
	}
	source, ref := a.Source, a.Ref
	if source == "" {
		source = w.Source
	}
	if ref == "" {
		ref = w.Ref
	}
	s := " (" + printable.Text(kindOf(a), 120) + ")"
	if a.Predicate == "vsa" {
		s += " that it passed verification"
	}
	for _, p := range []struct{ what, value string }{{"source", source}, {"ref", ref}, {"builder", a.Builder}} {
		if p.value != "" {
			s += ", " + p.what + " " + shownValue(p.value)
		}
	}
	return s
}

// shownValue shows a name or a stranger's word in a reason, longer ones than quote does.
func shownValue(s string) string { return `"` + printable.Text(s, 200) + `"` }
