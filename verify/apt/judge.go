package apt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// clockTolerance is how far ahead of the time of judgement a Release may be dated.
const clockTolerance = time.Hour

// voucher is an authentic Release at its place, and what may be concluded from it: under its anchors it vouches for
// what it lists, or, where it has none, its problem says why not.
type voucher struct {
	suite   suite
	rel     *release
	anchors []string
	signer  verify.Identity
	ends    time.Time // when it stops vouching; zero if never
	problem *verify.Finding
}

// reference names the Release as evidence.
func (v *voucher) reference() verify.Reference {
	return verify.Reference{URL: v.rel.URL, SHA256: v.rel.Digest}
}

// describe says for people what vouches.
func (v *voucher) describe() string {
	origin := v.rel.Origin
	if origin == "" {
		origin = v.suite.archive.key()
	}
	return fmt.Sprintf("the Release of %.80s %.80s of %s", origin, v.rel.name(), v.rel.Date.Format(time.RFC3339))
}

// judge decides which of the signers of a Release it may vouch under at its place. Of several problems the one is
// told that explains most: the wrong suite, then a rollback, then expiry. An error is about memory.
func (s *session) judge(at suite, p *proof) (*voucher, error) {
	v := &voucher{suite: at, rel: p.rel, signer: p.signers[0].who}
	if detail := misplaced(at, p.rel); detail != "" {
		return v.refused(verify.Invalid, "wrong-suite", detail), nil
	}
	var refusal *verify.Finding
	for _, by := range p.signers {
		f, err := s.refusedBy(by, at, p.rel)
		if err != nil {
			return nil, err
		}
		if f != nil {
			refusal = f
			continue
		}
		if len(v.anchors) == 0 {
			v.signer = by.who
		}
		if !slices.Contains(v.anchors, by.anchor) {
			v.anchors = append(v.anchors, by.anchor)
		}
		v.ends = earliest(v.ends, by.ends)
	}
	if len(v.anchors) == 0 {
		v.problem = refusal
		return v, nil
	}
	if f := untimely(p.rel, s.env.At); f != nil {
		v.anchors, v.problem = nil, f
		return v, nil
	}
	v.ends = earliest(v.ends, p.rel.ValidUntil)
	return v, nil
}

func (v *voucher) refused(status verify.Status, code, detail string) *voucher {
	f := finding(status, code, detail)
	v.problem = &f
	return v
}

// refusedBy compares a Release with what is remembered of its suite under one anchor.
func (s *session) refusedBy(by signer, at suite, rel *release) (*verify.Finding, error) {
	known, err := s.v.record(s.env.Memory, by.anchor, at)
	if err != nil {
		return nil, err
	}
	if detail := known.contradicts(at, rel); detail != "" {
		f := finding(verify.Invalid, "wrong-suite", detail)
		return &f, nil
	}
	newest, err := newestOf(s.env.Memory, by.anchor, at, rel)
	if err != nil {
		return nil, err
	}
	if rel.Date.Before(newest.Add(-by.lag)) {
		f := finding(verify.Invalid, "rollback", fmt.Sprintf(
			"%s is dated %s, but one dated %s was already accepted under the anchor %s, and %s is the most that it may lag",
			rel.URL, rel.Date.Format(time.RFC3339), newest.Format(time.RFC3339), by.anchor, by.lag))
		return &f, nil
	}
	return nil, nil
}

// untimely says whether a Release has expired (apt's protection against freezing, Valid-Until) or lies in the future.
func untimely(rel *release, at time.Time) *verify.Finding {
	var f verify.Finding
	switch {
	case !rel.ValidUntil.IsZero() && at.After(rel.ValidUntil):
		f = finding(verify.Invalid, "expired", fmt.Sprintf("%s was valid until %s, and it is %s",
			rel.URL, rel.ValidUntil.Format(time.RFC3339), at.UTC().Format(time.RFC3339)))
	case rel.Date.After(at.Add(clockTolerance)):
		f = finding(verify.Inconclusive, "future", fmt.Sprintf("%s is dated %s, and by our clock it is %s",
			rel.URL, rel.Date.Format(time.RFC3339), at.UTC().Format(time.RFC3339)))
	default:
		return nil
	}
	return &f
}

