package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// signedBy asks for signatures over the update itself.
type signedBy struct {
	anchors   []*anchor
	threshold int
}

// signedByList returns the list of anchors of either form of signed_by.
func signedByList(n node) node {
	if a := n.get("anchors"); a.present() {
		return a
	}
	return n
}

func (b *builder) signedBy(n node) requirement {
	names := signedByList(n)
	s := &signedBy{anchors: b.anchorsNamed(names), threshold: 1}
	t := n.get("threshold")
	if k, err := parseCount(t.text()); err == nil {
		s.threshold = k
		if k > len(names.items()) {
			b.add(t, "", "the threshold is %d, but there are %d anchors to choose from", k, len(names.items()))
		}
	}
	return s
}

// String implements requirement.
func (s *signedBy) String() string {
	names := make([]string, len(s.anchors))
	for i, a := range s.anchors {
		names[i] = a.String()
	}
	list := strings.Join(names, ", ")
	switch {
	case s.threshold > 1:
		return fmt.Sprintf("signed by at least %d different ones of %s", s.threshold, list)
	case len(names) == 1:
		return "signed by " + list
	}
	return "signed by any of " + list
}

func (s *signedBy) sidecars() bool {
	return slices.ContainsFunc(s.anchors, (*anchor).beside)
}

func (s *signedBy) inside() bool { return false }

func (s *signedBy) refers(to func(*anchor)) {
	for _, a := range s.anchors {
		to(a)
	}
}

// label begins the reason: "signed_by microsoft, threecx".
func (s *signedBy) label() string {
	names := make([]string, len(s.anchors))
	for i, a := range s.anchors {
		names[i] = a.name
	}
	if s.threshold > 1 {
		return fmt.Sprintf("signed_by %d of %s", s.threshold, strings.Join(names, ", "))
	}
	return "signed_by " + strings.Join(names, ", ")
}

// judge implements requirement. Anything Invalid about the update itself leaves it undecided who signed, whoever else
// did, so that neither signed_by nor its negation holds.
func (s *signedBy) judge(e *evidence) (outcome, string) {
	v := e.sort()
	if len(v.invalid) > 0 {
		return undecided, s.label() + ": what is wrong with the file defeats every signature: " + quoted(v.invalid)
	}
	n, by := s.count(e, v)
	switch {
	case n >= s.threshold:
		return holds, s.label() + ": " + by
	case len(v.inconclusive) > 0:
		return undecided, s.label() + ": it could not be told who signed the file: " + quoted(v.inconclusive)
	case len(v.valid) == 0 && len(v.rest) == 0:
		return undecided, s.label() + ": nothing was found out about the file's signatures"
	case n > 0:
		return fails, fmt.Sprintf("%s: the file is signed by %d of the %d that are wanted: %s", s.label(), n, s.threshold, by)
	case len(v.valid) > 0:
		return fails, fmt.Sprintf("%s: the file is signed by %s, but not %s", s.label(), signers(v.valid), strings.TrimPrefix(s.String(), "signed "))
	case len(v.stale) > 0:
		return fails, fmt.Sprintf("%s: what vouched for the file has expired: %s", s.label(), quoted(v.stale))
	}
	return fails, fmt.Sprintf("%s: the file is not %s: %s", s.label(), s, quoted(v.rest))
}

// sorted is the findings about the update itself.
type sorted struct {
	valid        []*verify.Finding // still valid, and naming who signed
	invalid      []*verify.Finding
	inconclusive []*verify.Finding
	stale        []*verify.Finding // were valid until some time before now
	rest         []*verify.Finding // all others and the stale ones
}

// maxSigners is how many signers of one file are compared; what is beyond counts as what could not be told.
const maxSigners = 256

// sort tells the findings about the update itself apart.
func (e *evidence) sort() sorted {
	var s sorted
	e.sortInto(&s)
	return s
}

// sortInto is sort into lists that are used again.
func (e *evidence) sortInto(s *sorted) {
	s.valid, s.invalid, s.inconclusive, s.stale, s.rest = s.valid[:0], s.invalid[:0], s.inconclusive[:0], s.stale[:0], s.rest[:0]
	for i := range e.findings {
		f := &e.findings[i]
		if f.Subject != "" {
			continue
		}
		switch {
		case f.Status == verify.Inconclusive && aboutOpening(f):
			// It is for contents to judge what is inside.
		case f.Status == verify.Invalid:
			s.invalid = append(s.invalid, f)
		case f.Status == verify.Valid && f.Signer.IsZero() && len(f.Anchors) == 0:
			// It states something harmless and vouches for nobody.
		case f.Status == verify.Valid && len(s.valid) == maxSigners:
			s.inconclusive = append(s.inconclusive, f)
		case f.Status == verify.Valid && current(f, e.now):
			s.valid = append(s.valid, f)
		case f.Status == verify.Valid:
			s.stale = append(s.stale, f)
			s.rest = append(s.rest, f)
		case f.Status == verify.Absent || f.Status == verify.Untrusted:
			s.rest = append(s.rest, f)
		default:
			s.inconclusive = append(s.inconclusive, f)
		}
	}
}

// maxQuoted is how many findings a reason quotes.
const maxQuoted = 4

// quoted names findings, by code and detail.
func quoted(findings []*verify.Finding) string {
	var parts []string
	for i, f := range findings {
		if i == maxQuoted {
			parts = append(parts, fmt.Sprintf("and %d more", len(findings)-i))
			break
		}
		s := printable.Text(f.Code, 80)
		if s == "" {
			s = printable.Text(f.Method, 40) + " " + f.Status.String()
		}
		if f.Status == verify.Untrusted && !f.Signer.IsZero() {
			s += " by " + who(f)
		}
		if f.Detail != "" {
			s += " (" + printable.Text(f.Detail, 300) + ")"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// who names the signer of a finding.
func who(f *verify.Finding) string {
	name := f.Signer.String()
	if f.Signer.Organization != "" {
		name = f.Signer.Organization
	}
	if name == "" {
		name = strings.Join(f.Anchors, ", ")
	}
	how := printable.Text(f.Method, 40)
	if f.Method == "sigstore" && f.Signer.Issuer != "" {
		how += ", by " + printable.Text(f.Signer.Issuer, 120)
	}
	return fmt.Sprintf(`"%s" (%s)`, printable.Text(name, 200), how)
}

// signers names who signed, each once.
func signers(findings []*verify.Finding) string {
	var parts []string
	for _, f := range findings {
		if w := who(f); !contains(parts, w) && len(parts) < maxQuoted {
			parts = append(parts, w)
		}
	}
	return strings.Join(parts, " and ")
}
