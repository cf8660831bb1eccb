package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// historyPolicy has one channel, of which %[1]s is required; %[2]s are more keys of it.
const historyPolicy = `
version: 1
defaults: {hosts: inspect}
anchors:
  vendor: {authenticode: {organization: Vendor Ltd}}
feeds:
  bad: {file: bad.txt}
  good: {file: good.txt, good: true}
  osv: {file: osv.json, vulnerabilities: true}
  kev: {file: kev.json, exploited: true}
channels:
- {name: c, hosts: [v.example], require: [%[1]s]%[2]s}
`

// past is what was let through before: releases, the latest first.
type past struct {
	version, system string
	by              []string
	proofs          []string
	sum             verify.Digest
	byHand          bool
}

// remember puts releases into the history of an update, by the names that the policy has for it.
func remember(p *Policy, f *Facts, releases ...past) {
	f.History.Known = true
	f.History.Editions = p.Editions(f.Request, f.Update, f.Report)
	f.History.Past = map[string]Past{}
	for _, ed := range f.History.Editions {
		out := Past{Product: ed.Product, Proofs: map[string]FirstProof{}}
		for i, r := range releases {
			if r.system == "" {
				r.system = "name"
			}
			if r.sum.IsZero() {
				r.sum = sum(byte(100 + i))
			}
			out.Releases = append(out.Releases, PastRelease{Name: "app-" + r.version + ".msi", Version: r.version, System: r.system, SHA256: r.sum,
				Publishers: r.by, Proofs: r.proofs, At: now.AddDate(0, 0, -i-1), Record: fmt.Sprintf("rec%d", i), ByHand: r.byHand})
			for _, kind := range r.proofs {
				if !r.byHand {
					out.Proofs[kind] = FirstProof{At: now.AddDate(0, 0, -i-1), Record: fmt.Sprintf("rec%d", i)}
				}
			}
		}
		if len(releases) > 0 {
			f.History.Past[ed.Channel] = out
		}
	}
}

// stamped is a signature with a trusted time.
func stamped(organization string, at time.Time) verify.Finding {
	f := signedAs(organization)
	f.SignedAt = at
	return f
}

const day = 24 * time.Hour

func ago(d time.Duration) time.Time { return now.Add(-d) }

// historyCase is an update app-2.0.msi by Vendor Ltd, unless change says otherwise.
type historyCase struct {
	name, require, keys string
	change              func(*Facts)
	past                []past
	want                Action
	why                 string
	ripe                time.Time
}

func (c historyCase) decide(t *testing.T) Decision {
	t.Helper()
	p := mustParse(t, fmt.Sprintf(historyPolicy, c.require, c.keys))
	f := facts(t, "https://v.example/app-2.0.msi", signedAs("Vendor Ltd"))
	f.Update.Name = "app-2.0.msi"
	f.History.Known = true
	if c.change != nil {
		c.change(&f)
	}
	if known := f.History.Known; known {
		remember(p, &f, c.past...)
	}
	d := p.Decide(f)
	if again := p.Decide(f); again.Action != d.Action || !slices.Equal(again.Reasons, d.Reasons) || !again.Ripe.Equal(d.Ripe) {
		t.Errorf("the same facts are decided otherwise: %+v and %+v", d, again)
	}
	return d
}

func runHistory(t *testing.T, cases []historyCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := c.decide(t)
			if text := strings.Join(d.Reasons, "\n"); d.Action != c.want || !strings.Contains(text, c.why) {
				t.Errorf("%s by %s:\n%s\nwant %s with %q", d.Action, d.Rule, text, c.want, c.why)
			}
			if !d.Ripe.Equal(c.ripe) {
				t.Errorf("ripe %s, want %s", d.Ripe, c.ripe)
			}
		})
	}
}

