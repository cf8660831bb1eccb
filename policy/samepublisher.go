package policy

import (
	"fmt"
	"slices"
)

// samePublisher asks that somebody has signed the update who has signed the releases before.
type samePublisher struct{}

// String implements requirement.
func (samePublisher) String() string { return "signed by whoever signed the last release let through" }

func (samePublisher) sidecars() bool { return false }

func (samePublisher) inside() bool { return false }

func (samePublisher) refers(func(*anchor)) {}

// judge implements requirement.
func (r samePublisher) judge(e *evidence) (outcome, string) {
	label := "same_publisher: "
	if e.index() {
		return holds, label + notForMetadata
	}
	o, why := r.compare(e)
	return o, label + why
}

func (samePublisher) compare(e *evidence) (outcome, string) {
	past, why := e.before()
	if why != "" {
		return undecided, why
	}
	ed := e.sawEdition()
	if len(past.Releases) == 0 {
		return holds, ed.nothingBefore()
	}
	last, by := &past.Releases[0], established(past.Releases)
	v := e.sort()
	switch {
	case len(v.invalid) > 0:
		return undecided, "what is wrong with the file defeats every signature: " + quoted(v.invalid)
	case len(by) == 0:
		return undecided, "nobody is known to have signed any release before, the last of which is " + last.sentence()
	}
	for _, p := range ed.Publishers {
		if contains(by, p) {
			return holds, fmt.Sprintf("the file is signed by %s, as was %s", publisherNames([]string{p}), last.sentence())
		}
	}
	if len(v.inconclusive) > 0 {
		return undecided, "it could not be told who signed the file: " + quoted(v.inconclusive)
	}
	return fails, fmt.Sprintf("the file is signed by %s, but %s was by %s", publisherNames(ed.Publishers), last.sentence(), publisherNames(by))
}

// established returns who publishes, by the releases of the past, the latest first. Whoever signs beside the one who has always signed
// does not become one who could sign alone: to many files anybody can add a signature of his own. A release by somebody else altogether
// begins anew, as does one by hand; one that nobody signed changes nothing.
func established(releases []PastRelease) []string {
	var by []string
	for i := range releases {
		r := &releases[len(releases)-1-i]
		switch {
		case len(r.Publishers) == 0 || slices.Equal(by, r.Publishers):
			continue
		case !r.ByHand:
			both := slices.DeleteFunc(slices.Clone(by), func(p string) bool { return !contains(r.Publishers, p) })
			if len(both) > 0 {
				by = both
				continue
			}
		}
		by = r.Publishers
	}
	return by
}
