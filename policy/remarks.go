package policy

import (
	"slices"
	"strings"
)

// remarks notes what can hardly be meant, though it is not wrong.
func (b *builder) remarks() {
	b.observing()
	b.askingNothing()
	b.idleDenies()
	b.idleExceptions()
	b.unusedNames()
	b.unseenHosts()
	b.unseenTests()
}

// standsAt is where something is for a reader of the policy: what a fragment brings is where the fragment is taken up.
func (b *builder) standsAt(n node) at {
	if f := b.fragmentOf(n); f != nil {
		return f.entry
	}
	return n
}

// eachChannel calls f for every channel, with what it was made of.
func (b *builder) eachChannel(f func(item node, c *channel)) {
	for i, item := range b.root.get("channels").items() {
		if i < len(b.policy.channels) {
			f(item, b.policy.channels[i])
		}
	}
}

// observing notes what is decided and not carried out.
func (b *builder) observing() {
	if m := b.root.get("defaults").get("mode"); b.policy.defaults.observe {
		b.warn(m, "say mode: enforce once you have seen what would have been held", "defaults.mode is observe: nothing but deny rules is stopped where a channel does not say enforce")
	}
	b.eachChannel(func(item node, c *channel) {
		m := item.get("mode")
		if !c.observe || !m.present() {
			return
		}
		if f := b.fragmentOf(item); f != nil {
			b.warn(f.entry, "say mode: enforce here once you have seen that its updates pass", "channel %s of %s%s only observes: what lacks proof is delivered", c.name, cataloguePrefix, f.Name)
			return
		}
		b.warn(m, "", "channel %s only observes: what lacks proof is delivered", c.name)
	})
}

// askingNothing notes channels on which everything passes.
func (b *builder) askingNothing() {
	b.eachChannel(func(item node, c *channel) {
		if r := item.get("require"); r.present() && len(r.items()) == 0 {
			b.warn(r, "require signed_by at least, or take the hosts out of the channel", "channel %s requires nothing: every update on it is let through", c.name)
		}
	})
}

// unusedNames notes what is defined and never referred to.
func (b *builder) unusedNames() {
	used := b.usedAnchors()
	for _, pair := range b.root.get("anchors").pairs() {
		a := b.policy.anchors[pair.key.text()]
		if a != nil && a.evaluated() && !used[a.name] && b.fragmentAt(pair.key) == "" {
			b.warn(pair.key, "remove it, or name it under signed_by", "anchor %s is referred to by nothing", a.name)
		}
	}
	groups := map[string]bool{}
	b.eachChannel(func(_ node, c *channel) {
		for _, g := range c.clients {
			groups[g] = true
		}
	})
	for _, pair := range b.root.get("clients").pairs() {
		if !groups[pair.key.text()] {
			b.warn(pair.key, "remove it, or name it under clients of a channel", "the group of clients %s is named by no channel", quote(pair.key.text()))
		}
	}
}

// usedAnchors returns the names of the anchors that something refers to.
func (b *builder) usedAnchors() map[string]bool {
	used := map[string]bool{}
	for name := range b.used {
		used[name] = true
	}
	for _, c := range b.policy.channels {
		for _, r := range c.requires {
			r.refers(func(a *anchor) { used[a.name] = true })
		}
	}
	return used
}

// unseenHosts notes domains of which a channel or a deny rule has all hosts but the one of the domain's own name, where that is passed through.
func (b *builder) unseenHosts() {
	for _, section := range []string{"channels", "deny"} {
		for _, item := range b.root.get(section).items() {
			if b.fragmentAt(item) != "" {
				continue
			}
			for _, h := range item.get("hosts").items() {
				name, below := strings.CutPrefix(h.text(), "*.")
				if v := b.policy.host(name); below && strings.Contains(v.name, ".") && v.action == TunnelHost && !v.named {
					b.warn(h, "add "+quote(v.name)+" where it is meant, too, or say so under hosts.tunnel", "%s does not stand for %s itself, which is passed through unseen", h.text(), v.name)
				}
			}
		}
	}
	rules := b.policy.hosts
	for _, key := range []string{"tunnel", "inspect"} {
		for _, item := range b.root.get("hosts").get(key).items() {
			h, err := parseHostPattern(item.text())
			i := slices.IndexFunc(rules.deny, func(d hostPattern) bool { return d.covers(h) })
			if err == nil && i >= 0 {
				b.warn(item, "remove the one or the other", "%s in hosts.%s changes nothing: it is refused by %s in hosts.deny", item.text(), key, rules.deny[i])
			}
		}
	}
}

// unseenTests notes tests that show nothing, since nothing is looked at where they ask.
func (b *builder) unseenTests() {
	for _, t := range b.policy.tests {
		if pl := b.policy.plan(t.facts.Request); pl.Refusal == nil && !pl.Inspect && len(t.facts.Report.Findings)+len(t.facts.Reputation.Listings) > 0 && t.of == "" {
			b.warn(t.where, "name the host in a channel, or leave the findings out", "test %s shows nothing: %s is passed through unseen, whatever is found", quote(t.name), pl.host)
		}
	}
}