func TestMinAge(t *testing.T) {
	seen := func(d time.Duration) func(*Facts) { return func(f *Facts) { f.History.FirstSeen = ago(d) } }
	signed := func(d time.Duration) func(*Facts) {
		return func(f *Facts) { f.Report.Findings = []verify.Finding{stamped("Vendor Ltd", ago(d))} }
	}
	both := func(fs ...func(*Facts)) func(*Facts) {
		return func(f *Facts) {
			for _, x := range fs {
				x(f)
			}
		}
	}
	unknown := func(f *Facts) { f.History.Known = false }
	claim := func(d time.Duration) func(*Facts) {
		return func(f *Facts) {
			f.History.Claims = append(f.History.Claims, Claim{Source: "Last-Modified", At: ago(d)})
		}
	}
	listed := func(feed string) func(*Facts) {
		return func(f *Facts) { f.Reputation.Listings = []Listing{{Feed: feed, Kind: "sha256", Unclear: true}} }
	}
	inner := invalid("unpack/broken")
	inner.Subject = "a.dll"
	odd := verify.Finding{Method: "anomaly", Status: verify.Untrusted, Code: "anomaly/foreign-neighbour"}
	finding := func(g verify.Finding) func(*Facts) {
		return func(f *Facts) { f.Report.Findings = append(f.Report.Findings, g) }
	}
	fix := func(exploited bool) func(*Facts) {
		return func(f *Facts) {
			f.Fixes = []Fix{{ID: "CVE-2026-1", Feed: "osv", Package: "app", From: "1.0", Exploited: exploited, By: "kev"}}
		}
	}
	metadata := func(f *Facts) { f.Update.Role = verify.Metadata }
	vendor := []past{{version: "1.0", by: []string{"Vendor Ltd"}}}
	runHistory(t, []historyCase{
		{"seen now", "{min_age: 14d}", "", nil, nil, Quarantine, "this gate first saw it on 2026-06-15 12:00 UTC, so it is held until 2026-06-29 12:00 UTC", now.Add(14 * day)},
		{"seen long ago", "{min_age: 14d}", "", seen(14 * day), nil, Allow, "the hold ended on 2026-06-15 12:00 UTC", time.Time{}},
		{"seen not long ago", "{min_age: 14d}", "", seen(14*day - time.Second), nil, Quarantine, "held until 2026-06-15 12:01 UTC", now.Add(time.Second)},
		{"first seen ahead of us is now", "{min_age: 14d}", "", seen(-time.Hour), nil, Quarantine, "held until 2026-06-29 12:00", now.Add(14 * day)},
		{"signed long ago", "{min_age: 14d}", "", signed(15 * day), nil, Allow, "a trusted time proves that it was signed (authenticode) on 2026-05-31", time.Time{}},
		{"signed ahead of us", "{min_age: 14d}", "", signed(-day), nil, Quarantine, "this gate first saw it", now.Add(14 * day)},
		{"the earlier clock counts", "{min_age: 14d}", "", both(signed(2*day), seen(3*day)), nil, Quarantine, "this gate first saw it on 2026-06-12", now.Add(11 * day)},
		{"a trusted time alone", "{min_age: {for: 14d, clock: trusted}}", "", seen(30 * day), nil, Quarantine, "no trusted time says when it was signed, and no other clock counts here", time.Time{}},
		{"a trusted time that there is", "{min_age: {for: 14d, clock: trusted}}", "", signed(10 * day), nil, Quarantine, "held until", now.Add(4 * day)},
		{"a peer", "{min_age: 14d}", "", func(f *Facts) { f.History.Peers = []Sighting{{"hq", ago(20 * day)}} }, nil, Allow, "the list hq has it as first seen on 2026-05-26", time.Time{}},
		{"a peer that knows no time", "{min_age: 14d}", "", func(f *Facts) { f.History.Peers = []Sighting{{"hq", time.Unix(0, 0)}} }, nil, Quarantine, "this gate first saw it on 2026-06-15", now.Add(14 * day)},
		{"a claim is no proof", "{min_age: 14d}", "", claim(100 * day), nil, Quarantine, "this gate first saw it", now.Add(14 * day)},
		{"a claim where it counts", "{min_age: {for: 14d, clock: claimed}}", "", claim(100 * day), nil, Allow, "Last-Modified claims 2026-03-07 12:00 UTC, which nobody vouches for", time.Time{}},
		{"the later of two claims", "{min_age: {for: 14d, clock: claimed}}", "", both(claim(100*day), claim(day)), nil, Quarantine, "held until", now.Add(13 * day)},
		{"a claim ahead of us", "{min_age: {for: 14d, clock: claimed}}", "", claim(-day), nil, Quarantine, "this gate first saw it", now.Add(14 * day)},
		{"a claim of a server without a clock", "{min_age: {for: 14d, clock: claimed}}", "", func(f *Facts) { f.History.Claims = []Claim{{"Last-Modified", time.Unix(0, 0)}} }, nil, Quarantine, "this gate first saw it", now.Add(14 * day)},

		{"no history", "{min_age: 14d}", "", unknown, nil, Quarantine, "the history of this gate is not known", time.Time{}},
		{"no history, and a trusted time that is no longer young", "{min_age: 14d}", "", both(unknown, signed(20*day)), nil, Quarantine, "cannot be told whether it has to wait", now.Add(8 * day)},
		{"no history, and a trusted time older than any hold", "{min_age: 14d}", "", both(unknown, signed(29*day)), nil, Allow, "", time.Time{}},

		{"somebody else signed", "{min_age: 14d}", "", seen(20 * day), []past{{version: "1.0", by: []string{"Other Ltd"}}}, Quarantine, "the hold is 28d since there is an adverse signal: somebody else signed it", now.Add(8 * day)},
		{"the same signed", "{min_age: 14d}", "", seen(20 * day), vendor, Allow, "", time.Time{}},
		{"a feed names it", "{min_age: 14d}", "", both(seen(20*day), listed("bad")), nil, Quarantine, "is on feed bad", now.Add(8 * day)},
		{"a feed of what is good names it", "{min_age: 14d}", "", both(seen(20*day), listed("good")), nil, Allow, "", time.Time{}},
		{"a feed that nobody knows names it", "{min_age: 14d}", "", both(seen(20*day), listed("else")), nil, Quarantine, "adverse signal", now.Add(8 * day)},
		{"something inside is wrong", "{min_age: 14d}", "", both(seen(20*day), finding(inner)), nil, Quarantine, "something stands out: a.dll", now.Add(8 * day)},
		{"something stands out", "{min_age: 14d}", "", both(seen(20*day), finding(odd)), nil, Quarantine, "something stands out", now.Add(8 * day)},
		{"a scanner found something", "{min_age: 14d}", "", both(seen(20*day), func(f *Facts) { f.Scans = map[string]Scan{"clam": {Status: ScanFound}} }), nil, Quarantine, "scanner clam found something", now.Add(8 * day)},
		{"another view", "{min_age: 14d}", "", both(seen(20*day), func(f *Facts) { f.History.Views = []View{{Same: "url+version", SHA256: sum(9)}} }), nil, Quarantine, "other bytes were given", now.Add(8 * day)},
		{"a hold of its own", "{min_age: {for: 14d, adverse: 20d}}", "", both(seen(20*day), finding(odd)), nil, Allow, "the hold is 20d", time.Time{}},
		{"what is wrong with the file defeats its trusted time", "{min_age: 14d}", "", both(signed(40*day), finding(invalid("authenticode/padding-data"))), nil, Quarantine, "this gate first saw it", now.Add(28 * day)},

		{"an urgent fix", "{min_age: {for: 14d, unless: fixes_known_exploited}}", "", fix(true), nil, Allow, "it need not wait, since it removes CVE-2026-1, which version 1.0 of app has by the list osv, and which is exploited by the list kev", time.Time{}},
		{"a fix that nobody exploits", "{min_age: {for: 14d, unless: fixes_known_exploited}}", "", fix(false), nil, Quarantine, "held until", now.Add(14 * day)},
		{"an urgent fix that nobody asked about", "{min_age: 14d}", "", fix(true), nil, Quarantine, "held until", now.Add(14 * day)},
		{"an urgent fix by somebody else", "{min_age: {for: 14d, unless: fixes_known_exploited}}", "", fix(true), []past{{version: "1.0", by: []string{"Other Ltd"}}}, Quarantine, "held until", now.Add(28 * day)},
		{"an urgent fix without history", "{min_age: {for: 14d, unless: fixes_known_exploited}}", "", both(fix(true), unknown), nil, Quarantine, "", time.Time{}},

		{"metadata", "{min_age: 14d}", "", metadata, nil, Allow, "asked of payloads only", time.Time{}},
		{"metadata that is a program", "{min_age: 14d}", "", both(metadata, func(f *Facts) { f.Update.Format = "pe" }), nil, Quarantine, "held until", now.Add(14 * day)},
	})
}

