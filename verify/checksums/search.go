package checksums

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
)

// search is one call of Verify.
type search struct {
	ctx      context.Context
	artifact *verify.Artifact
	place    beside.Place
	keys     *keys
	budget   *beside.Budget
	sums     map[string][]byte // of the artifact, by algorithm

	unlisted  []string // lists that do not name the file
	unsigned  []string // lists that name it and carry no signature
	untrusted []string // lists that name it and are signed by no anchor's key, and why
	unread    []string // lists that cannot be read, and why
}

// look asks for a list and for its signatures. It reports done once a list that an anchor's key has signed has said
// something about the file.
func (s *search) look(p place) ([]verify.Finding, bool, error) {
	l, found, err := s.budget.Fetch(s.ctx, p.ref, maxList)
	if err != nil || !found {
		return nil, false, err
	}
	if text, ok, err := s.keys.own(l); ok || err != nil {
		if err != nil {
			return nil, false, err
		}
		return s.judge(text)
	}
	if !s.names(l) {
		return nil, false, nil
	}
	signatures := 0
	for _, suffix := range s.keys.suffixes() {
		sig, found, err := s.budget.Fetch(s.ctx, p.ref+suffix, max(maxSignature, int64(len(l.Data))+maxSignature))
		if err != nil {
			return nil, false, err
		}
		if !found {
			continue
		}
		text, ok, err := s.keys.beside(l, sig, p.name)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		signatures++
		if found, done, err := s.judge(text); done || err != nil {
			return found, done, err
		}
	}
	if signatures == 0 {
		s.unsigned = append(s.unsigned, l.Ref)
	}
	return nil, false, nil
}

// names reports whether a list whose signature is elsewhere, if it has one, is worth looking for it.
func (s *search) names(l beside.Sidecar) bool {
	if isBare(l.Data) {
		s.unsigned = append(s.unsigned, l.Ref+" (a digest without a name, which could be of any file)")
		return false
	}
	parsed, err := parseList(l.Data)
	if err != nil {
		s.unread = append(s.unread, fmt.Sprintf("%s (%v)", l.Ref, err))
		return false
	}
	found, several := parsed.find(s.place.Name)
	if len(found) == 0 && !several {
		s.unlisted = append(s.unlisted, l.Ref)
		return false
	}
	return true
}

// judge compares the file with a text, if an anchor's key has signed that.
func (s *search) judge(text *signed) ([]verify.Finding, bool, error) {
	if len(text.vouchers) == 0 {
		s.untrusted = append(s.untrusted, fmt.Sprintf("%s (%s)", text.where, text.refusal))
		return nil, false, nil
	}
	parsed, err := parseList(text.text)
	if err != nil {
		s.unread = append(s.unread, fmt.Sprintf("%s (%v)", text.where, err))
		return nil, false, nil
	}
	entries, several := parsed.find(s.place.Name)
	switch {
	case several:
		s.unread = append(s.unread, fmt.Sprintf("%s (several directories in it have a file of this name)", text.where))
		return nil, false, nil
	case len(entries) == 0:
		s.unlisted = append(s.unlisted, text.where)
		return nil, false, nil
	}
	found, err := s.compare(text, entries)
	return found, err == nil, err
}

// compare says what the lines of a signed list about the file mean for it. All strong digests must fit.
func (s *search) compare(text *signed, entries []entry) ([]verify.Finding, error) {
	by := strings.Join(text.vouchers[0].anchors, ", ")
	var strong []entry
	seen := map[string][]byte{}
	for _, e := range entries {
		if before, again := seen[e.algorithm.name]; again && !bytes.Equal(before, e.sum) {
			return one(text, verify.Invalid, "ambiguous", "%s, signed by %s, has the name %.100q twice, with different %s digests.",
				text.where, by, s.place.Name, e.algorithm.name), nil
		} else if !again && e.algorithm.strong {
			strong = append(strong, e)
		}
		seen[e.algorithm.name] = e.sum
	}
	if len(strong) == 0 {
		return one(text, verify.Untrusted, "weak-digest", "%s, signed by %s, has no digest of the file but %s, which proves nothing.",
			text.where, by, entries[0].algorithm.name), nil
	}
	if err := s.sum(strong); err != nil {
		return nil, err
	}
	for _, e := range strong {
		if sum := s.sums[e.algorithm.name]; !bytes.Equal(sum, e.sum) {
			return one(text, verify.Invalid, "digest-mismatch", "%s, signed by %s, says that %.100q has the %s digest %x; this file has %x.",
				text.where, by, s.place.Name, e.algorithm.name, e.sum, sum), nil
		}
	}
	return s.vouch(text, strong), nil
}

// vouch returns a finding for each key that has signed the list.
func (s *search) vouch(text *signed, strong []entry) []verify.Finding {
	var out []verify.Finding
	for _, v := range text.vouchers {
		f := one(text, verify.Valid, "valid", "%s, signed by %s, lists this file as %.100q with the %s digest %x.",
			text.where, v.who, strong[0].path, strong[0].algorithm.name, strong[0].sum)[0]
		f.Signer, f.Anchors, f.NotAfter = v.who, v.anchors, v.ends
		out = append(out, f)
	}
	return out
}

func one(text *signed, status verify.Status, code, format string, args ...any) []verify.Finding {
	return []verify.Finding{{
		Method: method, Status: status, Code: method + "/" + code, Detail: fmt.Sprintf(format, args...), Evidence: text.evidence,
	}}
}

// nothing says why no list has vouched for the file.
func (s *search) nothing() []verify.Finding {
	if s.budget.None() {
		return nil
	}
	var out []verify.Finding
	say := func(status verify.Status, code, format string, list []string) {
		out = append(out, one(&signed{}, status, code, format, strings.Join(list[:min(len(list), 4)], "; "))...)
	}
	if missing := s.budget.Missing(); len(missing) > 0 {
		say(verify.Inconclusive, "unavailable", "It could not be told whether there is a signed list of digests: %s.", missing)
	}
	switch {
	case len(s.untrusted) > 0:
		say(verify.Untrusted, "untrusted-list", "The lists of digests beside the file are signed by nobody whom an anchor names: %s.", s.untrusted)
	case len(s.unread) > 0:
		say(verify.Inconclusive, "malformed", "The lists of digests beside the file cannot be read: %s.", s.unread)
	case len(s.unsigned) > 0:
		say(verify.Absent, "unsigned", "The digests that are published beside the file are not signed: %s.", s.unsigned)
	case len(s.unlisted) > 0:
		say(verify.Absent, "not-listed", "The lists of digests beside the file do not name it: %s.", s.unlisted)
	case len(out) == 0:
		say(verify.Absent, "no-list", "No list of digests lies beside the file%s.", nil)
	}
	return out
}
