package policy

import (
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/internal/versions"
)

// noDowngrade asks for a version that is not below the highest that the policy has let through before.
type noDowngrade struct {
	branch int // compare only releases whose first so many numbers are the same; 0: compare all
}

// String implements requirement.
func (r *noDowngrade) String() string {
	s := "no older than any version that was let through before"
	if r.branch > 0 {
		s += fmt.Sprintf(" with the same first %s", counted(r.branch, "number"))
	}
	return s
}

func (r *noDowngrade) sidecars() bool { return false }

func (r *noDowngrade) inside() bool { return false }

func (r *noDowngrade) refers(func(*anchor)) {}

// judge implements requirement. Releases by hand do not count: whoever let a future version through by hand did not forbid all before it.
func (r *noDowngrade) judge(e *evidence) (outcome, string) {
	label := "no_downgrade: "
	if e.index() {
		return holds, label + notForMetadata
	}
	past, why := e.before()
	if why != "" {
		return undecided, label + why
	}
	ed := e.sawEdition()
	latest, before, byHand := countedReleases(past.Releases)
	switch {
	case latest == nil:
		return holds, label + ed.nothingBefore()
	case ed.Version == "":
		return undecided, label + "it cannot be told which version of " + ed.named() + " this is" + e.misfit() + "; before, " + latest.sentence() + " was let through"
	case len(before) == 0:
		o, why := r.begin(&ed, byHand)
		return o, label + why
	case e.renamed(past.Releases, before, &ed):
		return fails, fmt.Sprintf("%sthese very bytes were let through before as an older version, and are called %s now", label, printable.Text(ed.Version, maxEvidence))
	}
	before = slices.DeleteFunc(before, func(p *PastRelease) bool { return p.SHA256 == e.sum })
	if len(before) == 0 {
		return holds, fmt.Sprintf("%sthese very bytes are all that was let through before of %s", label, ed.named())
	}
	o, text := r.compare(&ed, before, past.LeftOut > 0)
	return o, label + text
}

// countedReleases returns the latest release that the policy let through, those of which a version is known, and those of known version
// that somebody let through by hand. Of the versions under which the same bytes were let through only the lowest counts: whoever asks
// for a file may choose its name, and must not make a version of it that nothing ever reaches.
func countedReleases(releases []PastRelease) (latest *PastRelease, before, byHand []*PastRelease) {
	for i := range releases {
		p := &releases[i]
		_, known := versions.Of(p.System)(p.Version, p.Version)
		switch {
		case p.ByHand && known:
			byHand = append(byHand, p)
		case p.ByHand:
		case latest == nil:
			latest = p
			fallthrough
		default:
			if known {
				before = append(before, p)
			}
		}
	}
	lowest := before[:0:0]
	for _, p := range before {
		if !slices.ContainsFunc(before, func(q *PastRelease) bool { return q.below(p) }) {
			lowest = append(lowest, p)
		}
	}
	return latest, lowest, byHand
}

// below reports whether two releases are the same bytes under a lower version.
func (r *PastRelease) below(p *PastRelease) bool {
	if r == p || r.SHA256 != p.SHA256 || !versions.Comparable(r.System, p.System) {
		return false
	}
	order, ok := versions.Of(p.System)(r.Version, p.Version)
	return ok && order < 0
}

// begin judges the first update of known version after some of unknown versions, which may have been newer: it is for a person to say,
// by hand, where versions begin.
func (r *noDowngrade) begin(ed *Edition, byHand []*PastRelease) (outcome, string) {
	if len(byHand) > 0 {
		if o, why := r.compare(ed, byHand, true); o == holds {
			return o, why
		}
	}
	return undecided, "of what the policy let through before of " + ed.named() + " no version is known; a release by hand says where versions begin"
}

// compare looks for the highest of the releases before, the latest first. The latest has to compare: whoever calls a version such that it
// does not could otherwise be compared with what is long past.
func (r *noDowngrade) compare(ed *Edition, before []*PastRelease, more bool) (outcome, string) {
	version := printable.Text(ed.Version, maxEvidence)
	own, ok := r.line(ed.System, ed.Version)
	if _, fine := ed.order(before[0]); !ok || !fine {
		return undecided, fmt.Sprintf("version %s of %s cannot be compared with %s", version, ed.named(), before[0].sentence())
	}
	highest := highestOf(ed, before, func(p *PastRelease) bool {
		if r.branch == 0 {
			return true
		}
		line, ok := r.line(ed.System, p.Version)
		return ok && line == own
	})
	if highest == nil && more {
		return undecided, fmt.Sprintf("version %s of %s may be of a line of which releases were let through longer ago than is known here", version, ed.named())
	}
	if highest == nil {
		return holds, fmt.Sprintf("version %s is the first of the line %s of %s that this gate lets through: there is nothing to compare with", version, own, ed.named())
	}
	if order, _ := ed.order(highest); order > 0 {
		return fails, fmt.Sprintf("version %s of %s is older than %s", version, ed.named(), highest.sentence())
	}
	return holds, fmt.Sprintf("version %s of %s is no older than %s", version, ed.named(), highest.sentence())
}

// line is what versions that are compared have in common.
func (r *noDowngrade) line(system, version string) (string, bool) {
	if r.branch == 0 {
		_, ok := versions.Of(system)(version, version)
		return "", ok
	}
	return versions.Branch(system, version, r.branch)
}

// order compares a release with the edition: above 0 if the release is newer. Not ok means that they do not compare.
func (ed *Edition) order(p *PastRelease) (order int, ok bool) {
	if !versions.Comparable(ed.System, p.System) {
		return 0, false
	}
	return versions.Of(ed.System)(p.Version, ed.Version)
}

// highestOf returns the release with the highest version of those that compare with the edition and are asked for; nil if there is none.
func highestOf(ed *Edition, before []*PastRelease, wanted func(*PastRelease) bool) *PastRelease {
	var highest *PastRelease
	compare := versions.Of(ed.System)
	for _, p := range before {
		if !versions.Comparable(ed.System, p.System) || !wanted(p) {
			continue
		}
		if highest == nil {
			if _, ok := ed.order(p); ok {
				highest = p
			}
		} else if order, ok := compare(p.Version, highest.Version); ok && order > 0 {
			highest = p
		}
	}
	return highest
}

// renamed reports whether the very bytes were let through before, by hand or not, under a version below the highest and below
// what they are called now: what a file is called, whoever serves it may choose.
func (e *evidence) renamed(all []PastRelease, before []*PastRelease, ed *Edition) bool {
	if e.sum.IsZero() {
		return false
	}
	var highest *PastRelease
	for i := range all {
		p := &all[i]
		if p.SHA256 != e.sum || p.Version == "" {
			continue
		}
		if highest == nil {
			highest = highestOf(ed, before, func(*PastRelease) bool { return true })
		}
		if highest == nil {
			return false
		}
		now, ok := ed.order(p)
		was, fine := versions.Of(ed.System)(p.Version, highest.Version)
		if ok && fine && now < 0 && was < 0 {
			return true
		}
	}
	return false
}
