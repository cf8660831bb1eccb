package policy

import (
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

var deliveryNames = [...]string{"hold", "retry", "stream"}

// String returns the delivery as policies spell it.
func (d Delivery) String() string {
	if int(d) < len(deliveryNames) {
		return deliveryNames[d]
	}
	return "hold"
}

var hostActionNames = [...]string{"deny", "inspect", "tunnel"}

// String returns the action as policies spell it.
func (a HostAction) String() string {
	if int(a) < len(hostActionNames) {
		return hostActionNames[a]
	}
	return "deny"
}

// Explain says in sentences what would happen to a request: what its host is to the policy, which channel judges it,
// and what that requires.
func (p *Policy) Explain(r Request) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if r.URL != nil {
		v := p.host(r.URL.Hostname())
		say("host: %s (%s: %s)", v.action, v.rule, v.why)
	}
	pl := p.plan(r)
	switch {
	case pl.Refusal != nil && pl.Refusal.Ambiguous:
		say("refused as ambiguous: %s", pl.Refusal.Reason)
		return out
	case pl.Refusal != nil:
		say("refused: %s (%s)", pl.Refusal.Reason, pl.Refusal.Rule)
		return out
	case !pl.Inspect:
		say("passed through: nothing is held or looked at")
		return out
	case pl.foreign != nil:
		say("%s; it only observes, so this is recorded as a block and delivered", pl.foreign.foreign(r.Client))
	}
	if len(pl.channels) == 0 {
		say("no channel: what looks like an update is held, and defaults.unmatched says %s", p.unmatched)
	}
	for _, c := range pl.channels {
		out = append(out, c.explain()...)
	}
	switch {
	case len(pl.channels) == 0:
	case pl.HoldAll:
		say("holds: every successful response")
	default:
		say("holds: every successful response but pages, styles, images and fonts")
	}
	if asked := p.sources(pl.Plan); len(asked) > 0 {
		say("may ask, besides the origin: %s", strings.Join(asked, ", "))
	}
	if len(pl.Feeds) > 0 {
		say("looks into the feeds: %s", strings.Join(p.feedSources(pl.Feeds), ", "))
	}
	if len(pl.Lookups) > 0 {
		say("asks about the file, by its SHA-256: %s", strings.Join(p.lookupSources(pl.Lookups), ", "))
	}
	if len(pl.Scanners) > 0 {
		with := map[bool]string{true: "with everything inside", false: "not what is inside"}[pl.ScanInside]
		say("has it scanned, %s, by: %s", with, p.scannerSources(pl.Scanners))
	}
	if pl.SecondLook {
		say("asks the origin a second time, on the gate's own behalf, and compares the answers")
	}
	say("delivery: %s, at most %s", pl.Delivery, pl.HoldMax)
	if pl.Observe {
		say("mode: observe, so nothing but deny rules is stopped")
	} else {
		say("mode: enforce")
	}
	return out
}

// sources returns the URLs below which evidence for a plan may be asked for, besides the update's own origin.
func (p *Policy) sources(pl Plan) []string {
	if !pl.Sidecars {
		return nil
	}
	trust := verify.Trust{TUF: p.tuf, Sigstore: p.sigstore}.Only(pl.Anchors)
	return trust.Sources()
}

// feedSources names feeds with their sources.
func (p *Policy) feedSources(names []string) []string {
	var out []string
	for _, f := range p.feeds {
		if contains(names, f.Name) {
			out = append(out, f.Name+" ("+f.File+f.URL+")")
		}
	}
	return out
}

func (c *channel) explain() []string {
	hosts := make([]string, len(c.hosts))
	for i, h := range c.hosts {
		hosts[i] = h.String()
	}
	line := "channel " + c.name + ": hosts " + strings.Join(hosts, ", ")
	if len(c.paths) > 0 {
		globs := make([]string, len(c.paths))
		for i, g := range c.paths {
			globs[i] = g.glob
		}
		line += "; paths " + strings.Join(globs, ", ")
	}
	if len(c.clients) > 0 {
		line += "; clients " + strings.Join(c.clients, ", ")
	}
	out := []string{line}
	if looksBack(c.requires) {
		out = append(out, c.keepsHistory())
	}
	for _, r := range c.requires {
		out = append(out, "requires: "+r.String())
	}
	if len(c.requires) == 0 {
		out = append(out, "requires: nothing")
	}
	return append(out, "unproven: "+c.unproven.String())
}
