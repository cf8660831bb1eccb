package policy

import (
	"fmt"
	"slices"
)

// touches says why a test could come out otherwise once a part of the policy is right; "" if it could not.
func (b *builder) touches(p part, t test, pl planned, r TestResult) string {
	switch p.section {
	case "version", "approval", "revocation":
		return ""
	case "tests":
		if p.item < 0 || b.isTest(p.item, t) {
			return "it has errors itself"
		}
		return ""
	case "channels":
		return b.touchesChannel(p, pl)
	case "anchors":
		return b.touchesAnchor(p, t, pl, r)
	case "feeds", "lookups", "scanners":
		return b.touchesFeed(p, t, pl, r)
	case "deny":
		if t.want == Block || r.Got == Block || r.Passed {
			return "a deny rule has errors"
		}
		return ""
	case "exceptions":
		if t.named {
			return "an exception has errors"
		}
		return ""
	case "clients":
		return b.touchesClients(p, pl)
	case "defaults":
		if len(pl.channels) == 0 || (t.want == Allow) == (r.Got == Allow) {
			return "the defaults have errors"
		}
		return ""
	case "use":
		if len(pl.channels) == 0 || b.fragmentAt(t.where) != "" {
			return "a fragment of the catalogue is missing"
		}
		return ""
	}
	return fmt.Sprintf("the section %s has errors", p.section)
}

// isTest reports whether a test is the element of the tests section at a position.
func (b *builder) isTest(i int, t test) bool {
	items := b.root.get("tests").items()
	n, ok := t.where.(node)
	return i < len(items) && ok && items[i].y == n.y
}

// judgingKeys are the keys of a channel that say what it requires, and not what it is for.
var judgingKeys = []string{"require", "mode", "unproven", "delivery", "hold_max", "freeze"}

// touchesChannel says whether a test falls to a channel with errors, or could.
func (b *builder) touchesChannel(p part, pl planned) string {
	if p.item < 0 || p.item >= len(b.policy.channels) {
		return "the channels have errors"
	}
	own := b.policy.channels[p.item]
	said := fmt.Sprintf("channel %s has errors", quote(own.name))
	if slices.Contains(pl.channels, own) {
		return said
	}
	if slices.Contains(judgingKeys, p.key) || p.key != "hosts" && own.isElsewhere(pl.host) {
		return ""
	}
	for _, c := range pl.channels {
		if i := slices.Index(b.policy.channels, c); i >= 0 && i < p.item {
			return ""
		}
	}
	return said + ", and may be meant for this URL"
}

// isElsewhere reports whether a channel has hosts, and none of them is this one.
func (c *channel) isElsewhere(host string) bool {
	h, err := parseHostPattern(host)
	return err == nil && len(c.hosts) > 0 && !slices.ContainsFunc(c.hosts, func(p hostPattern) bool { return p.covers(h) })
}

func (b *builder) touchesAnchor(p part, t test, pl planned, r TestResult) string {
	said := fmt.Sprintf("anchor %s has errors", quote(p.name))
	refers := func(a *anchor) bool { return p.item < 0 || a.name == p.name }
	for _, c := range pl.channels {
		touched := b.hasExpression(c) // which may look at whatever the anchor would have vouched for
		for _, req := range c.requires {
			req.refers(func(a *anchor) { touched = touched || refers(a) })
		}
		if touched {
			return said
		}
	}
	if slices.Contains(b.policy.denied, p.name) || p.item < 0 && len(b.policy.denied) > 0 {
		return b.touches(part{section: "deny"}, t, pl, r)
	}
	return ""
}

// hasExpression reports whether a channel requires an expression, on whatever level.
func (b *builder) hasExpression(c *channel) (found bool) {
	var look func(n node)
	look = func(n node) {
		for _, item := range n.items() {
			look(item)
		}
		for _, pair := range n.pairs() {
			found = found || pair.key.text() == "if"
			look(pair.value)
		}
	}
	b.eachChannel(func(item node, other *channel) {
		if other == c {
			look(item.get("require"))
		}
	})
	return found
}

func (b *builder) touchesFeed(p part, t test, pl planned, r TestResult) string {
	if p.section == "scanners" || p.item < 0 {
		return fmt.Sprintf("the section %s has errors", p.section)
	}
	for _, c := range pl.channels {
		if slices.Contains(c.feeds, p.name) {
			return fmt.Sprintf("%s has errors", quote(p.name))
		}
	}
	if slices.Contains(b.policy.denies.feeds, p.name) {
		return b.touches(part{section: "deny"}, t, pl, r)
	}
	return ""
}

func (b *builder) touchesClients(p part, pl planned) string {
	for _, id := range b.policy.channelHost.find(pl.host) {
		if c := b.policy.channels[id]; len(c.clients) > 0 && (p.item < 0 || slices.Contains(c.clients, p.name)) {
			return fmt.Sprintf("the group of clients %s has errors", quote(p.name))
		}
	}
	return ""
}