// misplaced says how the suite that a Release claims to be differs from the one that its path names; "" if it does
// not. A path may name the suite or its codename. A Release that claims neither, and one in a flat repository, whose
// path names no suite, is measured against what is remembered only.
func misplaced(at suite, rel *release) string {
	if at.name == "" || rel.Suite == "" && rel.Codename == "" || claims(at.name, rel.Suite) {
		return ""
	}
	// Ubuntu's pockets share one codename: noble-proposed claims Codename noble, and is not dists/noble.
	pocket := strings.HasPrefix(rel.Suite, rel.Codename+"-")
	if claims(at.name, rel.Codename) && !pocket {
		return ""
	}
	return fmt.Sprintf("%s says that it is suite %q, codename %q, which is not %q", rel.URL, rel.Suite, rel.Codename, at.name)
}

// claims reports whether a Release that calls itself name belongs at dists/<path>.
func claims(path, name string) bool {
	switch {
	case name == "":
		return false
	case path == name:
		return true
	case strings.HasPrefix(path, name+"/"): // buster/updates says buster; vendors put a product below a distribution
		return true
	}
	return name == "proposed-updates" && path == "stable-proposed-updates"
}

// contradicts says how a Release differs from who its suite was before; "" if it does not. Suites get new names in the
// course of their lives, so those count only where the path does not fix them.
func (r *record) contradicts(at suite, rel *release) string {
	if len(r.Releases) == 0 {
		return ""
	}
	differs := func(field, old, now string) string {
		return fmt.Sprintf("%s says %s %q, but at this place it was %q before", rel.URL, field, now, old)
	}
	switch {
	case r.Origin != rel.Origin:
		return differs("Origin", r.Origin, rel.Origin)
	case r.Label != rel.Label:
		return differs("Label", r.Label, rel.Label)
	case at.name == "" && r.Suite != rel.Suite:
		return differs("Suite", r.Suite, rel.Suite)
	case at.name == "" && r.Codename != rel.Codename:
		return differs("Codename", r.Codename, rel.Codename)
	}
	return ""
}

// recalled returns what remembered Releases of a suite may still vouch, the newest first: those of a keyring that is
// still in force, within the tolerance, and not expired.
func (s *session) recalled(at suite) ([]*voucher, error) {
	var out []*voucher
	for i, k := range s.env.Trust.Keyrings {
		known, err := s.v.record(s.env.Memory, k.Anchor, at)
		if err != nil {
			return nil, err
		}
		for _, old := range known.Releases {
			if old.Keyring != s.keyringDigest(i) || !old.Ends.IsZero() && s.env.At.After(old.Ends) {
				continue
			}
			by := signer{anchor: k.Anchor, keyring: old.Keyring, who: old.Signer, ends: old.Ends, lag: lagOf(k)}
			v, err := s.judge(at, &proof{rel: old.rel, signers: []signer{by}})
			if err != nil {
				return nil, err
			}
			if v.problem == nil {
				out = merge(out, v)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *voucher) int { return b.rel.Date.Compare(a.rel.Date) })
	return out, nil
}

// merge adds v to list, to the voucher of the same Release under other anchors if there is one.
func merge(list []*voucher, v *voucher) []*voucher {
	for _, have := range list {
		if have.rel.Digest == v.rel.Digest {
			for _, anchor := range v.anchors {
				if !slices.Contains(have.anchors, anchor) {
					have.anchors = append(have.anchors, anchor)
				}
			}
			have.ends = earliest(have.ends, v.ends)
			return list
		}
	}
	return append(list, v)
}

// earliest returns the first of two moments, of which a zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
