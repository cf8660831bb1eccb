package policy

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// way says of something that the facts do not answer, by its name, whether it speaks for the update.
type way func(name string) bool

func goodWay(string) bool { return true }
func badWay(string) bool  { return false }

// maxTried is how many open questions are answered in all ways that there are.
const maxTried = 4

// ways are the ways to answer what is open, the first being that all speaks for the update where good is true, or against it. Where
// nothing that is required is turned round, what speaks for an update never harms it, and nothing between all and nothing matters.
func (t *Retrial) ways(good bool) []way {
	first, last := way(goodWay), way(badWay)
	if !good {
		first, last = last, first
	}
	if !t.turned() {
		return []way{first}
	}
	names := t.questions()
	out := []way{first, last}
	if len(names) > maxTried {
		for _, one := range names {
			out = append(out, func(name string) bool { return (name == one) != good }, func(name string) bool { return (name == one) == good })
		}
		return out
	}
	for mask := 1; mask < 1<<len(names)-1; mask++ {
		out = append(out, func(name string) bool { i := slices.Index(names, name); return i >= 0 && mask&(1<<i) != 0 })
	}
	return out
}

// turned reports whether something that is required may hold because of what speaks against an update.
func (t *Retrial) turned() (found bool) {
	for _, c := range t.plan.channels {
		each(c.requires, func(r requirement) {
			switch r.(type) {
			case *negation, *condition:
				found = true
			}
		})
	}
	return found
}

