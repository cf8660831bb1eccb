package apt

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// wellKnown are the suites that are looked for where nothing else is known of an archive: no client fetched its
// metadata through us, and the operator names no suites for the anchor.
var wellKnown = []string{
	"stable", "stable-updates", "stable-security", "oldstable", "oldstable-updates", "oldstable-security",
	"testing", "testing-security", "unstable", "stable-backports",
	"trixie", "bookworm", "bullseye", "trixie-security", "bookworm-security",
	"noble", "noble-updates", "noble-security", "jammy", "jammy-updates", "jammy-security", "resolute", "main",
}

// enoughFailures is how many fetches may fail, other than by "does not exist", before no more suites are looked for.
const enoughFailures = 3

// lookup is the search for what vouches for one package.
type lookup struct {
	*session
	accepted int             // Releases that may vouch and do not list the package
	doubtful []listing       // authentic Releases that may not vouch
	mismatch *verify.Finding // listed, and different
}

// listing is a package's place in a suite.
type listing struct {
	voucher *voucher
	file    string
}

// pkg finds out what vouches for a package. There is exactly one finding: the archive's word on it.
func (s *session) pkg(places []candidate) ([]verify.Finding, error) {
	l := &lookup{session: s}
	known, err := s.knownSuites(places)
	if err != nil {
		return nil, err
	}
	for _, again := range []bool{false, true} {
		for _, k := range known {
			if f, err := l.consider(k.suite, k.file, again); f != nil || err != nil {
				return asList(f), err
			}
		}
	}
	if l.mismatch == nil {
		for _, k := range s.unknownSuites(places, known) {
			if !s.mayProbe(k.suite) {
				break
			}
			if f, err := l.consider(k.suite, k.file, false); f != nil || err != nil {
				return asList(f), err
			}
		}
	}
	return asList(l.conclude()), nil
}

func asList(f *verify.Finding) []verify.Finding {
	if f == nil {
		return nil
	}
	return []verify.Finding{*f}
}

// place is a suite that may list the package, and the package's path relative to the archive.
type place struct {
	suite suite
	file  string
}

// knownSuites returns the suites that were seen in the archives which the package may belong to; the one that the
// path names comes first.
func (s *session) knownSuites(places []candidate) ([]place, error) {
	var out []place
	for _, c := range places {
		for _, k := range s.env.Trust.Keyrings {
			names, err := suitesOf(s.env.Memory, k.Anchor, c.archive)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if (name == "") == c.flat {
					out = appendPlace(out, place{suite{c.archive, name}, c.file}, name != "" && name == c.hint)
				}
			}
		}
	}
	return out, nil
}

func appendPlace(list []place, p place, first bool) []place {
	switch {
	case slices.Contains(list, p):
		return list
	case first:
		return append([]place{p}, list...)
	}
	return append(list, p)
}

// unknownSuites returns the suites to look for beside those that are known: the one in the path, those that the
// operator names, then the well-known ones.
func (s *session) unknownSuites(places []candidate, known []place) []place {
	var named []string
	for _, k := range s.env.Trust.Keyrings {
		named = append(named, k.Suites...)
	}
	var out []place
	add := func(c candidate, name string) {
		if p := (place{suite{c.archive, name}, c.file}); !slices.Contains(known, p) && validSuite(name) {
			out = appendPlace(out, p, false)
		}
	}
	for _, c := range places {
		if c.flat {
			continue
		}
		if c.hint != "" {
			add(c, c.hint)
		}
		for _, name := range named {
			add(c, name)
		}
	}
	for _, c := range places {
		if c.flat {
			add(c, "")
		}
	}
	for _, c := range places {
		if !c.flat && strings.Contains("/"+c.file, "/pool/") {
			for _, name := range wellKnown {
				add(c, name)
			}
		}
	}
	return out
}

// validSuite reports whether a name can be part of a URL below dists/.
func validSuite(name string) bool {
	return name == "" || len(name) <= maxIdentity && !strings.HasPrefix(name, "/") && cleanPath(name) == name &&
		!strings.ContainsAny(name, "\x00\r\n?#")
}

// mayProbe reports whether one more suite may be looked for.
func (s *session) mayProbe(at suite) bool {
	if have, ok := s.v.documents.Get(at); ok && have.fresh() {
		return true
	}
	if s.probes++; s.probes > probesPerCall {
		s.lacks("more suites", fmt.Errorf("%d were looked for", probesPerCall))
		return false
	}
	return len(s.missing) < enoughFailures
}

// consider looks the package up in a suite's Releases, the newest first, and returns a finding if one vouches for it.
func (l *lookup) consider(at suite, file string, again bool) (*verify.Finding, error) {
	var list []*voucher
	v, err := l.refreshed(at, again)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
	case v.problem != nil:
		l.doubtful = append(l.doubtful, listing{v, file})
	default:
		list = append(list, v)
	}
	remembered, err := l.recalled(at)
	if err != nil {
		return nil, err
	}
	for _, v := range remembered {
		list = merge(list, v)
	}
	for _, v := range list {
		l.accepted++
		f, err := l.find(v, file)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		if f.Status == verify.Valid {
			return f, nil
		}
		if l.mismatch == nil {
			l.mismatch = f
		}
	}
	return nil, nil
}

