package replay

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// Group is decisions that changed in the same way: on one channel, from one rule to another.
type Group struct {
	Channel  string    `json:"channel"`            // the scope, as it was
	Before   string    `json:"before"`             // the rule that decided
	Now      string    `json:"now,omitempty"`      // the rule that would decide
	Why      string    `json:"why,omitempty"`      // of what cannot be told
	Count    int64     `json:"count"`              // decisions
	Examples []Example `json:"examples,omitempty"` // the first of them
}

// Example is one decision.
type Example struct {
	Record string        `json:"record"`
	Time   time.Time     `json:"time"`
	Name   string        `json:"name"`
	URL    string        `json:"url,omitempty"`
	SHA256 verify.Digest `json:"sha256"`
	Before Ruling        `json:"before"`
	Now    Ruling        `json:"now,omitzero"`
}

// Ruling is what was, or would be, decided.
type Ruling struct {
	Action   policy.Action `json:"action"`
	Observed bool          `json:"observed,omitempty"` // the bytes go out all the same
	Reasons  []string      `json:"reasons,omitempty"`  // the first few
}

// Bounds of a result, so that no log makes it grow without end.
const (
	maxGroups  = 1000 // of each kind; what comes then is counted in the last
	maxReasons = 4
)

// summary adds outcomes up.
type summary struct {
	out      Result
	examples int
	groups   map[kind]map[groupKey]*Group
	tunnels  tunnelSums
}

type groupKey struct{ channel, before, now, why string }

func newSummary(examples int) *summary {
	s := &summary{out: Result{V: 1}, examples: examples, groups: map[kind]map[groupKey]*Group{}, tunnels: newTunnelSums()}
	for _, k := range []kind{open, refused, allowed, unseen} {
		s.groups[k] = map[groupKey]*Group{}
	}
	return s
}

func (s *summary) add(x outcome) {
	if x.kind == tunnel {
		s.tunnels.add(x.tunnel)
		return
	}
	s.out.Decisions++
	if s.out.First.IsZero() {
		s.out.First = x.record.Time
	}
	s.out.Last = x.record.Time
	if x.altered {
		s.out.Altered++
	}
	switch x.kind {
	case otherwise:
		s.out.Otherwise++
		s.out.Same++
	case same:
		s.out.Same++
	default:
		s.group(x)
	}
}

func (s *summary) group(x outcome) {
	key := groupKey{channel: x.record.Channel}
	if x.record.Decision != nil {
		key.before = ruleKind(x.record.Decision.Rule)
	}
	if x.kind == open {
		key.why = strings.Join(x.why, "; ")
	} else {
		key.now = ruleKind(x.now.Rule)
	}
	groups := s.groups[x.kind]
	g := groups[key]
	if g == nil && len(groups) >= maxGroups {
		key = groupKey{before: "others"}
		g = groups[key]
	}
	if g == nil {
		g = &Group{Channel: key.channel, Before: key.before, Now: key.now, Why: key.why}
		groups[key] = g
	}
	g.Count++
	if len(g.Examples) < s.examples {
		g.Examples = append(g.Examples, example(x))
	}
}

// ruleKind is a rule without what tells single releases and recalls apart.
func ruleKind(rule string) string {
	for _, word := range []string{"release", "recall"} {
		if strings.HasPrefix(rule, word+" ") {
			return word
		}
	}
	return rule
}

func example(x outcome) Example {
	e := Example{Record: x.record.ID, Time: x.record.Time}
	if a := x.record.Artifact; a != nil {
		e.Name, e.SHA256 = a.Name, a.SHA256
	}
	if q := x.record.Request; q != nil {
		e.URL = q.URL
	}
	if d := x.record.Decision; d != nil {
		e.Before = Ruling{d.Action, d.Observed, few(d.Reasons)}
	}
	if x.kind != open {
		e.Now = Ruling{x.now.Action, x.now.Observed, few(x.now.Reasons)}
	}
	return e
}

func few(reasons []string) []string { return slices.Clone(reasons[:min(len(reasons), maxReasons)]) }

// result returns the sums, the largest group of each kind first.
func (s *summary) result() *Result {
	list := func(k kind) (out []Group, sum int64) {
		for _, g := range s.groups[k] {
			out = append(out, *g)
			sum += g.Count
		}
		slices.SortFunc(out, func(a, b Group) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Channel, b.Channel), strings.Compare(a.Before, b.Before), strings.Compare(a.Now, b.Now), strings.Compare(a.Why, b.Why))
		})
		return out, sum
	}
	r := &s.out
	r.Refused, r.Counts.Refused = list(refused)
	r.Allowed, r.Counts.Allowed = list(allowed)
	r.Unseen, r.Counts.Unseen = list(unseen)
	r.Open, r.Counts.Open = list(open)
	r.Tunnels = s.tunnels.sum()
	return r
}
