package policy

import "fmt"

// shadowed notes channels that no request can reach, because earlier ones take all of their hosts whatever the path
// and whoever asks.
func (b *builder) shadowed() {
	p := b.policy
	for i, c := range p.channels {
		by := map[string]bool{}
		hidden := len(c.hosts) > 0
		for _, h := range c.hosts {
			first := p.takenBy(h, i)
			if first == nil {
				hidden = false
				break
			}
			by[first.name] = true
		}
		if hidden {
			p.warnings = append(p.warnings, fmt.Sprintf("channel %s is never reached: %v before it has all of its hosts, every path and every client",
				c.name, sortedKeys(by)))
		}
	}
}

// takenBy returns a channel before position i that takes everything on all hosts of a pattern, or nil.
func (p *Policy) takenBy(h hostPattern, i int) *channel {
	name := h.name
	if h.below {
		name = "any." + name // of the patterns that stand for this host, those that cover h are among them
	}
	for _, id := range p.channelHost.find(name) {
		earlier := p.channels[id]
		if id >= i {
			break
		}
		if earlier.paths != nil || len(earlier.clients) > 0 {
			continue
		}
		for _, e := range earlier.hosts {
			if e.covers(h) {
				return earlier
			}
		}
	}
	return nil
}
