package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// predicates are the kinds of statements that policies have words for.
var predicates = []string{"slsa", "vsa", "npm-publish", "github-release", "publish"}

// provenance asks for a signed statement about the update, by one of some sigstore anchors, and for what it says.
type provenance struct {
	anchors              []*anchor
	narrowed             bool   // the policy names the anchors; else they are all it has
	builder, source, ref string // patterns; "" asks nothing
	predicate            string // one of predicates, or the URI of a type; "" asks nothing
}

func checkPredicate(s string) error {
	switch {
	case checkText(s) != nil:
		return checkText(s)
	case contains(predicates, s) || strings.Contains(s, ":"):
		return nil
	}
	hint := ""
	if near := alike(s, predicates); near != "" {
		hint = "; " + near
	}
	return fmt.Errorf("%s is none of %s, nor a URI%s", quote(s), strings.Join(predicates, ", "), hint)
}

func (b *builder) provenance(n node) requirement {
	r := &provenance{
		builder: n.get("builder").text(), source: n.get("source").text(), ref: n.get("ref").text(), predicate: n.get("predicate").text(),
		narrowed: n.get("signed_by").present(),
	}
	if n.present() && n.text() == "" && n.items() == nil && len(n.pairs()) == 0 {
		b.add(n, "", "provenance needs at least one of %s", strings.Join(keyNames(findKey(requirementShape().keys, "provenance").shape.keys), ", "))
	}
	if r.predicate == "" && r.builder+r.source+r.ref != "" {
		r.predicate = "slsa"
	}
	b.oddClaims(n, r)
	if r.narrowed {
		r.anchors = b.attesters(n.get("signed_by"))
		return r
	}
	for _, name := range sortedKeys(b.policy.anchors) {
		if a := b.policy.anchors[name]; a.kind == "sigstore" {
			r.anchors = append(r.anchors, a)
		}
	}
	switch {
	case len(r.anchors) == 0:
		b.add(n, "", "provenance needs an anchor of kind sigstore, and there is none")
	case len(r.anchors) > 1:
		b.warn(n, "add signed_by", "this provenance has no signed_by: the word of any of %s counts", anchorNamesOf(r.anchors))
	}
	return r
}

// attesters returns the anchors that a list refers to. They have to be such as make statements.
func (b *builder) attesters(n node) []*anchor {
	var out []*anchor
	for _, item := range n.items() {
		a := b.policy.anchors[item.text()]
		switch {
		case a == nil:
			b.add(item, nearest(item.text(), sortedKeys(b.policy.anchors)), "there is no anchor %s", quote(item.text()))
		case a.kind != "sigstore":
			b.used[a.name] = true
			b.add(item, "use an anchor of kind sigstore", "anchor %s is of kind %s, which makes no statements about provenance", quote(a.name), a.kind)
		default:
			b.used[a.name] = true
			out = append(out, a)
		}
	}
	return out
}

// anchorList names anchors, described for a person.
func anchorList(list []*anchor) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.String()
	}
	return strings.Join(names, ", ")
}

// anchorNamesOf names anchors by their names alone.
func anchorNamesOf(list []*anchor) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.name
	}
	return strings.Join(names, ", ")
}

// String implements requirement.
func (r *provenance) String() string {
	s := "provenance"
	if r.predicate != "" {
		s += " (" + r.predicate + ")"
	}
	var parts []string
	for _, p := range []struct{ what, pattern string }{{"source", r.source}, {"ref", r.ref}, {"builder", r.builder}} {
		if p.pattern != "" {
			parts = append(parts, p.what+" "+quote(p.pattern))
		}
	}
	if len(parts) > 0 {
		s += " that names " + strings.Join(parts, " and ")
	}
	return s + ", signed by " + r.by()
}

// by names the anchors that count.
func (r *provenance) by() string {
	if len(r.anchors) > 1 {
		return "any of " + anchorList(r.anchors)
	}
	return anchorList(r.anchors)
}

func (r *provenance) sidecars() bool { return true }

func (r *provenance) inside() bool { return false }

func (r *provenance) refers(to func(*anchor)) {
	for _, a := range r.anchors {
		to(a)
	}
}

// anchorOf returns the first of the anchors that a finding vouches under, or nil.
func (r *provenance) anchorOf(f *verify.Finding) *anchor {
	i := slices.IndexFunc(r.anchors, func(a *anchor) bool { return a.vouches(f) })
	if i < 0 {
		return nil
	}
	return r.anchors[i]
}
