package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/internal/versions"
	"github.com/sallyport-project/sallyport/policy"
)

// Bounds of what a record says of circumstances, in entries.
const (
	maxPastReleases = 32 // of each channel: the latest, and those with the highest versions
	maxListings     = 64
	maxHits         = 64
	maxChannels     = 64 // of history and changes
)

// boundedCircumstances returns a copy within its bounds. Where what is left out could count, it says so: what is not said must never
// look like nothing.
func boundedCircumstances(c *Circumstances) *Circumstances {
	if c == nil {
		return nil
	}
	b := *c
	b.LeftOut = slices.Clone(c.LeftOut)
	b.History = b.boundedHistory(c.History)
	b.Reputation = boundedReputation(c.Reputation)
	b.Scans = boundedScans(c.Scans)
	b.Changes = b.boundedChanges(c.Changes)
	b.Fixes = slices.Clone(c.Fixes[:min(len(c.Fixes), maxList)])
	for i := range b.Fixes {
		x := &b.Fixes[i]
		words(&x.ID, &x.Feed, &x.Package, &x.From, &x.By)
	}
	b.Recalls = slices.Clone(c.Recalls[:min(len(c.Recalls), maxList)])
	for i := range b.Recalls {
		x := &b.Recalls[i]
		words(&x.Record, &x.By)
		x.Path, x.Reason, x.At = printable.Text(x.Path, maxName), printable.Text(x.Reason, maxText), x.At.UTC()
	}
	b.Asked = boundedAsked(c.Asked)
	if len(c.Carried) > 0 {
		b.Carried = boundedList(c.Carried, maxAnchors, maxScope)
	}
	if len(b.LeftOut) > 0 {
		b.LeftOut = boundedList(b.LeftOut, maxAnchors, maxWord)
	}
	return &b
}

// words bounds texts that are a word or a name.
func words(list ...*string) {
	for _, s := range list {
		*s = printable.Text(*s, maxWord)
	}
}

func (c *Circumstances) without(what string) { c.LeftOut = append(c.LeftOut, what) }

func (c *Circumstances) boundedHistory(h *policy.History) *policy.History {
	if h == nil {
		return nil
	}
	b := *h
	b.FirstSeen = h.FirstSeen.UTC()
	b.Peers = slices.Clone(h.Peers[:min(len(h.Peers), maxAnchors)])
	for i := range b.Peers {
		words(&b.Peers[i].Feed)
	}
	b.Claims = slices.Clone(h.Claims[:min(len(h.Claims), maxAnchors)])
	for i := range b.Claims {
		words(&b.Claims[i].Source)
	}
	if len(h.Editions) > maxChannels || len(h.Past) > maxChannels {
		c.without("the history of more channels than a record holds")
		return nil
	}
	b.Editions = boundedEditions(h.Editions)
	b.Past = make(map[string]policy.Past, len(h.Past))
	for channel, past := range h.Past {
		b.Past[printable.Text(channel, maxWord)] = boundedPast(past)
	}
	b.Asked = printable.Text(h.Asked, maxWord)
	b.Views = someViews(h.Views)
	for i := range b.Views {
		words(&b.Views[i].Same, &b.Views[i].Record)
	}
	b.Second.Failed = printable.Text(h.Second.Failed, maxText)
	return &b
}

// someViews keeps the first views of each kind: of those, one is as bad as many.
func someViews(views []policy.View) (out []policy.View) {
	of := map[string]int{}
	for _, v := range views {
		if of[v.Same]++; of[v.Same] <= 3 && len(out) < maxAnchors {
			out = append(out, v)
		}
	}
	return out
}

// boundedPast keeps the latest releases, and those with the highest versions.
func boundedPast(p policy.Past) policy.Past {
	p.Product = printable.Text(p.Product, maxWord)
	if len(p.Releases) > maxPastReleases {
		p.LeftOut += len(p.Releases) - maxPastReleases
		latest, rest := p.Releases[:maxPastReleases/2], slices.Clone(p.Releases[maxPastReleases/2:])
		slices.SortStableFunc(rest, higherFirst)
		rest = rest[:maxPastReleases/2]
		slices.SortStableFunc(rest, func(a, b policy.PastRelease) int { return b.At.Compare(a.At) })
		p.Releases = slices.Concat(latest, rest)
	}
	p.Releases = slices.Clone(p.Releases)
	for i := range p.Releases {
		r := &p.Releases[i]
		words(&r.Name, &r.Version, &r.System, &r.Record)
		r.Publishers, r.Proofs, r.At = boundedWords(r.Publishers, maxPublishers), boundedWords(r.Proofs, maxProofs), r.At.UTC()
	}
	p.Proofs = maps.Clone(p.Proofs)
	return p
}

// higherFirst orders what policies let through before what people did, and by version.
func higherFirst(a, b policy.PastRelease) int {
	hand := func(r policy.PastRelease) int {
		if r.ByHand {
			return 1
		}
		return 0
	}
	order, ok := 0, false
	if a.System == b.System {
		order, ok = versions.Of(a.System)(a.Version, b.Version)
	}
	if !ok {
		order = 0
	}
	return cmp.Or(hand(a)-hand(b), -order)
}

func boundedReputation(r *policy.Reputation) *policy.Reputation {
	if r == nil {
		return nil
	}
	b := policy.Reputation{Feeds: maps.Clone(r.Feeds), Listings: slices.Clone(r.Listings[:min(len(r.Listings), maxListings)])}
	for name, state := range b.Feeds {
		state.Reason, state.Partial = printable.Text(state.Reason, maxWord), printable.Text(state.Partial, maxWord)
		b.Feeds[name] = state
	}
	for i := range b.Listings {
		l := &b.Listings[i]
		switch l.Kind {
		case "url", "domain", "host":
			l.Match = "" // of the URL that was asked for, which is personal
		}
		words(&l.Feed, &l.Kind, &l.Match, &l.Label)
		l.Path, l.Value, l.Listed = printable.Text(l.Path, maxName), printable.Text(l.Value, maxWord), l.Listed.UTC()
	}
	if len(r.Incomplete) > 0 {
		b.Incomplete = boundedList(r.Incomplete, maxAnchors, maxText)
	}
	if left := len(r.Listings) - len(b.Listings); left > 0 {
		b.Incomplete = append(b.Incomplete, fmt.Sprintf("%d more entries of feeds are left out of the record", left))
	}
	return &b
}

func boundedScans(scans map[string]policy.Scan) map[string]policy.Scan {
	b := maps.Clone(scans)
	for name, s := range b {
		s.Reason, s.Engine, s.At = printable.Text(s.Reason, maxText), printable.Text(s.Engine, maxWord), s.At.UTC()
		s.Hits = slices.Clone(s.Hits[:min(len(s.Hits), maxHits)])
		for i := range s.Hits {
			s.Hits[i].Path, s.Hits[i].Name = printable.Text(s.Hits[i].Path, maxName), printable.Text(s.Hits[i].Name, maxWord)
		}
		b[name] = s
	}
	return b
}

func boundedAsked(a policy.Asked) policy.Asked {
	for _, m := range []*map[string]string{&a.Anchors, &a.Feeds, &a.Scanners} {
		if len(*m) <= maxList {
			*m = maps.Clone(*m)
			continue
		}
		names := slices.Sorted(maps.Keys(*m)) // those that are left out count as not asked for
		kept := make(map[string]string, maxList)
		for _, name := range names[:maxList] {
			kept[name] = (*m)[name]
		}
		*m = kept
	}
	return a
}
