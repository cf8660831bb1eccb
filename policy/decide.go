package policy

import (
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// Decide judges an artifact: by deny rules, then by whether the request was allowed at all, then by exceptions and
// releases, then by all that each channel of the request requires. It is pure: the same Facts get the same Decision.
func (p *Policy) Decide(f Facts) Decision {
	pl := p.plan(f.Request)
	return p.decide(f, &pl)
}

// decide is Decide by what the policy has planned for the request.
func (p *Policy) decide(f Facts, pl *planned) Decision {
	d := Decision{Action: Block, Channel: pl.Scope, Policy: p.digest}
	if rule, why := p.denies.artifact(&f, pl.host, pl.readings); rule != nil {
		return d.because(Block, rule.rule(), why)
	}
	if len(f.Recalls) > 0 {
		return d.because(Block, f.Recalls[0].rule(), f.Recalls[0].sentence())
	}
	switch {
	case pl.Refusal != nil:
		return d.because(Block, pl.Refusal.Rule, pl.Refusal.Reason)
	case f.Now.IsZero():
		return d.because(Block, "policy", "it is not known when this is judged, so nothing can be said to be in force")
	case f.Update.SHA256.IsZero():
		return d.because(Block, "policy", "the file's digest is not known, so there is nothing to judge")
	}
	d.Observed = pl.Observe
	if pl.foreign != nil {
		return d.because(Block, pl.foreign.rule(), pl.foreign.foreign(f.Request.Client))
	}
	if len(pl.channels) == 0 {
		d = p.decideUnmatched(d, f)
	} else {
		d = p.decideChannels(d, f, pl)
	}
	d.Reasons = append(d.Reasons, p.denies.silent(&f, pl.host, pl.readings)...)
	return d
}

func (d Decision) because(a Action, rule string, reasons ...string) Decision {
	d.Action, d.Rule, d.Reasons = a, printable.Text(rule, 160), reasons
	return d
}

// decideUnmatched judges an update that was found outside every channel.
func (p *Policy) decideUnmatched(d Decision, f Facts) Decision {
	if r := standing(f, ""); r != nil {
		return d.because(Allow, "release "+r.Record, r.sentence())
	}
	reasons := []string{"no channel of the policy covers this, and defaults.unmatched is " + p.unmatched}
	e := evidence{findings: f.Report.Findings}
	if v := e.sort(); len(v.invalid) > 0 {
		reasons = append(reasons, "what is wrong with the file: "+quoted(v.invalid))
	}
	action := Block
	switch {
	case p.unmatched == "quarantine":
		action = Quarantine
	case p.unmatched == "allow":
		action = Allow
	}
	if action == Allow && p.freeze != nil {
		o, why := p.freeze.judge(&evidence{sum: f.Update.SHA256, findings: f.Report.Findings, contents: f.Report.Contents, role: f.Update.Role, format: f.Update.Format, now: f.Now, facts: &f, policy: p})
		if reasons = append(reasons, why); o != holds {
			return d.because(p.defaults.unproven, "defaults.freeze", reasons...)
		}
	}
	return d.because(action, "defaults.unmatched", reasons...)
}

func (p *Policy) decideChannels(d Decision, f Facts, pl *planned) Decision {
	var waived []*exception
	var left []*channel
	for _, c := range pl.channels {
		if e := p.exception(c, f.Update.SHA256, f.Now); e != nil {
			waived = append(waived, e)
		} else {
			left = append(left, c)
		}
	}
	var reasons []string
	for _, e := range waived {
		reasons = append(reasons, e.sentence())
	}
	if len(left) == 0 {
		return d.because(Allow, "exception "+waived[0].name, reasons...)
	}
	if r := standing(f, d.Channel); r != nil {
		return d.because(Allow, "release "+r.Record, r.sentence())
	}
	e := &evidence{sum: f.Update.SHA256, findings: f.Report.Findings, contents: f.Report.Contents, role: f.Update.Role, format: f.Update.Format, now: f.Now,
		facts: &f, policy: p, host: pl.host, readings: pl.readings}
	action, unproven, names := Allow, []string(nil), []string(nil)
	for _, c := range left {
		names = append(names, c.name)
		e.channel = c.name
		proven, why := c.judge(e)
		reasons = append(reasons, why...)
		if !proven {
			unproven = append(unproven, c.name)
			action = min(action, c.unproven) // Block is below Quarantine, Quarantine below Allow
		}
	}
	if len(unproven) > 0 {
		names = unproven
		d.Ripe = e.ripe(pl.channels)
	}
	return d.because(action, "channel "+strings.Join(names, "+"), reasons...)
}

// judge reports whether everything that the channel requires holds, with one reason for each requirement, first those
// for which it does not.
func (c *channel) judge(e *evidence) (bool, []string) {
	if len(c.requires) == 0 {
		return true, []string{"channel " + c.name + " requires nothing"}
	}
	var unproven, proven []string
	for _, r := range c.requires {
		o, why := e.judged(r)
		if o == holds {
			proven = append(proven, why)
		} else {
			unproven = append(unproven, why)
		}
	}
	return len(unproven) == 0, append(unproven, proven...)
}

// standing returns the release that lets exactly this artifact through on exactly this scope now.
func standing(f Facts, scope string) *Release {
	for i := range f.Releases {
		r := &f.Releases[i]
		if r.SHA256 == f.Update.SHA256 && r.Scope == scope && (r.Until.IsZero() || !f.Now.After(r.Until)) {
			return r
		}
	}
	return nil
}

func (r *Release) sentence() string {
	until := "without end"
	if !r.Until.IsZero() {
		until = "until " + r.Until.UTC().Format("2006-01-02 15:04 MST")
	}
	return "this file was released by hand on this channel, " + until + " (record " + printable.Text(r.Record, 80) + ")"
}
