package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// Retrial is an update that was judged before, put to another policy: the facts that were kept of it, as far as they answer what
// this policy asks, and what they do not answer.
type Retrial struct {
	policy *Policy
	facts  Facts
	plan   planned // for the request

	anchors  []*anchor // what is signed under them was not looked for
	feeds    []*Feed   // were not asked
	scanners []string  // did not look at it, or not at what is inside
	inside   bool      // it was not opened
	second   bool      // the origin was not asked again
	// revocation says that certificates were judged by other revocation lists, or other rules for them.
	revocation bool
	history    []string // channels for which it is not known what went before
	whole      []string // why nothing at all can be told, in words
}

// Retry prepares judging an update again whose facts were gathered for another policy, which had asked for what asked says. Lost are
// facts that are gone besides, in words.
func (p *Policy) Retry(f Facts, asked Asked, lost []string) *Retrial {
	t := &Retrial{policy: p, facts: f, plan: p.plan(f.Request), whole: slices.Clone(lost)}
	t.facts.Report = p.repinned(f.Report, f.Update.SHA256)
	t.carried()
	pl := &t.plan
	t.inside = pl.Contents && (f.Report.Contents == nil || !asked.Inside)
	for _, name := range pl.Anchors {
		a, basis := p.anchors[name], p.basisOf[name]
		if basis == "" {
			continue
		}
		if asked.Anchors[name] != basis || pl.Sidecars && !asked.Beside && a.beside() || t.inside {
			t.anchors = append(t.anchors, a)
		}
	}
	t.feedsOf(asked)
	for _, name := range pl.Scanners {
		if _, done := f.Scans[name]; !done || asked.Scanners[name] != p.scannerOf[name] || pl.ScanInside && !asked.ScanInside {
			t.scanners = append(t.scanners, name)
		}
	}
	t.second = pl.SecondLook && !f.History.Second.Asked
	t.revocation = asked.Revocation != p.revocationOf && slices.ContainsFunc(f.Report.Findings, func(f verify.Finding) bool { return byCertificate(&f) })
	t.past(pl)
	return t
}

// carried leaves only channels that the policy still has: which of the new ones a redirect would have carried is not known.
func (t *Retrial) carried() {
	for _, c := range t.facts.Request.Carried {
		for _, name := range strings.Split(c.Scope, "+") {
			if name != "" && t.policy.channelName[name] == nil {
				t.whole = append(t.whole, "a redirect carried the channel "+printable.Text(name, 80)+" here, which this policy does not have")
			}
		}
	}
}

// feedsOf finds the feeds that were not asked, and judges the age of the others as this policy does.
func (t *Retrial) feedsOf(asked Asked) {
	states := make(map[string]FeedState, len(t.plan.Feeds)+len(t.plan.Lookups))
	for _, f := range t.policy.feeds {
		if !contains(t.plan.Feeds, f.Name) && !contains(t.plan.Lookups, f.Name) {
			continue
		}
		state, told := t.facts.Reputation.Feeds[f.Name]
		if !told || asked.Feeds[f.Name] != t.policy.sourceOf[f.Name] {
			t.feeds = append(t.feeds, f)
			continue
		}
		states[f.Name] = state.restated(f, &t.facts)
	}
	rep := t.facts.Reputation
	rep.Feeds = states
	rep.Listings = slices.DeleteFunc(slices.Clone(rep.Listings), func(l Listing) bool { _, asked := states[l.Feed]; return !asked })
	t.facts.Reputation = rep
	another := func(name string) bool {
		return slices.ContainsFunc(t.feeds, func(f *Feed) bool { return f.Name == name })
	}
	t.facts.History.Peers = slices.DeleteFunc(slices.Clone(t.facts.History.Peers), func(s Sighting) bool { return another(s.Feed) })
	t.facts.Fixes = slices.DeleteFunc(slices.Clone(t.facts.Fixes), func(f Fix) bool { return another(f.Feed) || another(f.By) })
}

// restated returns a feed's state by the limits that this policy sets to its age.
func (s FeedState) restated(f *Feed, facts *Facts) FeedState {
	if s.Status == FeedNever || f.Lookup != nil {
		return s
	}
	s.Status = FeedOK
	if f.MaxStale > 0 && facts.Now.Sub(s.Success) > f.MaxStale || f.MaxAge > 0 && (s.Date.IsZero() || facts.Now.Sub(s.Date) > f.MaxAge) {
		s.Status = FeedStale
	}
	return s
}

// past finds the channels for which the history that was kept does not say what went before.
func (t *Retrial) past(pl *planned) {
	if len(pl.channels) == 0 {
		return
	}
	h := &t.facts.History
	for _, now := range t.policy.Editions(t.facts.Request, t.facts.Update, t.facts.Report) {
		then := slices.ContainsFunc(h.Editions, func(e Edition) bool { return e.Channel == now.Channel && e.Product == now.Product })
		if !h.Known || !then {
			t.history = append(t.history, now.Channel)
		}
	}
}

// Remember has what requirements say of the report remembered, for the next update with that very report.
func (t *Retrial) Remember(m *Memory) { t.facts.memory = m }

// Gone returns why nothing at all can be told, in words; none if something can.
func (t *Retrial) Gone() []string { return t.whole }

// Open returns what the facts do not answer, in words; none if the decision is just what this policy would have decided.
func (t *Retrial) Open() []string {
	out := slices.Clone(t.whole)
	say := func(what string, names []string) {
		if len(names) > 0 {
			out = append(out, fmt.Sprintf(what, printable.Text(strings.Join(names, ", "), 200)))
		}
	}
	var anchors, feeds []string
	for _, a := range t.anchors {
		anchors = append(anchors, a.name)
	}
	for _, f := range t.feeds {
		feeds = append(feeds, f.Name)
	}
	say("it was not examined under the anchors %s", anchors)
	say("it was not looked up in %s", feeds)
	say("it was not scanned by %s", t.scanners)
	say("it is not known what went before on channel %s", t.history)
	if t.inside {
		out = append(out, "it was not opened")
	}
	if t.second {
		out = append(out, "the origin was not asked a second time")
	}
	if t.revocation {
		out = append(out, "whether certificates are revoked was judged by other lists")
	}
	return out
}

// Decide judges by the facts as they are: what they do not answer is not known.
func (t *Retrial) Decide() Decision { return t.policy.decide(t.facts, &t.plan) }

// Plan is what the policy wants done with the request.
func (t *Retrial) Plan() Plan { return t.plan.Plan }

// Best judges as if what the facts do not answer spoke for the update, Worst as if it spoke against it; where what is required turns that
// round, by whichever answers let it through, or do not. If both say what Decide does, nothing that is not known matters.
func (t *Retrial) Best() Decision { return t.likeliest(true) }

// Worst is said beside Best.
func (t *Retrial) Worst() Decision { return t.likeliest(false) }

// likeliest returns the first decision, of those that the open questions leave possible, that lets the update through, or does not.
func (t *Retrial) likeliest(through bool) (first Decision) {
	for i, way := range t.ways(through) {
		d := t.policy.decide(t.suppose(way), &t.plan)
		if (d.Action == Allow || d.Observed) == through {
			return d
		}
		if i == 0 {
			first = d
		}
	}
	return first
}

// opened is what is inside, where nobody looked: nothing, at best.
func (t *Retrial) opened(good bool) *verify.Contents {
	if !t.inside || t.facts.Report.Contents != nil || !good {
		return t.facts.Report.Contents
	}
	return &verify.Contents{Containers: 1, Depth: 1}
}
