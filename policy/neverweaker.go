package policy

import (
	"fmt"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// neverWeaker asks for every kind of proof that a release before came with.
type neverWeaker struct{}

// String implements requirement.
func (neverWeaker) String() string { return "with every kind of proof that any release before had" }

func (neverWeaker) sidecars() bool { return false }

func (neverWeaker) inside() bool { return false }

func (neverWeaker) refers(func(*anchor)) {}

// judge implements requirement.
func (neverWeaker) judge(e *evidence) (outcome, string) {
	label := "never_weaker: "
	if e.index() {
		return holds, label + notForMetadata
	}
	past, why := e.before()
	if why != "" {
		return undecided, label + why
	}
	ed := e.sawEdition()
	switch {
	case len(past.Proofs) == 0 && len(past.Releases) == 0:
		return holds, label + ed.nothingBefore()
	case len(past.Proofs) == 0:
		return holds, label + "no release before was signed"
	}
	var lost []string
	for _, kind := range sortedKeys(past.Proofs) {
		if !contains(ed.Proofs, kind) {
			lost = append(lost, past.Proofs[kind].sentence(kind))
		}
	}
	if len(lost) == 0 {
		return holds, fmt.Sprintf("%sthe file has all %s of proof that releases before had", label, counted(len(past.Proofs), "kind"))
	}
	v := e.sort()
	switch {
	case len(v.invalid) > 0:
		return undecided, label + "what is wrong with the file defeats every proof: " + quoted(v.invalid)
	case len(v.inconclusive) > 0:
		return undecided, label + "it could not be told which proofs the file has: " + quoted(v.inconclusive)
	}
	return fails, label + "the file lacks what releases before had: " + someOf(lost)
}

// sentence says where a kind of proof was first met.
func (f FirstProof) sentence(kind string) string {
	s := printable.Text(kind, 80)
	if !f.At.IsZero() {
		s += ", since " + minute(f.At)
	}
	if f.Record != "" {
		s += " (record " + printable.Text(f.Record, 80) + ")"
	}
	return s
}
