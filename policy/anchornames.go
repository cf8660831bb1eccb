package policy

import (
	"maps"
	"slices"
	"strings"
)

// A request is judged by what some anchors vouch for, and no others have to be asked about. The names below are those of
// anchors that may change what happens to it: those that the requirements of its channels and deny rules refer to; because the
// indexes of apt and rpm repositories that pass teach what the packages rest on that pass later, the openpgp anchors that any channel on
// the same host refers to; and where it is compared who signed, with nobody in particular in mind, all whose signatures lie in the
// update itself.

// names is a set of names of anchors.
type names map[string]bool

func (n names) sorted() []string { return slices.Sorted(maps.Keys(n)) }

// anchorNames fills in for every channel and deny rule, and for every host, which anchors count.
func (b *builder) anchorNames() {
	p := b.policy
	denied := names{}
	for _, d := range p.denies.list {
		for _, a := range d.signedBy {
			denied[a.name] = true
		}
	}
	p.denied = denied.sorted()
	at, below := map[hostPattern]names{}, map[hostPattern]names{} // of the channels with a host, and of those with one that lies below it
	for _, c := range p.channels {
		teachers := names{}
		for _, r := range c.requires {
			r.refers(func(a *anchor) {
				if a.kind == "openpgp" {
					teachers[a.name] = true
				}
			})
		}
		for _, h := range c.hosts {
			merge(at, h, teachers)
			for _, parent := range parents(h) {
				merge(below, parent, teachers)
			}
		}
	}
	p.learned = map[hostPattern][]string{}
	for h, n := range at {
		p.learned[h] = n.sorted()
	}
	for _, c := range p.channels {
		all := maps.Clone(denied)
		for _, r := range c.requires {
			r.refers(func(a *anchor) { all[a.name] = true })
		}
		maps.Copy(all, p.compared(c))
		for _, h := range c.hosts {
			maps.Copy(all, below[h])
			for _, same := range append(parents(h), h) {
				maps.Copy(all, at[same])
			}
		}
		c.anchors = all.sorted()
	}
}

// compared returns the anchors under which a channel finds out who has signed an update and since when, if it compares that with
// what was before: those whose signatures lie in the update itself. What is published beside one is looked for only where a requirement
// names its anchor.
func (p *Policy) compared(c *channel) names {
	out := names{}
	if !comparesSigners(c) {
		return out
	}
	asksBeside := slices.ContainsFunc(c.requires, requirement.sidecars)
	for name, a := range p.anchors {
		// Packages of rpm and apt bring signatures, or are known by an index; with a keyring more would be looked for beside others.
		if a.kind == "authenticode" || a.kind == "openpgp" && !asksBeside {
			out[name] = true
		}
	}
	return out
}

// comparesSigners reports whether a channel compares who has signed an update, or asks when, whoever it is. Where a trusted time is only
// one of several clocks, those of the anchors that it names are enough: without one the hold is longer.
func comparesSigners(c *channel) bool {
	found := false
	each(c.requires, func(r requirement) {
		switch r := r.(type) {
		case samePublisher, neverWeaker:
			found = true
		case *minAge:
			found = found || r.clock == trustedClock
		case *freeze:
			found = found || r.clock == trustedClock
		}
	})
	return found
}

func merge(into map[hostPattern]names, h hostPattern, n names) {
	if len(n) == 0 {
		return
	}
	if into[h] == nil {
		into[h] = names{}
	}
	maps.Copy(into[h], n)
}

// parents returns the patterns that stand for all that h does, and more.
func parents(h hostPattern) []hostPattern {
	var out []hostPattern
	for name := h.name; ; {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return out
		}
		out = append(out, hostPattern{name: rest, below: true})
		name = rest
	}
}

// anchorsFor returns the names of the anchors that count for a request. The caller does not change them.
func (p *Policy) anchorsFor(host string, channels []*channel) []string {
	if len(channels) == 1 {
		return channels[0].anchors
	}
	all := slices.Clone(p.denied)
	for _, c := range channels {
		all = append(all, c.anchors...)
	}
	if len(channels) == 0 && host != "" {
		h := hostPattern{name: host}
		for _, same := range append(parents(h), h) {
			all = append(all, p.learned[same]...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
