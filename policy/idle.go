package policy

import (
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// idleDenies notes deny rules that never come to anything.
func (b *builder) idleDenies() {
	rules := b.policy.denies.list
	for i, item := range b.root.get("deny").items() {
		if i >= len(rules) {
			return
		}
		name := item.get("name")
		switch by := b.refusedBefore(rules[i], i); {
		case by != "":
			b.warn(name, "remove it", "deny rule %s can never match: %s refuses all that it names before", quote(rules[i].name), by)
		case rules[i].patterns == nil && !b.looksIntoAnything():
			b.warn(name, "name hosts in channels or under hosts.inspect", "deny rule %s can never match: no host is looked into", quote(rules[i].name))
		}
	}
}

// refusedBefore says what refuses everything that a deny rule names before it is come to.
func (b *builder) refusedBefore(d *denyRule, i int) string {
	covered := func(by []hostPattern) bool {
		return len(d.patterns) > 0 && !slices.ContainsFunc(d.patterns, func(h hostPattern) bool {
			return !slices.ContainsFunc(by, func(o hostPattern) bool { return o.covers(h) })
		})
	}
	if covered(b.policy.hosts.deny) {
		return "hosts.deny"
	}
	for _, earlier := range b.policy.denies.list[:i] {
		if earlier.wholeHost() && covered(earlier.patterns) || earlier.byDigestAlone() && d.digests != nil && within(d.digests, earlier.digests) {
			return "deny rule " + quote(earlier.name)
		}
	}
	return ""
}

// byDigestAlone reports whether the rule asks for nothing but digests.
func (d *denyRule) byDigestAlone() bool {
	return d.digests != nil && d.patterns == nil && d.paths == nil && !d.bySigner && !d.byFeed
}

func within(some, of map[verify.Digest]bool) bool {
	if len(some) > len(of) {
		return false
	}
	for d := range some {
		if !of[d] {
			return false
		}
	}
	return len(some) > 0
}

// looksIntoAnything reports whether there is a host whose updates are looked at.
func (b *builder) looksIntoAnything() bool {
	hosts, others := b.policy.InspectedHosts()
	return len(hosts) > 0 || others
}

// idleExceptions notes exceptions that waive nothing.
func (b *builder) idleExceptions() {
	for _, item := range b.root.get("exceptions").items() {
		c := b.policy.channelName[item.get("channel").text()]
		name := item.get("name")
		said := quote(name.text())
		switch {
		case c == nil:
		case len(c.requires) == 0 && len(item.get("sha256").items()) > 0:
			b.warn(name, "remove it", "exception %s can never matter: channel %s requires nothing", said, c.name)
		case c.observe:
			b.warn(name, "", "exception %s changes nothing as long as channel %s only observes", said, c.name)
		}
		if by := b.deniedAnyhow(digests(item.get("sha256"))); by != "" {
			b.warn(name, "remove the one or the other: nothing overrides a deny rule", "exception %s can never let its files through: deny rule %s refuses them", said, by)
		}
	}
}

// deniedAnyhow names a deny rule that refuses all of some files, wherever they come from.
func (b *builder) deniedAnyhow(files []verify.Digest) string {
	for _, d := range b.policy.denies.list {
		if d.byDigestAlone() && len(files) > 0 && !slices.ContainsFunc(files, func(f verify.Digest) bool { return !d.digests[f] }) {
			return quote(d.name)
		}
	}
	return ""
}