// find looks the package up in the indexes of one Release. It returns nil where none that could be read lists it.
func (l *lookup) find(v *voucher, file string) (*verify.Finding, error) {
	var kept, others []string
	for _, base := range v.rel.packages(file) {
		if _, ok := l.cachedIndex(v.rel, base); ok {
			kept = append(kept, base)
		} else {
			others = append(others, base)
		}
	}
	var differs *verify.Finding
	for _, base := range append(kept, others...) {
		x, err := l.index(v, base)
		if l.ctx.Err() != nil {
			return nil, l.ctx.Err()
		}
		if err != nil {
			l.lacks(v.suite.url(base), err)
			continue
		}
		if f := l.compare(v, base, x, file); f != nil {
			if f.Status == verify.Valid {
				return f, nil
			}
			differs = f
		}
	}
	return differs, nil
}

// compare holds the package against its entries in an index; nil if there is none.
func (l *lookup) compare(v *voucher, base string, x *index, file string) *verify.Finding {
	entries := x.lookup(file)
	if len(entries) == 0 {
		return nil
	}
	key, _ := v.rel.indexOf(base)
	evidence := []verify.Reference{v.reference(), {URL: v.suite.url(key.name), SHA256: key.file.SHA256}}
	a := l.artifact
	if slices.Contains(entries, entryOf(a)) {
		f := verify.Finding{
			Method: method, Status: verify.Valid, Code: "apt/valid", Signer: v.signer, Anchors: v.anchors, NotAfter: v.ends,
			Detail: fmt.Sprintf("listed in %s of %s", key.name, v.describe()), Evidence: evidence,
		}
		return &f
	}
	f := finding(verify.Invalid, "digest-mismatch", fmt.Sprintf(
		"%s of %s lists %.120s with %d bytes and SHA-256 %s; this file has %d bytes and SHA-256 %s",
		key.name, v.describe(), path.Base(file), entries[0].Size, entries[0].SHA256, a.Size, a.Digests.SHA256))
	f.Evidence = evidence
	return &f
}

// entryOf is what an index would say of an artifact.
func entryOf(a *verify.Artifact) file { return file{Size: a.Size, SHA256: a.Digests.SHA256} }

// worst returns the gravest of what speaks against the artifact: another entry for it, an entry in a Release that may
// not vouch, found by find, or a document that is wrong; nil if nothing does.
func (l *lookup) worst(find func(*voucher, string) (*verify.Finding, error)) *verify.Finding {
	if l.mismatch != nil {
		return l.mismatch
	}
	for _, d := range l.doubtful {
		if f, err := find(d.voucher, d.file); err == nil && f != nil {
			if f.Status != verify.Valid {
				return f
			}
			out := withEvidence(*d.voucher.problem, f.Evidence...)
			out.Detail = "only a Release that may not vouch lists it: " + out.Detail
			return &out
		}
	}
	return gravest(l.problems)
}

// conclude says why nothing vouches for the package.
func (l *lookup) conclude() *verify.Finding {
	if f := l.worst(l.find); f != nil {
		return f
	}
	var f verify.Finding
	switch {
	case len(l.missing) > 0 && l.accepted == 0:
		f = finding(verify.Inconclusive, "unavailable", "what vouches for it could not be fetched: "+l.whatIsMissing())
	case len(l.missing) > 0:
		f = finding(verify.Inconclusive, "not-listed", fmt.Sprintf(
			"%s lists it, and not all could be fetched: %s", releases("none of", l.accepted), l.whatIsMissing()))
	case l.accepted > 0:
		f = finding(verify.Untrusted, "not-listed", releases("none of", l.accepted)+" of its archive that vouch for packages lists it")
	case len(l.doubtful) > 0:
		f = withEvidence(*l.doubtful[0].voucher.problem, l.doubtful[0].voucher.reference())
	default:
		f = finding(verify.Absent, "unsigned", "no signed Release was found for its archive")
	}
	return &f
}

func releases(which string, n int) string {
	if n == 1 {
		return which + " 1 Release"
	}
	return fmt.Sprintf("%s %d Releases", which, n)
}

// whatIsMissing lists what could not be fetched, the first few of it.
func (s *session) whatIsMissing() string {
	list := s.missing[:min(len(s.missing), enoughFailures)]
	out := strings.Join(list, "; ")
	if more := len(s.missing) - len(list); more > 0 {
		out += fmt.Sprintf("; and %d more", more)
	}
	return out
}

// gravest returns the problem that proves most: Invalid before Untrusted before the others.
func gravest(list []verify.Finding) *verify.Finding {
	order := []verify.Status{verify.Invalid, verify.Untrusted, verify.Inconclusive, verify.Absent}
	for _, status := range order {
		if i := slices.IndexFunc(list, func(f verify.Finding) bool { return f.Status == status }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}
