package policy

import (
	"net/url"
	"strings"
)

// outside notes TUF anchors whose targets lie on no host of the channels that ask for them: a repository knows files by their
// URL, so that it lists none of those channels' updates.
func (b *builder) outside() {
	p := b.policy
	for _, name := range sortedKeys(p.anchors) {
		a := p.anchors[name]
		if a.tuf == nil {
			continue
		}
		u, err := url.Parse(a.tuf.Targets)
		if err != nil || u.Hostname() == "" {
			continue
		}
		asking, reached := p.askers(a, u.Hostname())
		if len(asking) > 0 && !reached {
			b.warn(b.keyOf("anchors", name), "", "anchor %s: its targets are at %s, and no channel that asks for it (%s) has that host: there it vouches for nothing",
				name, a.tuf.Targets, strings.Join(asking, ", "))
		}
	}
}

// askers returns the names of the channels whose requirements refer to an anchor, and whether one of them has the host.
func (p *Policy) askers(a *anchor, host string) (names []string, reached bool) {
	parsed, err := parseHostPattern(host)
	if err != nil {
		return nil, true
	}
	for _, c := range p.channels {
		asks := false
		for _, r := range c.requires {
			r.refers(func(other *anchor) { asks = asks || other == a })
		}
		if !asks {
			continue
		}
		names = append(names, c.name)
		for _, h := range c.hosts {
			reached = reached || h.covers(parsed)
		}
	}
	return names, reached
}
