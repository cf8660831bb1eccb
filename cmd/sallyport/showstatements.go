package main

import (
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// How much of what was signed besides the bytes is printed; --json gives more.
const (
	shownStatements = 8
	shownWord       = 300 // runes of one value
)

// statements prints what findings say beyond who signed: who vouches for the signer's name, what a signed statement says,
// and what the signer's certificate says of the run that signed. All of it is a stranger's text.
func (p paragraph) statements(list []audit.Finding) {
	shown := 0
	for i := range list {
		f := &list[i]
		if f.Issuer == "" && f.Attestation == nil && f.Workload == nil {
			continue
		}
		if shown++; shown > shownStatements {
			p.line("", "and more statements: --json gives them")
			return
		}
		p.said("signer", values{{"", f.Signer}, {"issuer", f.Issuer}, {"status", f.Status.String()}})
		if f.Attestation != nil {
			p.said("states", attested(f.Attestation))
		}
		if f.Workload != nil {
			p.said("run", certified(f.Workload))
		}
	}
}

// values are names with what they stand for, in the order in which they are printed.
type values [][2]string

// said prints a line of those values that are not empty.
func (p paragraph) said(word string, list values) {
	var parts []string
	for _, v := range list {
		if v[1] == "" {
			continue
		}
		text := printable.Text(v[1], shownWord)
		if v[0] != "" {
			text = v[0] + " " + text
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		p.line(word, "%s", strings.Join(parts, ", "))
	}
}

func attested(a *verify.Attestation) values {
	what := a.PredicateType
	if a.Predicate != "" && what != "" {
		what = a.Predicate + " (" + what + ")"
	} else if what == "" {
		what = a.Predicate
	}
	return values{
		{"", what}, {"package", a.Package}, {"source", a.Source}, {"ref", a.Ref}, {"commit", a.Commit},
		{"builder", a.Builder}, {"build type", a.BuildType}, {"result", a.Result}, {"levels", a.Levels},
	}
}

func certified(w *verify.Workload) values {
	return values{
		{"", w.Run}, {"source", w.Source}, {"ref", w.Ref}, {"commit", w.Commit}, {"build signer", w.BuildSigner},
		{"runner", w.Runner}, {"set off by", w.Trigger},
	}
}
