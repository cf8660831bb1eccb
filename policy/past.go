package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// sawEdition returns what the update is on the channel that judges, by the findings that are current.
func (e *evidence) sawEdition() Edition {
	if e.policy == nil || e.facts == nil {
		return Edition{}
	}
	c := e.policy.channelName[e.channel]
	if c == nil {
		return Edition{}
	}
	if e.editions == nil {
		e.editions = map[string]Edition{}
	}
	ed, ok := e.editions[c.name]
	if !ok {
		ed = c.edition(e.facts.Request, e.facts.Update, e.facts.Report)
		ed.Publishers, ed.Proofs = e.publishers(), e.proofs()
		e.editions[c.name] = ed
	}
	return ed
}

// before returns what was let through before of the same product on the channel that judges. why is not empty where that cannot be
// told: nobody has looked, or looked for another product, as the policy then in force would have it.
func (e *evidence) before() (past Past, why string) {
	if e.facts == nil || !e.facts.History.Known {
		return Past{}, "the history of this gate is not known"
	}
	h := &e.facts.History
	ed := e.sawEdition()
	switch {
	case ed.Product == "":
		return Past{}, "it cannot be told which product this is" + e.misfit()
	case !slices.ContainsFunc(h.Editions, func(x Edition) bool { return x.Channel == ed.Channel && x.Product == ed.Product }):
		return Past{}, "the history of " + ed.named() + " was not looked up"
	}
	past = h.Past[ed.Channel]
	if past.Product != ed.Product && (past.Product != "" || len(past.Releases) > 0 || len(past.Proofs) > 0) {
		return Past{}, "the history at hand is of another product than " + ed.named()
	}
	return past, ""
}

// misfit says that the file is not called as the channel says; "" if the channel says nothing.
func (e *evidence) misfit() string {
	if e.policy == nil {
		return ""
	}
	c := e.policy.channelName[e.channel]
	if c == nil || c.version == nil {
		return ""
	}
	name := fileName(e.facts.Request, e.facts.Update)
	return fmt.Sprintf(", since the name %s does not fit %s, which the channel's key version says", printable.Text(name, 120), c.version.text)
}

// named is the product in words: `"app [msi]" on channel c`.
func (ed *Edition) named() string {
	return fmt.Sprintf(`"%s" on channel %s`, printable.Text(ed.Product, maxEvidence), ed.Channel)
}

// nothingBefore is why a requirement about history holds of the first release.
func (ed *Edition) nothingBefore() string {
	return "this is the first release of " + ed.named() + " that this gate lets through: there is nothing to compare with"
}

// sentence names a release that was let through: `1.2.3 (app-1.2.3.msi, let through on 2026-11-20 10:00 UTC, record 01J…)`.
func (r *PastRelease) sentence() string {
	s := "a release of unknown version"
	if r.Version != "" {
		s = printable.Text(r.Version, maxEvidence)
	}
	s += " (" + printable.Text(r.Name, 120)
	if !r.At.IsZero() {
		s += ", let through on " + minute(r.At)
	}
	if r.ByHand {
		s += " by hand"
	}
	if r.Record != "" {
		s += ", record " + printable.Text(r.Record, 80)
	}
	return s + ")"
}

// minute writes a moment for a reason. Reasons hold moments, no ages: the same facts have the same words whenever they are judged.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// nextMinute writes a moment from which on something holds, rounded up.
func nextMinute(t time.Time) string { return minute(t.Add(time.Minute - 1)) }

// shortRoot finds the digest of a root in a publisher's name (subjectName), of which a person needs no more than the beginning.
var shortRoot = regexp.MustCompile(`( under the root [0-9a-f]{16})[0-9a-f]{48}$`)

func publisherNames(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `"` + printable.Text(shortRoot.ReplaceAllString(n, "$1…"), maxEvidence) + `"`
	}
	if len(quoted) > maxQuoted {
		quoted = append(quoted[:maxQuoted:maxQuoted], fmt.Sprintf("%d more", len(quoted)-maxQuoted))
	}
	return strings.Join(quoted, " and ")
}
