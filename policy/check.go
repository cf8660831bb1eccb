package policy

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// check compares a node with its shape and adds everything that is wrong, at whatever depth.
func (s *shape) check(n node, p *problems) {
	if !plain(n, p) {
		return
	}
	switch n.y.Kind {
	case yaml.ScalarNode:
		if s.scalar == nil {
			p.add(n, s.instead(n), "%s is %s, this is %s", s.name(), s.forms(), describeNode(n))
			return
		}
		s.scalar.checkValue(n, p)
	case yaml.SequenceNode:
		if s.list == nil {
			p.add(n, s.instead(n), "%s is %s, this is a list", s.name(), s.forms())
			return
		}
		s.checkList(n, p)
	case yaml.MappingNode:
		switch {
		case s.keys != nil:
			s.checkKeys(n, p)
		case s.names != nil:
			s.checkNames(n, p)
		default:
			p.add(n, s.instead(n), "%s is %s, this is a mapping", s.name(), s.forms())
		}
	}
}

// plain refuses the parts of YAML that the language has no use for.
func plain(n node, p *problems) bool {
	tag := n.y.Tag
	switch {
	case n.y.Kind == yaml.AliasNode:
		p.add(n, "write the value out", "aliases such as *%s are no part of the language", n.y.Value)
		return false
	case n.y.Anchor != "":
		p.add(n, "write values out where they are used", "YAML anchors such as &%s are no part of the language", n.y.Anchor)
		return false
	case n.y.Style&yaml.TaggedStyle != 0:
		p.add(n, "", "YAML tags such as %s are no part of the language", tag)
		return false
	}
	return true
}

func (s *shape) checkList(n node, p *problems) {
	items := n.items()
	if len(items) < s.least {
		p.add(n, "", "this list is empty; leave the key out, or write at least one")
	}
	seen := map[string]bool{}
	for _, item := range items {
		s.list.check(item, p)
		if item.y.Kind == yaml.ScalarNode {
			if seen[item.y.Value] {
				p.add(item, "remove one of the two", "%s stands twice in this list", quote(item.y.Value))
			}
			seen[item.y.Value] = true
		}
	}
}

func (s *shape) checkKeys(n node, p *problems) {
	eachKey(n, p, func(k, v node) {
		found := findKey(s.keys, k.text())
		if found == nil {
			found = findKey(s.beside, k.text())
		}
		if found == nil {
			p.add(k, nearest(k.text(), keyNames(slices.Concat(s.keys, s.beside))), "%s has no key %s", s.what, quote(k.text()))
			return
		}
		found.shape.called(found.name).check(v, p)
	})
	if given := s.given(n); s.one && given != 1 {
		p.add(n, "its key is one of: "+strings.Join(keyNames(s.keys), ", "), "%s has exactly one key, this has %d", s.what, given)
		return
	}
	for _, k := range s.keys {
		if k.required && !n.get(k.name).present() {
			p.add(n, "add "+k.name, "%s needs %s, and this has none", s.what, quote(k.name))
		}
	}
}

// given counts the keys of a mapping, but for those that may stand beside others.
func (s *shape) given(n node) int {
	count := 0
	for _, pair := range n.pairs() {
		if findKey(s.beside, pair.key.text()) == nil {
			count++
		}
	}
	return count
}

func (s *shape) checkNames(n node, p *problems) {
	eachKey(n, p, func(k, v node) {
		if err := s.namedAs().checkNamed(k, p); err != nil {
			p.add(k, "", "%v", err)
		}
		s.names.called(k.text()).check(v, p)
	})
}

// namedAs is what the names of a mapping from names may be.
func (s *shape) namedAs() *scalar {
	if s.naming != nil {
		return s.naming
	}
	return aDefinedName
}

// eachKey calls f for every key of a mapping that is a plain word and was not given before.
func eachKey(n node, p *problems, f func(k, v node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		k, v := node{n.y.Content[i]}, node{n.y.Content[i+1]}
		switch line, again := first[k.y.Value]; {
		case k.y.Kind != yaml.ScalarNode:
			p.add(k, "", "a key is a word, this is %s", describeNode(k))
		case !plain(k, p):
		case again:
			p.add(k, "write one of the two", "the key %s was given before, on line %d", quote(k.y.Value), p.locate(place{line, 1}).line)
		default:
			first[k.y.Value] = k.y.Line
			f(k, v)
		}
	}
}

// called returns s with the name of the key it stands under, for messages, unless it has one.
func (s *shape) called(name string) *shape {
	if s.what != "" {
		return s
	}
	c := *s
	c.what = name
	return &c
}

func (s *shape) name() string {
	if s.what == "" {
		return "what stands here"
	}
	return s.what
}

// forms says what a shape may be written as.
func (s *shape) forms() string {
	var forms []string
	if s.scalar != nil {
		forms = append(forms, s.scalar.describe())
	}
	if s.list != nil {
		forms = append(forms, "a list")
	}
	if s.keys != nil {
		forms = append(forms, "a mapping with "+strings.Join(keyNames(s.keys), ", "))
	}
	if s.names != nil {
		forms = append(forms, "a mapping from names")
	}
	return strings.Join(forms, " or ")
}

func (s *scalar) describe() string {
	if s.words != nil {
		return "one of " + strings.Join(s.words, ", ")
	}
	return s.what
}

// checkValue compares a single value with what it should be.
func (s *scalar) checkValue(n node, p *problems) {
	v := n.y.Value
	tag := n.y.Tag
	switch {
	case tag == "!!null":
		p.add(n, "write "+s.describe(), "there is no value here")
	case s.words != nil:
		if !contains(s.words, v) {
			p.add(n, alike(v, s.words), "%s is not %s", quote(v), s.describe())
		}
	case s.kind == truth && (tag != "!!bool" || v != "true" && v != "false"): // YAML knows True and TRUE, which must not pass for false
		p.add(n, "write true or false", "%s is neither true nor false", quote(v))
	case s.kind == number && tag != "!!int":
		p.add(n, "write it in digits, without quotes", "%s is no whole number", quote(v))
	case s.kind == fraction && tag != "!!float" && tag != "!!int":
		p.add(n, "write "+s.what, "%s is no number", quote(v))
	case s.kind == plainText && tag != "!!str":
		p.add(n, "put it in quotes", "%s is %s to YAML where %s is wanted", quote(v), describeNode(n), s.what)
	case s.check != nil:
		if err := s.checkNamed(n, p); err != nil {
			p.add(n, "", "%v", err)
		}
	}
}

func contains(words []string, w string) bool {
	for _, x := range words {
		if x == w {
			return true
		}
	}
	return false
}

// describeNode says what a node is in words.
func describeNode(n node) string {
	switch n.y.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.y.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "a truth value"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	}
	return fmt.Sprintf("the text %s", quote(n.y.Value))
}
