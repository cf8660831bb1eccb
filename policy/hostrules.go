package policy

import "fmt"

// hostRules is the hosts section: what happens on hosts besides those that channels name.
type hostRules struct {
	deny, tunnel, inspect []hostPattern
	denied                hostIndex
	passed                hostIndex // tunnel and inspect in one; ids are positions in ranked
	ranked                []rankedHost
	ports                 []portRule
	upgrades              hostIndex
}

// rankedHost is a pattern of the tunnel or inspect list.
type rankedHost struct {
	pattern hostPattern
	tunnel  bool
}

func (b *builder) hostRules(n node) hostRules {
	r := hostRules{deny: hostList(n.get("deny")), tunnel: hostList(n.get("tunnel")), inspect: hostList(n.get("inspect"))}
	for i, h := range r.deny {
		r.denied.add(h, i)
	}
	for _, h := range r.tunnel {
		r.ranked = append(r.ranked, rankedHost{h, true})
	}
	for _, h := range r.inspect {
		r.ranked = append(r.ranked, rankedHost{h, false})
	}
	for i, h := range r.ranked {
		r.passed.add(h.pattern, i)
	}
	for i, h := range hostList(n.get("upgrades")) {
		r.upgrades.add(h, i)
	}
	for _, item := range n.get("ports").items() {
		if p, err := parsePortRule(item.text()); err == nil {
			r.ports = append(r.ports, p)
		}
	}
	for _, item := range n.get("inspect").items() {
		h, err := parseHostPattern(item.text())
		for _, t := range r.tunnel {
			if err == nil && h == t {
				b.add(item, "", "%s is in hosts.tunnel as well", quote(item.text()))
			}
		}
	}
	return r
}

// overlaps adds an error for every host that a channel or a deny rule looks at and the hosts section keeps from it.
func (b *builder) overlaps(root node) {
	rules := b.policy.hosts
	for _, section := range []struct{ list, what string }{{"channels", "channel"}, {"deny", "deny rule"}} {
		for _, item := range root.get(section.list).items() {
			onlyHosts := section.list == "deny" && !needsInspection(item)
			for _, h := range item.get("hosts").items() {
				pattern, err := parseHostPattern(h.text())
				if err != nil || onlyHosts {
					continue
				}
				for _, d := range rules.deny {
					if section.list == "channels" && d.covers(pattern) {
						b.add(h, "", "%s is refused by %s in hosts.deny, so this channel can never be used there", quote(h.text()), d)
					}
				}
				for _, t := range rules.tunnel {
					if t.covers(pattern) || pattern.covers(t) {
						b.add(h, "", "%s is passed through unseen by %s in hosts.tunnel, so this %s would not see it", quote(h.text()), t, section.what)
					}
				}
			}
		}
	}
}

// Upgrade reports whether an inspected connection to a host may change to another protocol, such as WebSocket
// (RFC 9110 section 7.8).
func (p *Policy) Upgrade(name string) bool {
	n, err := normalHost(name)
	return err == nil && len(p.hosts.upgrades.find(n)) > 0
}

// Host says what to do with a connection of a client to a host (in any form, without port), and in one sentence why.
// The answer is the same for every client: a channel that is for others refuses them in Plan, where it is known what
// they ask for.
func (p *Policy) Host(c Client, name string) (HostAction, string) {
	v := p.host(name)
	return v.action, v.why
}

// Redirect reports whether a redirect from a channel may lead to a host, and in one sentence why not. A host that the
// policy refuses or passes through by name is never overridden; any other is inspected for the redirected request.
func (p *Policy) Redirect(name string) (bool, string) {
	v := p.host(name)
	return v.carries(), v.why
}

// hostVerdict is what happens on a host.
type hostVerdict struct {
	name   string // in normal form; "" if there is none
	action HostAction
	rule   string
	why    string
	named  bool // by something other than defaults.hosts
}

// carries reports whether a redirect may bring a channel to the host.
func (v hostVerdict) carries() bool {
	return v.action == InspectHost || v.action == TunnelHost && !v.named
}

func (p *Policy) host(raw string) hostVerdict {
	name, err := normalHost(raw)
	if err != nil {
		return hostVerdict{action: DenyHost, rule: "policy", why: err.Error(), named: true}
	}
	v := hostVerdict{name: name, named: true}
	if p.broken {
		v.rule, v.why = "policy", "the policy has errors"
		return v
	}
	if ids := p.hosts.denied.find(name); len(ids) > 0 {
		v.action, v.rule, v.why = DenyHost, "hosts.deny", fmt.Sprintf("%s is refused by %s in hosts.deny", name, p.hosts.deny[ids[0]])
		return v
	}
	rules := p.denies.host.find(name)
	for _, id := range rules {
		if d := p.denies.list[id]; d.wholeHost() {
			v.action, v.rule, v.why = DenyHost, d.rule(), d.sentence(name+" is refused")
			return v
		}
	}
	if ids := p.channelHost.find(name); len(ids) > 0 {
		c := p.channels[ids[0]]
		v.action, v.rule, v.why = InspectHost, c.rule(), fmt.Sprintf("%s belongs to channel %s", name, c.name)
		return v
	}
	if len(rules) > 0 {
		d := p.denies.list[rules[0]]
		v.action, v.rule, v.why = InspectHost, d.rule(), fmt.Sprintf("%s is named by deny rule %s", name, d.name)
		return v
	}
	if h, ok := p.hosts.closest(name); ok {
		if h.tunnel {
			v.action, v.rule, v.why = TunnelHost, "hosts.tunnel", fmt.Sprintf("%s is passed through by %s in hosts.tunnel", name, h.pattern)
		} else {
			v.action, v.rule, v.why = InspectHost, "hosts.inspect", fmt.Sprintf("%s is looked into by %s in hosts.inspect", name, h.pattern)
		}
		return v
	}
	v.named, v.rule = false, "defaults.hosts"
	switch p.otherHosts {
	case "tunnel":
		v.action = TunnelHost
	case "inspect":
		v.action = InspectHost
	}
	v.why = fmt.Sprintf("nothing in the policy names %s, and defaults.hosts is %s", name, p.otherHosts)
	return v
}

// closest returns the most specific pattern of tunnel and inspect that stands for a host.
func (r *hostRules) closest(name string) (rankedHost, bool) {
	best, found := rankedHost{}, false
	for _, id := range r.passed.find(name) {
		h := r.ranked[id]
		if !found || !h.pattern.below || best.pattern.below && len(h.pattern.name) > len(best.pattern.name) {
			best, found = h, true
		}
	}
	return best, found
}

// InspectedHosts returns the patterns of all hosts that the policy names to be looked into, in normal form, sorted; and
// whether every other host is looked into as well (defaults.hosts is inspect). Hosts that a redirect leads to are not
// among them.
func (p *Policy) InspectedHosts() (patterns []string, others bool) {
	names := map[string]bool{}
	for _, h := range p.hosts.inspect {
		names[h.String()] = true
	}
	for _, c := range p.channels {
		for _, h := range c.hosts {
			names[h.String()] = true
		}
	}
	for _, d := range p.denies.list {
		if d.wholeHost() {
			continue
		}
		for _, h := range d.patterns {
			names[h.String()] = true
		}
	}
	return sortedKeys(names), p.otherHosts == "inspect"
}