func TestFreeze(t *testing.T) {
	at := func(s string) string { return ", freeze: " + s }
	before := func(f *Facts) { f.History.FirstSeen = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }
	signed := func(f *Facts) {
		f.Report.Findings = []verify.Finding{stamped("Vendor Ltd", time.Date(2026, 5, 31, 0, 0, 0, 0, time.UTC))}
	}
	runHistory(t, []historyCase{
		{"seen before", "", at("2026-06-01T00:00Z"), before, nil, Allow, "freeze 2026-06-01 00:00 UTC: this gate first saw it", time.Time{}},
		{"seen later", "", at("2026-05-31"), before, nil, Quarantine, "which is later", time.Time{}},
		{"a day is meant to its end", "", at("2026-06-01"), func(f *Facts) { f.History.FirstSeen = time.Date(2026, 6, 1, 23, 59, 0, 0, time.UTC) }, nil, Allow, "", time.Time{}},
		{"signed before", "", at("2026-06-01"), signed, nil, Allow, "a trusted time proves", time.Time{}},
		{"signed before, without history", "", at("2026-06-01"), func(f *Facts) { signed(f); f.History.Known = false }, nil, Allow, "", time.Time{}},
		{"without history", "", at("2026-06-01"), func(f *Facts) { f.History.Known = false }, nil, Quarantine, "the history of this gate is not known", time.Time{}},
		{"a claim", "", at("2026-06-01"), func(f *Facts) { f.History.Claims = []Claim{{"Last-Modified", ago(100 * day)}} }, nil, Quarantine, "which is later", time.Time{}},
		{"a claim that counts", "", at("{at: 2026-06-01, clock: claimed}"), func(f *Facts) { f.History.Claims = []Claim{{"Last-Modified", ago(100 * day)}} }, nil, Allow, "which nobody vouches for", time.Time{}},
		{"a trusted time alone", "", at("{at: 2026-06-01, clock: trusted}"), before, nil, Quarantine, "no trusted time", time.Time{}},
		{"ahead of us", "", at("2027-01-01"), nil, nil, Allow, "", time.Time{}},
		{"time does not help", "{min_age: 14d}", at("2026-06-01"), nil, nil, Quarantine, "freeze", time.Time{}},
		{"metadata", "", at("2026-06-01"), func(f *Facts) { f.Update.Role = verify.Metadata }, nil, Allow, "asked of payloads only", time.Time{}},
	})
}

func TestFreezeOfTheDefaults(t *testing.T) {
	p := mustParse(t, `
version: 1
defaults: {hosts: inspect, unmatched: allow, unproven: block, freeze: 2026-06-01}
channels:
- {name: c, hosts: [c.example], require: []}
- {name: later, hosts: [later.example], require: [], freeze: 2026-06-20}
- {name: free, hosts: [free.example], require: [], freeze: none}
`)
	for host, want := range map[string]Action{"c.example": Block, "later.example": Allow, "free.example": Allow, "other.example": Block} {
		f := facts(t, "https://"+host+"/a.exe")
		f.History.Known = true
		if d := p.Decide(f); d.Action != want {
			t.Errorf("%s: %+v", host, d)
		}
		f.History.FirstSeen = ago(30 * day)
		if d := p.Decide(f); d.Action != Allow {
			t.Errorf("%s, seen before: %+v", host, d)
		}
	}
}
