package tuf

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/tufclient"
)

// target judges the artifact as the target at a path (TAP 4 section "Interpreting the map file"). The first entry of the map whose
// patterns match decides; where its repositories do not agree, the next one does, unless it is terminating. An entry that could
// not be evaluated, or one of whose repositories shows an attack without which there might be enough that agree, ends the search: it
// must not be in the power of an attacker to have a weaker entry decide.
func (s *session) target(anchor *verify.TUFAnchor, name string) ([]verify.Finding, error) {
	mapping := anchor.Mapping
	if mapping == nil {
		mapping = []verify.TUFMapping{{Repositories: []string{anchor.Repositories[0].Name}, Threshold: 1, Terminating: true}}
	}
	var last *ballot
	for i := range mapping {
		entry := &mapping[i]
		if anchor.Mapping != nil && !matches(entry.Paths, name) {
			continue
		}
		b, err := s.ask(anchor, entry, name)
		if err != nil {
			return nil, err
		}
		if b.decided() || entry.Terminating {
			return b.findings(anchor), nil
		}
		if last == nil || last.verdict().Status == verify.Absent {
			last = b
		}
	}
	if last == nil {
		f := finding(verify.Absent, tufclient.NotListed, fmt.Sprintf("no entry of the map of %s is for %.200q", anchor.Anchor, name))
		f.Evidence = []verify.Reference{{URL: s.artifact.URL.Redacted(), Result: "not in the map"}}
		return []verify.Finding{f}, nil
	}
	return last.findings(anchor), nil
}

// matches reports whether a path, with or without the digest of a consistent snapshot, matches one of the patterns as
// delegations have them (section 4.5): segment by segment, * and ? not crossing slashes.
func matches(patterns []string, name string) bool {
	names := []string{name}
	if stripped, _, ok := withoutDigest(name); ok {
		names = append(names, stripped)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, err := path.Match(pattern, name)
			return ok && err == nil
		})
	})
}

// ballot is the votes of the repositories of one entry.
type ballot struct {
	session *session
	path    string
	want    int // how many have to agree
	votes   []vote
}

// ask collects the votes. A repository that is named twice has one.
func (s *session) ask(anchor *verify.TUFAnchor, entry *verify.TUFMapping, name string) (*ballot, error) {
	b := &ballot{session: s, path: name, want: max(1, entry.Threshold)}
	for i := range anchor.Repositories {
		repo := &anchor.Repositories[i]
		if !slices.Contains(entry.Repositories, repo.Name) {
			continue
		}
		v, err := s.vote(s.v.source(anchor, repo, s.env), name)
		if err != nil {
			return nil, err
		}
		b.votes = append(b.votes, v)
	}
	return b, nil
}

// of returns the votes of one kind.
func (b *ballot) of(kind func(vote) bool) []vote {
	var out []vote
	for _, v := range b.votes {
		if kind(v) {
			out = append(out, v)
		}
	}
	return out
}

// The kinds of votes: a repository lists the artifact, nothing, or something else under the path, or cannot say.
func vouches(v vote) bool  { return v.problem == nil }
func unlisted(v vote) bool { return v.problem != nil && v.problem.Code == tufclient.NotListed }
func differs(v vote) bool  { return v.problem != nil && v.target != nil }
func unable(v vote) bool   { return v.problem != nil && v.target == nil && !unlisted(v) }

// others returns the largest group of repositories that list the same, and not what the artifact is.
func (b *ballot) others() []vote {
	by := map[string][]vote{}
	var most []vote
	for _, v := range b.of(differs) {
		as := fmt.Sprint(v.target.Length, v.target.Hashes)
		by[as] = append(by[as], v)
		if len(by[as]) > len(most) {
			most = by[as]
		}
	}
	return most
}

// decided reports whether no other entry may be asked: those that could not say anything count for either side.
func (b *ballot) decided() bool {
	return max(len(b.of(vouches)), len(b.others()))+len(b.of(unable)) >= b.want
}

// verdict returns the finding that counts.
func (b *ballot) verdict() verify.Finding {
	yes, others, unable := b.of(vouches), b.others(), b.of(unable)
	switch {
	case len(yes) >= b.want && len(others) >= b.want:
		return b.refused(verify.Invalid, "disagreement", others[0], fmt.Sprintf("%s vouch for this file and %s for another one of the same path: %s",
			names(yes), names(others), others[0].problem.Detail))
	case len(yes) >= b.want:
		return b.listed(yes)
	case len(others) > 0:
		return b.refused(verify.Invalid, others[0].problem.Code, others[0], b.detail(others[0]))
	case len(unable) > 0:
		worst := slices.MaxFunc(unable, func(x, y vote) int { return int(statusOf(x.problem)) - int(statusOf(y.problem)) })
		return b.refused(statusOf(worst.problem), worst.problem.Code, worst, b.detail(worst))
	case len(yes) > 0:
		return b.refused(verify.Absent, "too-few-repositories", yes[0], fmt.Sprintf("%d of the %d repositories that are wanted list it: %s, but not %s",
			len(yes), b.want, names(yes), names(b.of(unlisted))))
	case len(b.votes) == 0:
		return finding(verify.Inconclusive, "unavailable", "the map names no repository that the anchor has")
	}
	return b.refused(verify.Absent, tufclient.NotListed, b.votes[0], b.detail(b.votes[0]))
}

// detail says which repository has what problem, and what the others say where several are asked.
func (b *ballot) detail(why vote) string {
	text := fmt.Sprintf("%s: %s", why.from, why.problem.Detail)
	if len(b.votes) == 1 {
		return text
	}
	var parts []string
	for _, v := range b.votes {
		said := "lists it"
		if v.problem != nil {
			said = v.problem.Code
		}
		parts = append(parts, v.from.String()+": "+said)
	}
	return fmt.Sprintf("%s (%d of %d have to agree; %s)", text, b.want, len(b.votes), strings.Join(parts, ", "))
}

func names(votes []vote) string {
	var out []string
	for _, v := range votes {
		out = append(out, v.from.String())
	}
	return strings.Join(out, ", ")
}
