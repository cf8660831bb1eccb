package policy

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Looser is what one policy lets by that another one stops or looks at, and of which no decision about an update tells: what is refused
// before anything is fetched, and what is not looked at, is none. All lists are sorted, and written for a person.
type Looser struct {
	Unseen   []string `json:"unseen,omitempty"`   // hosts that would not be looked at any more
	Undenied []string `json:"undenied,omitempty"` // hosts, or paths on them, that would not be refused any more
	Observed []string `json:"observed,omitempty"` // hosts on which nothing would be stopped any more
	Admitted []string `json:"admitted,omitempty"` // channels that more clients might use
}

// Any reports whether there is anything.
func (l *Looser) Any() bool {
	return len(l.Unseen)+len(l.Undenied)+len(l.Observed)+len(l.Admitted) > 0
}

// LooserThan compares the policy with another one by what they say of hosts, paths and clients.
func (p *Policy) LooserThan(before *Policy) Looser {
	sorted := func(list []string) []string {
		slices.Sort(list)
		return slices.Compact(list)
	}
	return Looser{Unseen: sorted(p.unseen(before)), Undenied: sorted(p.undenied(before)), Observed: sorted(p.observed(before)), Admitted: sorted(p.admitted(before))}
}

// unnamed is what people call the hosts that only defaults.hosts is about.
const unnamed = "every host that the policy does not name"

// unseen returns the hosts that the policy before looks at and this one passes through, and those whose connections may now turn into
// something that is not looked at.
func (p *Policy) unseen(before *Policy) []string {
	var out []string
	if p.otherHosts == "tunnel" && before.otherHosts == "inspect" {
		out = append(out, unnamed)
	}
	names, _ := before.InspectedHosts()
	patterns := slices.Clone(p.hosts.tunnel)
	for _, name := range names {
		if h, err := parseHostPattern(name); err == nil {
			patterns = append(patterns, h)
		}
	}
	for _, h := range patterns {
		if before.at(h) == InspectHost && p.at(h) == TunnelHost {
			out = append(out, h.String())
		}
	}
	for _, h := range p.hosts.upgrades.patterns() {
		if !slices.ContainsFunc(before.hosts.upgrades.patterns(), func(was hostPattern) bool { return was.covers(h) }) && before.at(h) == InspectHost {
			out = append(out, h.String()+" once a connection is upgraded")
		}
	}
	return out
}

// at is what happens on the hosts of a pattern, by one of them.
func (p *Policy) at(h hostPattern) HostAction { return p.host(h.one()).action }

// one is a host that a pattern stands for.
func (h hostPattern) one() string {
	if h.below {
		return "any." + h.name
	}
	return h.name
}

// patterns returns the patterns of an index, in no order.
func (x *hostIndex) patterns() []hostPattern {
	var out []hostPattern
	for name := range x.exact {
		out = append(out, hostPattern{name: name})
	}
	for name := range x.below {
		out = append(out, hostPattern{name: name, below: true})
	}
	return out
}

// undenied returns what the policy before refuses whatever comes from there, and this one does not.
func (p *Policy) undenied(before *Policy) []string {
	var out []string
	if p.otherHosts == "tunnel" && before.otherHosts == "deny" {
		out = append(out, unnamed)
	}
	for _, h := range p.hosts.tunnel {
		if before.at(h) == DenyHost && p.at(h) == TunnelHost {
			out = append(out, h.String())
		}
	}
	for _, h := range before.hosts.deny {
		if !p.refuses(h) {
			out = append(out, h.String())
		}
	}
	for _, d := range before.denies.list {
		if d.byRequest() {
			out = append(out, p.undeniedOf(d)...)
		}
	}
	return out
}

// undeniedOf returns what a deny rule of the policy before refuses and this one does not.
func (p *Policy) undeniedOf(d *denyRule) (out []string) {
	where := d.patterns
	if where == nil {
		where = []hostPattern{{}}
	}
	for _, h := range where {
		switch {
		case h.name != "" && p.refuses(h) || p.refusesPaths(h, d.paths):
		case h.name == "":
			out = append(out, "the paths of deny rule "+d.name)
		case d.paths == nil:
			out = append(out, h.String())
		default:
			out = append(out, "the paths of deny rule "+d.name+" on "+h.String())
		}
	}
	return out
}

// refuses reports whether everything on the hosts of a pattern is refused.
func (p *Policy) refuses(h hostPattern) bool {
	one := h.one()
	for _, id := range p.hosts.denied.find(one) {
		if p.hosts.deny[id].covers(h) {
			return true
		}
	}
	for _, id := range p.denies.host.find(one) {
		if d := p.denies.list[id]; d.wholeHost() && d.on(h) {
			return true
		}
	}
	return p.otherHosts == "deny" && p.at(h) == DenyHost && !p.namesAny(h)
}

