package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Plan says what to do with a request before anything is fetched. A request without URL is for a local file: it is
// judged by the channels it carries, whoever asks, and refused if it carries none.
func (p *Policy) Plan(r Request) Plan { return p.plan(r).Plan }

// planned is a Plan with what Decide needs besides.
type planned struct {
	Plan
	host     string   // in normal form
	readings []string // of the path
	channels []*channel
	foreign  *channel // of an observed channel that is for other clients
}

func (p *Policy) plan(r Request) planned {
	var pl planned
	if p.broken {
		return pl.refuse("policy", "the policy has errors")
	}
	own := (*channel)(nil)
	if r.URL == nil {
		if len(r.Carried) == 0 {
			return pl.refuse("policy", "there is no URL to judge by")
		}
		pl.Inspect = true
	} else {
		var done bool
		if own, done = p.place(&pl, r); done {
			return pl
		}
	}
	if !p.join(&pl, own, r) {
		return pl
	}
	p.settle(&pl, own, len(r.Carried) > 0)
	return pl
}

func (pl planned) refuse(rule, reason string) planned {
	pl.Plan = Plan{Refusal: &Refusal{Rule: rule, Reason: reason}}
	return pl
}

// place finds out what the policy says of the request's host and path, and which channel is its own. It reports done
// where nothing else matters.
func (p *Policy) place(pl *planned, r Request) (own *channel, done bool) {
	v := p.host(r.URL.Hostname())
	pl.host = v.name
	paths, err := readings(r.URL.EscapedPath())
	pl.readings = paths
	if d := p.denies.request(v.name, paths); d != nil && v.name != "" {
		*pl = pl.refuse(d.rule(), d.sentence("this URL is refused"))
		return nil, true
	}
	switch {
	case r.URL.Opaque != "":
		*pl = pl.refuse("policy", "the URL has no host and path that could be judged")
		return nil, true
	case v.action == DenyHost:
		*pl = pl.refuse(v.rule, v.why)
		return nil, true
	case len(r.Carried) > 0 && !v.carries():
		*pl = pl.refuse(v.rule, "a redirect from an update channel leads to "+v.name+", but "+v.why)
		return nil, true
	case v.action == TunnelHost && len(r.Carried) == 0:
		return nil, true
	}
	pl.Inspect = true
	if err != nil {
		*pl = pl.refuse("policy", "the path cannot be judged: "+err.Error())
		pl.Refusal.Ambiguous = true
		return nil, true
	}
	first := p.first(v.name, paths[0], r.Client)
	for _, other := range paths[1:] {
		if m := p.first(v.name, other, r.Client); m != first {
			*pl = pl.refuse("policy", fmt.Sprintf("the path can be read in ways that are judged differently: %s is %s, but %s is %s",
				quote(paths[0]), first, quote(other), m))
			pl.Refusal.Ambiguous = true
			return nil, true
		}
	}
	if first.channel == nil || !first.foreign {
		return first.channel, false
	}
	if !first.channel.observe {
		*pl = pl.refuse(first.channel.rule(), first.channel.foreign(r.Client))
		return nil, true
	}
	pl.foreign = first.channel
	return first.channel, false
}

// match is the channel that a path on a host falls to.
type match struct {
	channel *channel // nil: none
	foreign bool     // it is for other clients
}

func (m match) String() string {
	if m.channel == nil {
		return "of no channel"
	}
	return "of channel " + m.channel.name
}

// first returns the first channel with this host and path that admits the client; else the first that does not.
func (p *Policy) first(name, path string, c Client) match {
	var other match
	for _, id := range p.channelHost.find(name) {
		ch := p.channels[id]
		if ch.paths != nil && !ch.paths.match(path) {
			continue
		}
		if p.admits(ch, c) {
			return match{channel: ch}
		}
		if other.channel == nil {
			other = match{channel: ch, foreign: true}
		}
	}
	return other
}

// join collects the request's own channel and those it carries, and names them all in Scope.
func (p *Policy) join(pl *planned, own *channel, r Request) bool {
	names := map[string]bool{}
	if own != nil {
		names[own.name] = true
	}
	for _, carried := range r.Carried {
		for _, name := range strings.Split(carried.Scope, "+") {
			if name == "" {
				continue
			}
			c := p.channelName[name]
			if c == nil {
				*pl = pl.refuse("policy", "the channel "+quote(name)+", which this request was redirected from, is no longer in the policy")
				return false
			}
			if r.URL != nil && !p.admits(c, r.Client) {
				if !c.observe {
					*pl = pl.refuse(c.rule(), c.foreign(r.Client))
					return false
				}
				pl.foreign = c
			}
			names[name] = true
		}
	}
	sorted := sortedKeys(names)
	for _, name := range sorted {
		pl.channels = append(pl.channels, p.channelName[name])
	}
	pl.Scope = strings.Join(sorted, "+")
	return true
}

// settle takes the strictest of what the channels say about delivery and mode, and what any of them needs.
func (p *Policy) settle(pl *planned, own *channel, carried bool) {
	pl.HoldAll = carried || own != nil && own.paths != nil
	pl.Anchors = p.anchorsFor(pl.host, pl.channels)
	pl.Feeds, pl.Lookups = p.splitLookups(p.feedsFor(pl.channels))
	pl.Scanners, pl.ScanInside = scannersFor(pl.channels)
	pl.Contents = p.denies.opens || pl.ScanInside // what was scanned is listed, too: somebody may ask for it later
	if len(pl.channels) == 0 {
		pl.Delivery, pl.HoldMax, pl.Observe = p.defaults.delivery, p.defaults.holdMax, p.defaults.observe
		return
	}
	for _, c := range pl.channels {
		pl.Contents = pl.Contents || slices.ContainsFunc(c.requires, requirement.inside)
		pl.SecondLook = pl.SecondLook || c.looks
		pl.Sidecars = pl.Sidecars || slices.ContainsFunc(c.requires, requirement.sidecars)
	}
	first := pl.channels[0]
	pl.Delivery, pl.HoldMax, pl.Observe = first.delivery, first.holdMax, first.observe
	for _, c := range pl.channels[1:] {
		if c.delivery != pl.Delivery {
			pl.Delivery = Hold
		}
		pl.HoldMax = min(pl.HoldMax, c.holdMax)
		pl.Observe = pl.Observe && c.observe
	}
}
