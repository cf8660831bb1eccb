package policy

import (
	"io/fs"
	"time"
)

// builder turns a checked file into a Policy. It runs whether or not the check found errors, so that names that
// lead nowhere are reported together with them; values that the check has refused it takes as they come.
type builder struct {
	*problems
	files  fs.FS
	source sourceText        // the policy file
	read   map[string][]byte // files that the policy names, by name
	policy *Policy
	used   map[string]bool // anchors that something refers to

	referred map[string]bool // feeds that something refers to

	bundleFiles, bundleBytes int // of the bundles that the policy brings
}

func (b *builder) build(root node) {
	p := b.policy
	d := root.get("defaults")
	p.defaults = b.settings(d, settings{unproven: Quarantine, holdMax: 25 * time.Second})
	p.unmatched = wordOr(d.get("unmatched"), "quarantine")
	p.otherHosts = wordOr(d.get("hosts"), "tunnel")
	p.hosts = b.hostRules(root.get("hosts"))
	b.clients(root.get("clients"))
	b.anchors(root.get("anchors"))
	b.revocation(root.get("revocation"))
	b.feeds(root.get("feeds"))
	b.channels(root)
	b.denies(root.get("deny"))
	b.anchorNames()
	b.exceptions(root.get("exceptions"))
	b.tests(root.get("tests"))
	b.overlaps(root)
	b.deniedSources(root)
	b.unused(root)
	b.shadowed()
	b.outside()
}

// settings reads what defaults and channels have in common.
func (b *builder) settings(n node, s settings) settings {
	switch n.get("unproven").text() {
	case "block":
		s.unproven = Block
	case "quarantine":
		s.unproven = Quarantine
	}
	if m := n.get("mode"); m.present() {
		s.observe = m.text() == "observe"
	}
	switch n.get("delivery").text() {
	case "hold":
		s.delivery = Hold
	case "retry":
		s.delivery = Retry
	case "stream":
		s.delivery = Stream
	}
	if h, err := parseDuration(n.get("hold_max").text()); err == nil {
		s.holdMax = h
	}
	return s
}

func wordOr(n node, otherwise string) string {
	if n.present() {
		return n.text()
	}
	return otherwise
}

func (b *builder) clients(n node) {
	b.policy.clients = map[string][]groupMember{}
	for _, group := range n.pairs() {
		var members []groupMember
		for _, item := range group.value.items() {
			if m, err := parseMember(item.text()); err == nil {
				members = append(members, m)
			}
		}
		b.policy.clients[group.key.text()] = members
	}
}

// hostList reads patterns that the check has accepted.
func hostList(n node) []hostPattern {
	var out []hostPattern
	for _, item := range n.items() {
		if h, err := parseHostPattern(item.text()); err == nil {
			out = append(out, h)
		}
	}
	return out
}

// unique adds an error for every element of a list whose name an earlier one has.
func (b *builder) unique(what string, items []node) {
	first := map[string]int{}
	for _, item := range items {
		name := item.get("name")
		if name.text() == "" {
			continue
		}
		if line, again := first[name.text()]; again {
			b.add(name, "", "another %s is called %s, on line %d", what, quote(name.text()), line)
			continue
		}
		first[name.text()], _ = name.position()
	}
}

// unused notes anchors that nothing refers to although they cannot be evaluated, and feeds that nothing refers to.
func (b *builder) unused(root node) {
	for _, pair := range root.get("anchors").pairs() {
		a := b.policy.anchors[pair.key.text()]
		if a != nil && !a.evaluated() && !b.used[a.name] {
			b.policy.warnings = append(b.policy.warnings,
				"anchor "+a.name+" is of kind "+a.kind+", which this version does not evaluate; nothing refers to it")
		}
	}
	b.unusedFeeds()
}
