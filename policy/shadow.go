package policy

import (
	"slices"
	"strings"
)

// shadowed notes channels that no request can reach, because earlier ones take all that they are for.
func (b *builder) shadowed() {
	p := b.policy
	b.eachChannel(func(item node, c *channel) {
		i := slices.Index(p.channels, c)
		by := map[string]bool{}
		for _, h := range c.hosts {
			first := p.takenBy(h, i)
			if first == nil {
				return
			}
			by[first.name] = true
		}
		if len(c.hosts) == 0 {
			return
		}
		where := b.standsAt(item.get("name"))
		b.warn(where, "put it before them, or remove it", "channel %s is never reached: before it %s has all of its hosts, paths and clients", c.name, strings.Join(sortedKeys(by), ", "))
	})
}

// takenBy returns a channel before position i that takes everything of the channel there on all hosts of a pattern, or nil.
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
		if !earlier.hasPathsOf(p.channels[i]) || !earlier.hasClientsOf(p.channels[i]) {
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

// hasPathsOf reports whether every path of another channel is surely one of this.
func (c *channel) hasPathsOf(other *channel) bool {
	if c.paths == nil {
		return true
	}
	all := func(g pathPattern) bool { return g.glob == "/**" || g.glob == "**" }
	if slices.ContainsFunc(c.paths, all) {
		return true
	}
	return other.paths != nil && !slices.ContainsFunc(other.paths, func(g pathPattern) bool {
		return !slices.ContainsFunc(c.paths, func(mine pathPattern) bool { return mine == g || mine.isFolderOf(g) })
	})
}

// isFolderOf reports whether a pattern stands for everything below a folder, and another for something in it.
func (g pathPattern) isFolderOf(other pathPattern) bool {
	folder, all := strings.CutSuffix(g.glob, "**")
	return all && strings.HasSuffix(folder, "/") && !strings.ContainsAny(folder, `*?[]{}\`) && len(other.glob) > len(folder) && strings.HasPrefix(other.glob, folder)
}

// hasClientsOf reports whether every client of another channel is surely one of this.
func (c *channel) hasClientsOf(other *channel) bool {
	if len(c.clients) == 0 {
		return true
	}
	return len(other.clients) > 0 && !slices.ContainsFunc(other.clients, func(g string) bool { return !slices.Contains(c.clients, g) })
}
