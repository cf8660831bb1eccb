package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// outcome is what became of a requirement. The order has no meaning.
type outcome uint8

const (
	undecided outcome = iota // it could not be told
	fails
	holds
)

// requirement is something that an update must prove.
type requirement interface {
	// judge says whether it holds, and in a sentence why.
	judge(*evidence) (outcome, string)
	// String describes it as something that is required.
	String() string
	// sidecars reports whether it may rest on evidence that is published beside the update.
	sidecars() bool
	// inside reports whether it asks for what is inside the update, which then has to be opened.
	inside() bool
	// refers calls to for every anchor that it refers to, at whatever depth.
	refers(to func(*anchor))
}

// evidence is what requirements look at.
type evidence struct {
	sum      verify.Digest
	findings []verify.Finding
	contents *verify.Contents // nil: not looked into
	role     verify.Role
	format   verify.Format
	now      time.Time

	// What expressions look at besides; facts is nil where nothing is known.
	facts    *Facts
	policy   *Policy
	channel  string   // of the channel that requires it
	host     string   // of the request, in normal form
	readings []string // of its path

	editions map[string]Edition // what the update is, by channel, as far as it was asked
	ripens   []time.Time        // when requirements about age come to hold
}

// index reports whether the update is metadata, and nothing that could be installed or run instead.
func (e *evidence) index() bool {
	return e.role == verify.Metadata && !e.format.Executable() && (e.contents == nil || e.contents.Executables == 0 && e.contents.Unread == 0)
}

// requirement builds one requirement; nil where it is not well-formed or cannot be evaluated, which is an error.
func (b *builder) requirement(n node) requirement {
	keys := slices.DeleteFunc(n.pairs(), func(p pair) bool { return findKey(besideRequirements(), p.key.text()) != nil })
	if len(keys) != 1 {
		return nil
	}
	r := b.strict(keys[0].key, keys[0].value)
	if r != nil && n.get("on_inconclusive").text() == "allow" {
		return &lenient{r}
	}
	return r
}

// strict builds a requirement that refuses what cannot be told.
func (b *builder) strict(k, v node) requirement {
	switch name := k.text(); name {
	case "signed_by":
		return b.signedBy(v)
	case "any", "all":
		group := &group{any: name == "any"}
		for _, item := range v.items() {
			if r := b.requirement(item); r != nil {
				group.of = append(group.of, r)
			}
		}
		return group
	case "not":
		if r := b.requirement(v); r != nil {
			return &negation{r}
		}
	case "contents":
		return b.contents(v)
	case "provenance":
		return b.provenance(v)
	case "if":
		if c := b.condition(v); c != nil {
			return c
		}
	case "not_listed":
		r := &notListed{}
		r.feeds, r.opens = b.feedsOfBad(v)
		return r
	case "scan":
		if r := b.scan(v); r != nil {
			return r
		}
	case "listed":
		return &knownGood{b.feedsNamed(v, true)}
	default:
		if r, ok := b.aboutHistory(name, v); ok {
			return r
		}
		if findKey(requirementShape().keys, name) != nil {
			b.notEvaluated(k)
		}
	}
	return nil
}

func (b *builder) notEvaluated(k node) {
	b.add(k, "remove it: what is not looked at must not pass for proven", "`%s` is not evaluated by this version", k.text())
}

// group is several requirements, of which one or all must hold.
type group struct {
	any bool
	of  []requirement
}

func (g *group) judge(e *evidence) (outcome, string) {
	stop, result := fails, holds
	if g.any {
		stop, result = holds, fails
	}
	if len(g.of) == 0 {
		return undecided, g.String()
	}
	var reasons []string
	for _, r := range g.of {
		o, why := e.judged(r)
		if o == stop {
			result = stop
		}
		if o == undecided && result != stop {
			result = undecided
		}
		if result == stop {
			return result, why
		}
		reasons = append(reasons, why)
	}
	word := "all of"
	if g.any {
		word = "any of"
	}
	return result, word + " (" + strings.Join(reasons, "; ") + ")"
}

// String implements requirement.
func (g *group) String() string {
	parts := make([]string, len(g.of))
	for i, r := range g.of {
		parts[i] = r.String()
	}
	if g.any {
		return "any of (" + strings.Join(parts, "; ") + ")"
	}
	return "all of (" + strings.Join(parts, "; ") + ")"
}

func (g *group) sidecars() bool { return slices.ContainsFunc(g.of, requirement.sidecars) }

func (g *group) inside() bool { return slices.ContainsFunc(g.of, requirement.inside) }

func (g *group) refers(to func(*anchor)) {
	for _, r := range g.of {
		r.refers(to)
	}
}

// negation is a requirement that must not hold. Where it cannot be told, neither can its negation.
type negation struct{ of requirement }

func (n *negation) judge(e *evidence) (outcome, string) {
	o, why := e.judged(n.of)
	switch o {
	case holds:
		o = fails
	case fails:
		o = holds
	}
	return o, fmt.Sprintf("not (%s)", why)
}

// String implements requirement.
func (n *negation) String() string { return "not (" + n.of.String() + ")" }

func (n *negation) sidecars() bool { return n.of.sidecars() }

func (n *negation) inside() bool { return n.of.inside() }

func (n *negation) refers(to func(*anchor)) { n.of.refers(to) }