// questions are the names of what is open.
func (t *Retrial) questions() []string {
	var out []string
	for _, a := range t.anchors {
		out = append(out, "anchor "+a.name)
	}
	for _, f := range t.feeds {
		out = append(out, "feed "+f.Name)
	}
	for _, name := range t.scanners {
		out = append(out, "scanner "+name)
	}
	for name, open := range map[string]bool{"inside": t.inside, "second": t.second, "past": len(t.history) > 0, "revocation": t.revocation} {
		if open {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// suppose returns the facts with what they do not answer filled in.
func (t *Retrial) suppose(good way) Facts {
	f := t.facts
	f.memory = nil // it is about another report
	f.Report.Contents = t.opened(good("inside"))
	f.Report.Findings = slices.Clone(f.Report.Findings)
	t.supposeRevocation(&f, good("revocation"))
	for _, a := range t.anchors {
		if good("anchor "+a.name) != contains(t.policy.denied, a.name) {
			f.Report.Findings = append(f.Report.Findings, a.supposed(f.Report.Contents)...)
		}
	}
	t.supposeFeeds(&f, good)
	if t.inside && !good("inside") {
		t.supposeDenied(&f)
	}
	if len(t.scanners) > 0 {
		f.Scans = maps.Clone(f.Scans)
		if f.Scans == nil {
			f.Scans = map[string]Scan{}
		}
		for _, name := range t.scanners {
			f.Scans[name] = Scan{Status: ScanFound, File: ScanFound, Inside: true, Hits: []ScanHit{{Name: "supposed"}}, At: f.Now}
			if good("scanner " + name) {
				f.Scans[name] = Scan{Status: ScanClean, File: ScanClean, Inside: true, Files: 1, At: f.Now}
			}
		}
	}
	t.supposePast(&f, good("past"))
	if t.second {
		f.History.Second = SecondLook{Asked: true, SHA256: f.Update.SHA256}
		if !good("second") {
			f.History.Second.SHA256 = sha256.Sum256(f.Update.SHA256[:])
		}
	}
	return f
}

// supposeDenied puts inside what deny rules look for there.
func (t *Retrial) supposeDenied(f *Facts) {
	for _, name := range t.policy.denied {
		for _, found := range t.policy.anchors[name].supposed(nil) {
			found.Subject = "supposed"
			f.Report.Findings = append(f.Report.Findings, found)
		}
	}
	f.Reputation.Listings = slices.Clone(f.Reputation.Listings)
	for _, d := range t.policy.denies.byFeed {
		for _, feed := range d.feeds {
			if d.opens {
				f.Reputation.Listings = append(f.Reputation.Listings, Listing{Feed: feed.Name, Path: "supposed", Kind: "sha256", Value: f.Update.SHA256.String(), Label: "supposed"})
			}
		}
	}
}

// Codes of findings that rest on revocation lists end like this.
const (
	revokedCode = "/revoked"
	unknownCode = "/revocation-unknown"
)

// supposeRevocation answers anew what certificate revocation lists say: that no certificate has been revoked, or that all have.
func (t *Retrial) supposeRevocation(f *Facts, good bool) {
	if !t.revocation {
		return
	}
	var out []verify.Finding
	for _, found := range f.Report.Findings {
		about := strings.HasSuffix(found.Code, revokedCode) || strings.HasSuffix(found.Code, unknownCode)
		switch {
		case good && about:
			for _, name := range t.plan.Anchors {
				if a := t.policy.anchors[name]; contains(methods[a.kind], found.Method) {
					out = append(out, a.vouching(found)...)
				}
			}
			continue
		case !good && found.Status == verify.Valid && byCertificate(&found):
			found.Status, found.Code = verify.Untrusted, found.Method+unknownCode
		}
		out = append(out, found)
	}
	f.Report.Findings = out
}

// byCertificate reports whether a finding may rest on an X.509 certificate that lists can name.
func byCertificate(f *verify.Finding) bool {
	return contains(methods["authenticode"], f.Method) || contains(methods["cms"], f.Method)
}

// vouching returns a finding by which an anchor vouches for what another finding is about: that one, if it names the anchor, or one that is
// made up where it says of nobody who signed.
func (a *anchor) vouching(f verify.Finding) []verify.Finding {
	f.Status = verify.Valid
	if !f.Signer.IsZero() {
		if a.kind != "authenticode" && !contains(f.Anchors, a.name) {
			f.Anchors = append(slices.Clone(f.Anchors), a.name)
		}
		if a.vouches(&f) {
			return []verify.Finding{f}
		}
		return nil
	}
	for _, one := range a.supposed(nil) {
		one.Subject = f.Subject
		return []verify.Finding{one}
	}
	return nil
}

// supposed returns findings by which an anchor vouches for an update and for every executable inside; none if no finding that could
// be made up would.
func (a *anchor) supposed(contents *verify.Contents) []verify.Finding {
	filled := func(glob string) string { return strings.NewReplacer("*", "x", "?", "x").Replace(glob) }
	one := verify.Finding{
		Method: methods[a.kind][0], Status: verify.Valid, Code: methods[a.kind][0] + "/supposed", Anchors: []string{a.name},
		Signer: verify.Identity{
			Name: a.name, Organization: filled(a.organization), CommonName: filled(a.commonName), Issuer: filled(a.issuer), Country: a.country,
			Fingerprint: a.name,
		},
	}
	if len(a.roots) > 0 {
		one.Signer.RootFingerprint, one.Signer.PrivateRoot = sortedKeys(a.roots)[0], true
	}
	if !a.vouches(&one) {
		return nil
	}
	out := []verify.Finding{one}
	if contents == nil {
		return out
	}
	for i := range contents.Inner {
		if in := &contents.Inner[i]; in.Format.Executable() {
			one.Subject = in.Path
			out = append(out, one)
		}
	}
	return out
}

func (t *Retrial) supposeFeeds(f *Facts, way way) {
	if len(t.feeds) == 0 {
		return
	}
	f.Reputation.Feeds = maps.Clone(f.Reputation.Feeds)
	f.Reputation.Listings = slices.Clone(f.Reputation.Listings)
	f.History.Peers, f.Fixes = slices.Clone(f.History.Peers), slices.Clone(f.Fixes)
	for _, feed := range t.feeds {
		good := way("feed " + feed.Name)
		f.Reputation.Feeds[feed.Name] = FeedState{Status: FeedOK, Success: f.Now, Date: f.Now, Entries: 1}
		switch sum := f.Update.SHA256.String(); {
		case feed.Seen && good:
			f.History.Peers = append(f.History.Peers, Sighting{Feed: feed.Name, At: f.Now.Add(-longAgo)})
		case (feed.Exploited || feed.Vulnerabilities) && good:
			f.Fixes = append(f.Fixes, Fix{ID: "supposed", Feed: feed.Name, Exploited: true})
		case feed.Good && good, feed.bad() && !good: // it names the update
			f.Reputation.Listings = append(f.Reputation.Listings, Listing{Feed: feed.Name, Kind: "sha256", Match: sum, Value: sum, Label: "supposed"})
		}
	}
}

// longAgo is the age, to be on the safe side of every min_age, of what is supposed to have been seen before.
const longAgo = 100 * 365 * 24 * time.Hour

// supposePast makes up what went before where that is not known: the very same, long ago; or nothing that could be told.
func (t *Retrial) supposePast(f *Facts, good bool) {
	if len(t.history) == 0 || !good {
		return
	}
	h := f.History
	if !h.Known {
		h = History{Known: true, FirstSeen: f.Now.Add(-longAgo)}
	}
	h.Past = maps.Clone(h.Past)
	if h.Past == nil {
		h.Past = map[string]Past{}
	}
	known := slices.DeleteFunc(slices.Clone(h.Editions), func(e Edition) bool { return contains(t.history, e.Channel) })
	for _, e := range t.policy.Editions(f.Request, f.Update, f.Report) {
		if !contains(t.history, e.Channel) {
			continue
		}
		known = append(known, e)
		h.Past[e.Channel] = Past{Product: e.Product, Releases: []PastRelease{{
			Name: f.Update.Name, Version: e.Version, System: e.System, SHA256: f.Update.SHA256, Publishers: e.Publishers, Proofs: e.Proofs,
			At: f.Now.Add(-longAgo),
		}}}
	}
	h.Editions = known
	f.History = h
}
