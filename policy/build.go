package policy

import (
	"io/fs"
	"time"
)

// builder turns a checked file into a Policy. It runs whether or not the check found errors, so that names that
// lead nowhere are reported together with them; values that the check has refused it takes as they come.
type builder struct {
	*problems
	files     fs.FS
	catalogue fs.FS // nil: there is none
	root      node  // of the policy with all that it uses
	data      []byte
	strictly  bool // the fragments are checked as those of the catalogue are
	results   []TestResult
	untried   []Warning // tests that could not be run

	source sourceText        // the policy file
	read   map[string][]byte // files that the policy names, by name
	policy *Policy
	used   map[string]bool // anchors that something refers to

	referred map[string]bool // feeds that something refers to
	scanned  map[string]bool // scanners that something asks

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
	b.approval(root.get("approval"))
	b.feeds(root.get("feeds"))
	b.lookups(root.get("lookups"))
	b.scanners(root.get("scanners"))
	p.freeze = b.freezeOf(d.get("freeze"), nil)
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
			if b.fragmentAt(name) != b.fragmentAt(place{line, 1}) {
				continue // see keepsOff
			}
			b.add(name, "give one of them another name", "another %s is called %s, on line %d", what, quote(name.text()), b.locate(place{line, 1}).line)
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
			b.warn(pair.key, "remove it", "anchor %s is of kind %s, which this version does not evaluate; nothing refers to it", a.name, a.kind)
		}
	}
	b.unusedFeeds()
	b.unusedScanners()
}
