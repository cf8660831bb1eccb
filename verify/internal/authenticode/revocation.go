package authenticode

import (
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// standing is what revocation lists say of a path.
type standing struct {
	revoked *cms.Certificate // the first one that was, in time to matter; nil if none is known to be
	entry   cms.Revoked      // what is said of it
	unknown string           // of which certificate it is not known, and why, as a part of a sentence; "" if all is known
	asOf    time.Time        // when the oldest of the lists was made that say that nothing is revoked; zero if there is none
	until   time.Time        // when the first of these lists stops saying so
}

// standing looks up every certificate of a path but the root. matters says whether a revocation does.
func (x *Examination) standing(path cms.Path, matters func(cms.Revoked) bool) standing {
	var out standing
	for i, c := range path[:len(path)-1] {
		issuer := path[i+1]
		if urls := c.ListURLs(); x.trust.revocation.Seen != nil && len(urls) > 0 {
			x.trust.revocation.Seen(verify.Published{Issuer: issuer.Raw, Certificate: c.Raw, URLs: urls})
		}
		said := x.lists(c, issuer)
		for _, r := range said.entries {
			if matters(r) && (out.revoked == nil || out.revoked == c && r.Date.Before(out.entry.Date)) {
				out.revoked, out.entry = c, r
			}
		}
		if said.gap != "" && out.unknown == "" {
			out.unknown = fmt.Sprintf("of the certificate of %q: %s", nameOf(c.Subject), said.gap)
		}
		if said.gap == "" {
			out.asOf, out.until = earlier(out.asOf, said.asOf), earlier(out.until, said.until)
		}
	}
	return out
}

// Standing says what revocation lists say of a path whose signature no timestamp proves older than anything: that one of its
// certificates was revoked, or, where unknown is refused, of which that is not known and why; both as a part of a sentence,
// "" otherwise. What is known is known until a time, zero where nothing rests on that.
func (x *Examination) Standing(path cms.Path) (revoked, unknown string, until time.Time) {
	st := x.standing(path, func(cms.Revoked) bool { return true })
	if st.revoked != nil {
		return revocationText(st.revoked, st.entry), "", until
	}
	if x.trust.revocation.Required {
		return "", st.unknown, st.until
	}
	return "", "", until
}

// earlier returns the earlier of two times, of which zero ones do not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sayings is what all lists of an issuer say of one certificate.
type sayings struct {
	entries     []cms.Revoked
	gap         string // why there may be more to say; "" if there may not
	asOf, until time.Time
}

// lists asks every list by the issuer. An entry counts however old its list is, for a revocation is for ever; only being
// on hold is not, and counts if no newer list leaves it out.
func (x *Examination) lists(c, issuer *cms.Certificate) sayings {
	out := sayings{gap: fmt.Sprintf("there is no revocation list by %q", nameOf(issuer.Subject))}
	var held []cms.Revoked
	var heldAt, newest time.Time
	covered := false
	for _, raw := range x.trust.revocation.Lists {
		l, err := ParsedList(raw)
		if err != nil || !l.SignedBy(issuer) {
			continue
		}
		if l.Scope.Unusable == "" {
			for _, r := range l.Find(c.Serial) {
				switch {
				case r.Reason == cms.RemoveFromCRL:
				case r.Reason != cms.CertificateHold:
					out.entries = append(out.entries, r)
				case !l.ThisUpdate.Before(heldAt):
					held, heldAt = append(held[:0], r), l.ThisUpdate
				}
			}
		}
		gap, until := x.gap(l, c)
		if gap != "" {
			if !covered {
				out.gap = gap
			}
			continue
		}
		if !covered || l.ThisUpdate.After(newest) {
			newest, out.until = l.ThisUpdate, until
		}
		covered, out.gap = true, ""
	}
	out.asOf = newest
	if !heldAt.IsZero() && !heldAt.Before(newest) {
		out.entries = append(out.entries, held...)
	}
	return out
}

// gap returns why a list, whose signature is right, does not say that a certificate which it leaves out is not revoked;
// or "", and until when it does.
func (x *Examination) gap(l *cms.RevocationList, c *cms.Certificate) (why string, until time.Time) {
	name := nameOf(l.Issuer)
	if why := l.Scope.Covers(c); why != "" {
		return fmt.Sprintf("the revocation list by %q of %s does not cover it: %s", name, day(l.ThisUpdate), why), until
	}
	end := l.NextUpdate
	if end.IsZero() {
		end = l.ThisUpdate
	}
	until = end.Add(x.trust.revocation.MaxStale)
	switch {
	case l.ThisUpdate.After(x.at.Add(clockSkew)):
		return fmt.Sprintf("the revocation list by %q is of %s, which has not come yet", name, day(l.ThisUpdate)), until
	case x.at.After(until):
		return fmt.Sprintf("the revocation list by %q ended at %s", name, day(end)), until
	}
	return "", until
}

// parsed is a revocation list, or why it is none.
type parsed struct {
	list *cms.RevocationList
	err  error
}

// ParsedList returns what is in a list, read once.
func ParsedList(l *verify.RevocationList) (*cms.RevocationList, error) {
	p := l.Parsed(func(der []byte) any {
		list, err := cms.ParseRevocationList(der)
		return parsed{list, err}
	}).(parsed)
	return p.list, p.err
}

// since returns from when on what a certificate signed counts for nothing: its revocation, or else when it stopped being
// good as its authority says (RFC 5280 section 5.3.2), unless the reason is one for which the key was good to the end.
func since(r cms.Revoked) time.Time {
	switch r.Reason {
	case cms.AffiliationChanged, cms.Superseded, cms.CessationOfOperation, cms.PrivilegeWithdrawn, cms.CertificateHold:
		return r.Date
	}
	if !r.Invalid.IsZero() && r.Invalid.Before(r.Date) {
		return r.Invalid
	}
	return r.Date
}

// afterSigning says which revocations matter to what was signed at a time; all, if no time is proven.
func afterSigning(signedAt time.Time) func(cms.Revoked) bool {
	return func(r cms.Revoked) bool { return signedAt.IsZero() || !signedAt.Before(since(r)) }
}

// ofAuthority says which revocations matter to a timestamp. Whoever has an authority's key can choose the time, so that
// only the reasons that RFC 3161 section 4 names leave earlier timestamps standing; an entry without a reason does not.
func ofAuthority(stated time.Time) func(cms.Revoked) bool {
	return func(r cms.Revoked) bool {
		switch r.Reason {
		case cms.Unspecified, cms.AffiliationChanged, cms.Superseded, cms.CessationOfOperation:
			return !stated.Before(since(r))
		}
		return true
	}
}

// revocationText says what is known of a certificate's revocation, as a part of a sentence.
func revocationText(c *cms.Certificate, r cms.Revoked) string {
	text := fmt.Sprintf("the certificate of %q was revoked at %s (%s)", nameOf(c.Subject), day(r.Date), r.Reason)
	if s := since(r); s.Before(r.Date) {
		text += fmt.Sprintf(", and is not good since %s", day(s))
	}
	return text
}

// Text says it for a finding that vouches.
func (s standing) text() string {
	if s.unknown != "" {
		return "Whether it has been revoked is not known " + s.unknown + "."
	}
	if s.asOf.IsZero() {
		return ""
	}
	return fmt.Sprintf("Nothing in its path was revoked as of %s.", day(s.asOf))
}
