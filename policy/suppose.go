package policy

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// suppose returns the facts with what they do not answer filled in: in favour of the update, or against it.
func (t *Retrial) suppose(good bool) Facts {
	f := t.facts
	f.Report.Contents = t.opened(good)
	f.Report.Findings = slices.Clone(f.Report.Findings)
	for _, a := range t.anchors {
		if good != contains(t.policy.denied, a.name) {
			f.Report.Findings = append(f.Report.Findings, a.supposed(f.Report.Contents)...)
		}
	}
	t.supposeFeeds(&f, good)
	if len(t.scanners) > 0 {
		f.Scans = maps.Clone(f.Scans)
		if f.Scans == nil {
			f.Scans = map[string]Scan{}
		}
		for _, name := range t.scanners {
			f.Scans[name] = Scan{Status: ScanFound, File: ScanFound, Inside: true, Hits: []ScanHit{{Name: "supposed"}}, At: f.Now}
			if good {
				f.Scans[name] = Scan{Status: ScanClean, File: ScanClean, Inside: true, Files: 1, At: f.Now}
			}
		}
	}
	t.supposePast(&f, good)
	if t.second {
		f.History.Second = SecondLook{Asked: true, SHA256: f.Update.SHA256}
		if !good {
			f.History.Second.SHA256 = sha256.Sum256(f.Update.SHA256[:])
		}
	}
	return f
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

func (t *Retrial) supposeFeeds(f *Facts, good bool) {
	if len(t.feeds) == 0 {
		return
	}
	f.Reputation.Feeds = maps.Clone(f.Reputation.Feeds)
	f.Reputation.Listings = slices.Clone(f.Reputation.Listings)
	f.History.Peers, f.Fixes = slices.Clone(f.History.Peers), slices.Clone(f.Fixes)
	for _, feed := range t.feeds {
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
