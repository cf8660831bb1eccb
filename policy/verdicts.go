package policy

// Verdict is what became of one requirement of one channel.
type Verdict struct {
	Channel     string `json:"channel"`
	Requirement string `json:"requirement"` // what is required, in words
	Outcome     string `json:"outcome"`     // "holds", "fails" or "cannot be told"
	Reason      string `json:"reason"`
}

var outcomeNames = map[outcome]string{undecided: "cannot be told", fails: "fails", holds: "holds"}

// Verdicts says of each requirement of each channel that judges what became of it, in the order of the scope and of the file: also
// where something else decides, such as a deny rule or an exception. It is for people who want to know; Decide decides.
func (p *Policy) Verdicts(f Facts) []Verdict {
	pl := p.plan(f.Request)
	e := &evidence{
		sum: f.Update.SHA256, findings: f.Report.Findings, contents: f.Report.Contents, role: f.Update.Role, format: f.Update.Format, now: f.Now,
		facts: &f, policy: p, host: pl.host, readings: pl.readings,
	}
	var out []Verdict
	for _, c := range pl.channels {
		e.channel = c.name
		for _, r := range c.requires {
			o, why := r.judge(e)
			out = append(out, Verdict{c.name, r.String(), outcomeNames[o], why})
		}
	}
	return out
}
