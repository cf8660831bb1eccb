package policy

import (
	"fmt"
	"slices"
	"time"
)

// Where a part of a policy is wrong, the tests that do not rest on it are run all the same. What is wrong there may turn a refusal into
// another, or make a channel larger than it is meant to be; a test that could come out otherwise once it is right is not run.

// part is where an error is: in a section, in one of its elements, under one of its keys.
type part struct {
	section string
	item    int    // position in a list or mapping; -1: in none
	name    string // of the element of a mapping
	key     string // of the element, if that is a mapping
}

// tryWhatCanBe runs the tests of a policy with errors of which it can be told how they come out.
func (b *builder) tryWhatCanBe(root node) {
	parts := b.brokenParts(root)
	for _, t := range b.policy.tests {
		if t.of != "" {
			continue
		}
		r, why := b.tryOne(t, parts)
		switch {
		case why != "":
			p := b.locate(t.where)
			if len(b.untried) < maxErrors {
				b.untried = append(b.untried, Warning{p.file, p.line, p.column, fmt.Sprintf("test %s could not be run: %s", quote(t.name), why), ""})
			}
		case !r.Passed:
			b.failed(t.where, r)
		}
	}
}

// tryOne runs a test, or says why that would not show anything. What is half built may not hold together, which is then the reason.
func (b *builder) tryOne(t test, parts []part) (r TestResult, why string) {
	defer func() {
		if recover() != nil {
			why = "the policy has errors on which it rests"
		}
	}()
	if b.more > 0 {
		return r, "there are more errors than are looked at"
	}
	r = b.policy.run(t, time.Now())
	pl := b.policy.plan(t.facts.Request)
	for _, p := range parts {
		if why := b.touches(p, t, pl, r); why != "" {
			return r, why
		}
	}
	return r, ""
}

// brokenParts returns where the errors are.
func (b *builder) brokenParts(root node) []part {
	var out []part
	for _, e := range b.list {
		if p, ok := partAt(root, e.Line, e.Column); ok && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// partAt finds what a place is in.
func partAt(root node, line, column int) (part, bool) {
	section, value, exact := keyAt(root, line, column)
	if section == "" {
		return part{}, false
	}
	p := part{section: section, item: -1}
	if findKey(language.keys, section) == nil { // what was meant is the nearest, if any is near
		p.section = likely(section, keyNames(language.keys))
		return p, p.section != ""
	}
	if exact {
		return part{}, false // it is about the policy as a whole
	}
	var element node
	for i, item := range value.items() {
		if !after(item, line, column) {
			p.item, element = i, item
		}
	}
	for i, pair := range value.pairs() {
		if !after(pair.key, line, column) {
			p.item, p.name, element = i, pair.key.text(), pair.value
		}
	}
	if p.item >= 0 {
		key, _, exact := keyAt(element, line, column)
		if !exact {
			p.key = key
		}
	}
	return p, true
}

// keyAt returns the key of a mapping below which a place is, and whether it is the place of the key itself.
func keyAt(n node, line, column int) (key string, value node, exact bool) {
	for _, pair := range n.pairs() {
		if !after(pair.key, line, column) {
			l, c := pair.key.position()
			key, value, exact = pair.key.text(), pair.value, l == line && c == column
		}
	}
	return key, value, exact
}

// after reports whether a node begins behind a place.
func after(n node, line, column int) bool {
	l, c := n.position()
	return l > line || l == line && c > column
}