// namesAny reports whether the policy names any of the hosts of a pattern for something else than to be refused.
func (p *Policy) namesAny(h hostPattern) bool {
	overlaps := func(other hostPattern) bool { return h.covers(other) || other.covers(h) }
	if slices.ContainsFunc(p.hosts.tunnel, overlaps) || slices.ContainsFunc(p.hosts.inspect, overlaps) {
		return true
	}
	return slices.ContainsFunc(p.channels, func(c *channel) bool { return slices.ContainsFunc(c.hosts, overlaps) }) ||
		slices.ContainsFunc(p.denies.list, func(d *denyRule) bool { return !d.wholeHost() && slices.ContainsFunc(d.patterns, overlaps) })
}

// on reports whether a rule is about all hosts of a pattern, the zero one being all there are.
func (d *denyRule) on(h hostPattern) bool {
	return d.patterns == nil || h.name != "" && slices.ContainsFunc(d.patterns, func(by hostPattern) bool { return by.covers(h) })
}

// refusesPaths reports whether what some globs match on the hosts of a pattern, the zero one being all, is refused by one rule.
func (p *Policy) refusesPaths(h hostPattern, globs globs) bool {
	for _, id := range p.denies.candidates(h.one(), verify.Digest{}) {
		d := p.denies.list[id]
		if !d.byRequest() || !d.on(h) {
			continue
		}
		if d.paths == nil || globs != nil && !slices.ContainsFunc(globs, func(g pathPattern) bool { return !slices.Contains(d.paths, g) }) {
			return true
		}
	}
	return false
}

// observed returns the hosts on which the policy before stops what is not proven, and this one only records it.
func (p *Policy) observed(before *Policy) []string {
	var out []string
	if p.defaults.observe && !before.defaults.observe && p.unmatched != "allow" && before.unmatched != "allow" && (before.otherHosts == "inspect" || len(before.hosts.inspect) > 0) {
		out = append(out, "every host that no channel names")
	}
	for _, c := range p.channels {
		if !c.observe {
			continue
		}
		for _, h := range c.hosts {
			for _, path := range c.paths.samples() {
				r := Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: h.one(), Path: path}, Client: p.member(c)}
				was, is := before.plan(r), p.plan(r)
				if was.Inspect && !was.Observe && (len(was.channels) > 0 || before.unmatched != "allow") && is.Observe && slices.Contains(is.channels, c) {
					out = append(out, h.String())
				}
			}
		}
	}
	return out
}

// member returns a client that may use a channel.
func (p *Policy) member(c *channel) Client {
	for _, group := range c.clients {
		for _, m := range p.clients[group] {
			return m.some()[0]
		}
	}
	return Client{}
}

// some are clients that a member of a group stands for: of a network the first and the last address.
func (m groupMember) some() []Client {
	if m.user != "" {
		return []Client{{User: m.user}}
	}
	first := m.network.Masked().Addr()
	last := first.AsSlice()
	for i := m.network.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 1 << (7 - i%8)
	}
	out := []Client{{Addr: first}}
	if addr, ok := netip.AddrFromSlice(last); ok && addr != first {
		out = append(out, Client{Addr: addr})
	}
	return out
}

// maxStrangers bounds the clients that each channel is tried with.
const maxStrangers = 256

// admitted returns the channels that the policy before keeps from clients whom this one does not refuse there.
func (p *Policy) admitted(before *Policy) []string {
	strangers := []Client{{}}
	for _, group := range sortedKeys(p.clients) {
		for _, m := range p.clients[group] {
			strangers = append(strangers, m.some()...)
		}
	}
	strangers = strangers[:min(len(strangers), maxStrangers)]
	var out []string
	for _, c := range before.channels {
		if len(c.clients) == 0 || c.observe {
			continue
		}
		if h, ok := p.admitsMore(before, c, strangers); ok {
			out = append(out, c.name+" (on "+h.String()+")")
		}
	}
	return out
}

func (p *Policy) admitsMore(before *Policy, c *channel, strangers []Client) (hostPattern, bool) {
	for _, h := range c.hosts {
		for _, path := range c.paths.samples() {
			for _, client := range strangers {
				r := Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: h.one(), Path: path}, Client: client}
				if before.admits(c, client) {
					continue
				}
				was := before.plan(r)
				if was.Refusal != nil && was.Refusal.Rule == c.rule() && p.plan(r).Refusal == nil {
					return h, true
				}
			}
		}
	}
	return hostPattern{}, false
}

// samples returns a path for each glob that one can be made up for.
func (g globs) samples() []string {
	if g == nil {
		return []string{"/any"}
	}
	var out []string
	for _, p := range g {
		path := strings.NewReplacer("**", "any", "*", "any", "?", "x").Replace(firstAlternatives(p.glob))
		if (globs{p}).match(path) {
			out = append(out, path)
		}
	}
	return out
}

// firstAlternatives replaces what stands in braces by the first of it.
func firstAlternatives(glob string) string {
	for {
		open := strings.LastIndexByte(glob, '{')
		if open < 0 {
			return glob
		}
		end := strings.IndexByte(glob[open:], '}')
		if end < 0 {
			return glob
		}
		first, _, _ := strings.Cut(glob[open+1:open+end], ",")
		glob = glob[:open] + first + glob[open+end+1:]
	}
}
