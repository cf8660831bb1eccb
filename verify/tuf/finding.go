package tuf

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

func finding(status verify.Status, code, detail string) verify.Finding {
	return verify.Finding{Method: method, Status: status, Code: method + "/" + code, Detail: detail}
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// findings returns the verdict, and remarks about repositories that vouch without having answered of late, or that were not needed.
func (b *ballot) findings(anchor *verify.TUFAnchor) []verify.Finding {
	f := b.verdict()
	out := []verify.Finding{f}
	if f.Status != verify.Valid {
		return out
	}
	for _, v := range b.votes {
		h := v.from.current()
		switch {
		case v.problem == nil && !h.silent.IsZero():
			remark := finding(verify.Valid, tufclient.Unavailable, fmt.Sprintf(
				"%s has not answered since %s (%s); what was known then is in force until %s", v.from, timeText(h.silent), h.reason, timeText(v.target.NotAfter)))
			remark.Evidence = []verify.Reference{v.from.asked(h.reason)}
			out = append(out, remark)
		case v.problem != nil:
			remark := finding(verify.Valid, "outvoted", fmt.Sprintf("%s does not vouch for it, which others do: %s (%s)", v.from, v.problem.Code, v.problem.Detail))
			remark.Evidence = []verify.Reference{v.from.asked(v.problem.Code)}
			out = append(out, remark)
		}
	}
	return out
}

// refused returns a finding against the artifact for which a vote is the reason.
func (b *ballot) refused(status verify.Status, code string, why vote, detail string) verify.Finding {
	f := finding(status, code, detail)
	if why.target != nil {
		f.Evidence = why.from.evidence(why.target)
	} else {
		f.Evidence = []verify.Reference{why.from.asked(code)}
	}
	return f
}

// listed returns the finding that enough repositories list the artifact as it is.
func (b *ballot) listed(yes []vote) verify.Finding {
	first := yes[0].target
	f := finding(verify.Valid, "listed", "")
	f.Anchors = []string{yes[0].from.anchor}
	f.Signer = signer(yes[0])
	var parts []string
	for _, v := range yes {
		parts = append(parts, describe(v))
		f.Evidence = append(f.Evidence, v.from.evidence(v.target)...)
		if f.NotAfter.IsZero() || v.target.NotAfter.Before(f.NotAfter) {
			f.NotAfter = v.target.NotAfter
		}
	}
	f.Detail = fmt.Sprintf("%s (%d bytes): %s", shortened(first.Path), first.Length, strings.Join(parts, "; "))
	return f
}

func shortened(path string) string { return fmt.Sprintf("%.200q", path) }

func lastRole(t tufclient.Target) string {
	if len(t.Chain) == 0 {
		return "the repository"
	}
	return fmt.Sprintf("role %.100s", t.Chain[len(t.Chain)-1].Role)
}

// signer names the role that vouches. Its fingerprint is that of one of its keys, so that two anchors which rest on one and the
// same key do not count as two.
func signer(v vote) verify.Identity {
	return verify.Identity{Name: lastRole(*v.target) + " of " + v.from.String(), Fingerprint: hex.EncodeToString(v.target.Key[:])}
}

// maxKeysNamed is how many key ids a sentence names.
const maxKeysNamed = 4

// describe says which roles of a repository vouch, and with which keys.
func describe(v vote) string {
	chain := v.target.Chain
	last := chain[len(chain)-1]
	var keys []string
	for i, id := range last.Keys {
		if i == maxKeysNamed {
			keys = append(keys, fmt.Sprintf("and %d more", len(last.Keys)-i))
			break
		}
		keys = append(keys, fmt.Sprintf("%.16s", id))
	}
	var on []string
	for _, step := range chain[:len(chain)-1] {
		on = append(on, fmt.Sprintf("%.100s %d", step.Role, step.Version))
	}
	return fmt.Sprintf("listed by role %.100s of %s, version %d, keys %s, on %s, until %s",
		last.Role, v.from, last.Version, strings.Join(keys, " "), strings.Join(on, ", "), timeText(v.target.NotAfter))
}

// asked names what is asked first of a repository, with what came of it.
func (s *source) asked(result string) verify.Reference {
	base := ""
	if len(s.mirrors) > 0 {
		base = s.mirrors[0]
	}
	return verify.Reference{URL: base + "timestamp.json", Result: result}
}

// evidence names the metadata that a target rests on.
func (s *source) evidence(t *tufclient.Target) []verify.Reference {
	base := s.asked("").URL
	base = strings.TrimSuffix(base, "timestamp.json")
	var out []verify.Reference
	for i, step := range t.Chain {
		name := url.PathEscape(step.Role) + ".json"
		if i == 0 || i > 1 && t.Prefixed { // the timestamp is the one whose name never bears its version
			name = fmt.Sprintf("%d.%s", step.Version, name)
		}
		out = append(out, verify.Reference{URL: base + name, SHA256: step.SHA256})
	}
	return out
}
