package policy

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// use adds the fragments that a policy uses to what it says itself, behind it, in the order in which it names them, and returns the
// whole. What a fragment names keeps the lines of its own file (see sourcelines.go).
func (b *builder) use(root node) node {
	entries := root.get("use").items()
	if len(entries) == 0 {
		return root
	}
	whole := node{clone(root.y)}
	seen := map[string]bool{}
	for i, entry := range entries {
		written := entry.text()
		if n := entry.get("name"); n.present() {
			written = n.text()
		}
		if checkFragmentName(written) != nil || i >= maxFragments {
			continue // the check has said so
		}
		if seen[written] {
			if entry.y.Kind == yaml.MappingNode { // the check has said so of two that are words
				b.add(entry, "remove one of the two", "%s stands twice in this list", quote(written))
			}
			continue
		}
		seen[written] = true
		f := b.readFragment(entry, written[len(cataloguePrefix):])
		if f == nil {
			continue
		}
		b.policy.fragments = append(b.policy.fragments, f)
		b.keepsOff(root, f.Name)
		if b.strictly {
			b.checkFragment(f)
		}
		b.merge(whole, f)
	}
	for _, f := range b.policy.fragments {
		b.mergeHosts(whole, f.root.get("policy").get("hosts"))
	}
	return whole
}

// keepsOff refuses what a policy defines itself under the name of a fragment that it uses.
func (b *builder) keepsOff(root node, name string) {
	refuse := func(n node, what string) {
		if n.text() == name {
			b.add(n, "call it something else, such as my-"+name, "%s is the name of a fragment that this policy uses, so no %s of its own has it", quote(name), what)
		}
	}
	for _, pair := range root.get("anchors").pairs() {
		refuse(pair.key, "anchor")
	}
	for _, item := range root.get("channels").items() {
		refuse(item.get("name"), "channel")
	}
}

// merge adds what a fragment says to a policy.
func (b *builder) merge(whole node, f *fragment) {
	own := f.root.get("policy")
	entry := f.entry
	if anchors := own.get("anchors"); len(anchors.pairs()) > 0 {
		into := section(whole, "anchors", yaml.MappingNode)
		into.Content = append(into.Content, anchors.y.Content...)
	}
	channels := section(whole, "channels", yaml.SequenceNode)
	for _, item := range own.get("channels").items() {
		channels.Content = append(channels.Content, adapted(item, entry).y)
	}
	if entry.get("require").present() || entry.get("clients").present() {
		return // its tests are about the fragment as it is
	}
	tests := section(whole, "tests", yaml.SequenceNode)
	for _, item := range own.get("tests").items() {
		tests.Content = append(tests.Content, item.y)
	}
}

// mergeHosts adds the hosts of a fragment, but for those of which the policy itself or any channel speaks: what is said of them there counts.
func (b *builder) mergeHosts(whole, hosts node) {
	for _, key := range []string{"tunnel", "inspect"} {
		for _, item := range hosts.get(key).items() {
			h, err := parseHostPattern(item.text())
			if err != nil || spokenOf(whole, h) {
				continue
			}
			into := section(node{section(whole, "hosts", yaml.MappingNode)}, key, yaml.SequenceNode)
			into.Content = append(into.Content, item.y)
		}
	}
}

// spokenOf reports whether a channel, a deny rule or the hosts section has hosts in common with a pattern.
func spokenOf(root node, h hostPattern) bool {
	var lists []node
	for _, name := range []string{"channels", "deny"} {
		for _, item := range root.get(name).items() {
			lists = append(lists, item.get("hosts"))
		}
	}
	for _, name := range []string{"deny", "tunnel", "inspect"} {
		lists = append(lists, root.get("hosts").get(name))
	}
	for _, list := range lists {
		if slices.ContainsFunc(hostList(list), func(o hostPattern) bool { return o.covers(h) || h.covers(o) }) {
			return true
		}
	}
	return false
}

// adapted returns a channel of a fragment as the entry of `use` wants it.
func adapted(channel, entry node) node {
	out := node{clone(channel.y)}
	for _, key := range []string{"mode", "clients", "unproven", "delivery"} {
		if v := entry.get(key); v.present() {
			set(out, key, v.y)
		}
	}
	if more := entry.get("require"); len(more.items()) > 0 && out.get("require").present() {
		both := clone(out.get("require").y)
		both.Content = append(both.Content, more.y.Content...)
		set(out, "require", both)
	}
	return out
}

// clone copies a node, but not what is below it.
func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = slices.Clone(n.Content)
	return &c
}

// set puts a value under a key of a mapping.
func set(n node, key string, v *yaml.Node) {
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		if n.y.Content[i].Value == key {
			n.y.Content[i+1] = v
			return
		}
	}
	n.y.Content = append(n.y.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: v.Line, Column: v.Column}, v)
}

// section returns a section of a policy to add to; one that is there is copied.
func section(root node, name string, kind yaml.Kind) *yaml.Node {
	old := root.get(name)
	s := &yaml.Node{Kind: kind, Line: root.y.Line, Column: root.y.Column}
	if old.present() && old.y.Kind == kind {
		s = clone(old.y)
	}
	set(root, name, s)
	return s
}
