package policy

import "github.com/sallyport-project/sallyport/verify"

// lenient is a requirement that counts as holding where it cannot be told. What is wrong with the update, or inside, is not something
// that could not be told.
type lenient struct{ of requirement }

// judge implements requirement.
func (l *lenient) judge(e *evidence) (outcome, string) {
	o, why := e.judged(l.of)
	if o != undecided {
		return o, why
	}
	for i := range e.findings {
		if f := &e.findings[i]; f.Status == verify.Invalid {
			return undecided, why
		}
	}
	return holds, why + " (which on_inconclusive lets pass)"
}

// String implements requirement.
func (l *lenient) String() string { return l.of.String() + ", or where that cannot be told" }

func (l *lenient) sidecars() bool { return l.of.sidecars() }

func (l *lenient) inside() bool { return l.of.inside() }

func (l *lenient) refers(to func(*anchor)) { l.of.refers(to) }
