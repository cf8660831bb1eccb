package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// outcome is what came of one comparison.
type outcome string

const (
	agree     outcome = "agree"
	explained outcome = "explained"
	disagree  outcome = "DISAGREE"
	alone     outcome = "alone"    // there is no reference
	unjudged  outcome = "unjudged" // no sample, or not one by itself
	foreign   outcome = "foreign"  // of a kind that is not judged here
)

// result is what both sides say of one file.
type result struct {
	row
	subject   *subject
	ours      verdict
	reference verdict
	findings  []verify.Finding
	outcome   outcome
	reason    string
}

// decide compares the two sides.
func (r *result) decide() {
	switch {
	case !r.reference.known:
		r.outcome = alone
	case r.ours.accepted == r.reference.accepted:
		r.outcome = agree
	default:
		r.outcome = disagree
		if e := explain(r); e != nil {
			r.outcome, r.reason = explained, fmt.Sprintf("%s (FORMATS.md: %s)", e.reason, e.chapter)
		}
	}
}

// table prints results as they come, and counts them.
type table struct {
	out         io.Writer
	verbose     bool
	results     []result
	unexplained int
	missing     []result
	others      map[string]int
}

func (t *table) add(r result) {
	t.results = append(t.results, r)
	switch r.outcome {
	case foreign:
		if t.others == nil {
			t.others = map[string]int{}
		}
		t.others[r.kind]++
		return
	case disagree:
		t.unexplained++
	case unjudged:
		t.missing = append(t.missing, r)
		fmt.Fprintf(t.out, "%-24s %-72s %s\n", r.kind, r.file, r.reason)
		return
	}
	name := r.file
	if r.subject.as != "" {
		name += " -> " + r.subject.as
	}
	if r.subject.restored {
		name += " [line ends restored]"
	}
	fmt.Fprintf(t.out, "%-24s %-72s reference: %-34s ours: %-60s %s\n", r.kind, name, r.reference.text, r.ours.text, r.outcome)
	if r.reason != "" {
		fmt.Fprintf(t.out, "%-24s   %s\n", "", r.reason)
	}
	if t.verbose || r.outcome == disagree {
		fmt.Fprintf(t.out, "    ours:%s\n", r.ours.detail)
	}
	if t.verbose {
		fmt.Fprintf(t.out, "    reference:%s\n", r.reference.detail)
	}
}

// summary prints how often the two sides agree, for each kind.
func (t *table) summary() {
	byKind := map[string]map[outcome]int{}
	for _, r := range t.results {
		if r.outcome == foreign {
			continue
		}
		if byKind[r.kind] == nil {
			byKind[r.kind] = map[outcome]int{}
		}
		byKind[r.kind][r.outcome]++
	}
	fmt.Fprintf(t.out, "\n%-24s %8s %8s %10s %10s %14s %10s\n", "kind", "judged", "agree", "explained", "DISAGREE", "no reference", "unjudged")
	for _, k := range sorted(byKind) {
		c := byKind[k]
		fmt.Fprintf(t.out, "%-24s %8d %8d %10d %10d %14d %10d\n", k, c[agree]+c[explained]+c[disagree]+c[alone], c[agree], c[explained], c[disagree], c[alone], c[unjudged])
	}
	if len(t.others) > 0 {
		fmt.Fprintln(t.out, "\nnot of these kinds:")
		for _, k := range sorted(t.others) {
			why := notOfAKind[k]
			if why != "" {
				why = ": " + why
			}
			fmt.Fprintf(t.out, "  %4d %s%s\n", t.others[k], k, why)
		}
	}
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
