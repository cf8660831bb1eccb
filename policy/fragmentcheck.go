package policy

import (
	"slices"
	"strings"
)

// checkFragment adds what is wrong with a fragment beyond what the language itself refuses.
func (b *builder) checkFragment(f *fragment) {
	own := f.root.get("policy")
	names := map[string]bool{}
	for _, pair := range own.get("anchors").pairs() {
		names[pair.key.text()] = true
	}
	for _, c := range own.get("channels").items() {
		names[c.get("name").text()] = true
		b.checkFragmentHosts(f, c.get("hosts"))
		if m := c.get("mode"); m.text() == "enforce" {
			b.add(m, "leave it out", "whether a policy enforces is its own matter; a fragment says observe or nothing")
		}
		if len(c.get("require").items()) == 0 && c.get("require").present() {
			b.add(c.get("require"), "", "a channel of the catalogue requires something, or its product cannot be verified and needs no channel")
		}
	}
	for _, key := range []string{"tunnel", "inspect"} {
		b.checkFragmentHosts(f, own.get("hosts").get(key))
	}
	for _, item := range f.root.get("facts").items() {
		for _, about := range item.get("about").items() {
			if !names[about.text()] {
				b.add(about, nearest(about.text(), sortedKeys(names)), "the fragment has neither a channel nor an anchor %s", quote(about.text()))
			}
		}
	}
}

// checkFragmentHosts wants hosts as *.domain, or a reason.
func (b *builder) checkFragmentHosts(f *fragment, hosts node) {
	for _, h := range hosts.items() {
		if !strings.HasPrefix(h.text(), "*.") && f.Exact[h.text()] == "" {
			b.add(h, "write *. and a domain, or say under `exact` why it is this host alone", "%s is written out", quote(h.text()))
		}
	}
}

// checkFragments adds what is wrong with the fragments once their channels are built: facts that are missing or not confirmed, and channels without
// a test.
func (b *builder) checkFragments(root node) {
	if !b.strictly {
		return
	}
	for _, item := range root.get("channels").items() {
		c := b.policy.channelName[item.get("name").text()]
		f := b.fragmentOf(item)
		if c == nil || f == nil {
			continue
		}
		b.checkGrounds(item, c, f)
		if !b.tried(c) {
			b.add(item.get("name"), "", "no test of the fragment is about this channel")
		}
	}
	used := b.usedAnchors()
	for _, pair := range root.get("anchors").pairs() {
		if !used[pair.key.text()] {
			b.add(pair.key, "", "nothing refers to this anchor")
		}
	}
}

func (b *builder) fragmentOf(n at) *fragment {
	name := b.fragmentAt(n)
	i := slices.IndexFunc(b.policy.fragments, func(f *fragment) bool { return f.Name == name })
	if name == "" || i < 0 {
		return nil
	}
	return b.policy.fragments[i]
}

// checkGrounds compares a channel with the facts that it rests on: those about it and about the anchors that its requirements refer to.
func (b *builder) checkGrounds(item node, c *channel, f *fragment) {
	on := names{c.name: true}
	for _, r := range c.requires {
		r.refers(func(a *anchor) { on[a.name] = true })
	}
	if len(on) > 1 {
		delete(on, c.name) // what is known of who vouches for it is known of the channel
	}
	for _, name := range on.sorted() {
		known := slices.ContainsFunc(f.Facts, func(fact Fact) bool { return len(fact.About) == 0 || contains(fact.About, name) })
		if !known {
			b.add(item.get("name"), "", "no fact is about %s", quote(name))
		}
	}
	on[c.name] = true
	for _, fact := range f.Facts {
		about := len(fact.About) == 0 || slices.ContainsFunc(fact.About, func(name string) bool { return on[name] })
		if about && !fact.Confirmed && !c.observe {
			b.add(item.get("name"), "say mode: observe", "this channel rests on what nobody has confirmed (%s)", quote(fact.Fact))
		}
	}
}

// tried reports whether a test asks for something that falls to a channel.
func (b *builder) tried(c *channel) bool {
	return slices.ContainsFunc(b.policy.tests, func(t test) bool {
		pl := b.policy.plan(t.facts.Request)
		return slices.Contains(pl.channels, c)
	})
}
