package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-project/sallyport/verify"
)

const feedsPolicy = `version: 1
feeds:
  bad: {file: feeds/bad.txt, max_stale: 3d}
  worse: {url: "https://feeds.example.org/worse.json", max_age: 30d, on_stale: use}
  known: {file: feeds/known.csv, good: true, max_stale: 12h}
deny:
- {name: never, listed: [worse], hosts: [strict.example], reason: by order}
channels:
- {name: v, hosts: [v.example, strict.example], require: [REQUIRE]}
`

// known is what is known of an update when all feeds are in force.
func knownFeeds(listings ...Listing) Reputation {
	ok := FeedState{Status: FeedOK, Entries: 1234}
	return Reputation{Feeds: map[string]FeedState{"bad": ok, "worse": ok, "known": ok}, Listings: listings}
}

func (r Reputation) with(feed string, s FeedState) Reputation {
	r.Feeds[feed] = s
	return r
}

func (r Reputation) but(why string) Reputation {
	r.Incomplete = append(r.Incomplete, why)
	return r
}

func TestListings(t *testing.T) {
	since := time.Date(2023, 3, 29, 10, 0, 0, 0, time.UTC)
	hash := Listing{Feed: "bad", Kind: "sha256", Value: "7986", Line: 3, Listed: since, Label: "SmoothOperator\x1b[31m"}
	inner := Listing{Feed: "bad", Kind: "sha256", Value: "7986", Path: "disk1.cab/ffmpeg.dll"}
	good := Listing{Feed: "known", Kind: "sha256", Value: "7986"}
	goodWeak := Listing{Feed: "known", Kind: "sha1", Value: "7986"}
	goodInner := Listing{Feed: "known", Kind: "sha256", Value: "7986", Path: "a"}
	unclear := Listing{Feed: "bad", Kind: "package", Value: "npm/left-pad", Match: "npm/left-pad@1.3.0", Unclear: true}
	stale := FeedState{Status: FeedStale, Success: now.Add(-73 * time.Hour), Date: now.Add(-31 * 24 * time.Hour), Entries: 5}
	never := FeedState{}
	limit := verify.Finding{Subject: "a.zip", Method: "unpack", Status: verify.Inconclusive, Code: "unpack/limit", Detail: "50,000 entries"}
	locked := verify.Finding{Subject: "a.zip", Method: "unpack", Status: verify.Inconclusive, Code: "unpack/not-looked-into"}
	for _, c := range []struct {
		name, require string
		rep           Reputation
		findings      []verify.Finding
		want          Action
		why           string
	}{
		{"on no list", "{not_listed: [bad, worse]}", knownFeeds(), nil, Allow, "not_listed bad, worse: nothing that is known of the file is on bad with 1,234 entries, nor on worse with 1,234 entries; 2 files were looked up inside"},
		{"the file", "{not_listed: [bad]}", knownFeeds(hash), nil, Quarantine, "not_listed bad: the file itself is on feed bad, line 3, since 2023-03-29: SmoothOperator"},
		{"what a list says is escaped", "{not_listed: [bad]}", knownFeeds(hash), nil, Quarantine, `(sha256 7986)`},
		{"something inside", "{not_listed: [bad]}", knownFeeds(inner), nil, Quarantine, "disk1.cab/ffmpeg.dll inside is on feed bad (sha256 7986)"},
		{"who signed", "{not_listed: [bad]}", knownFeeds(Listing{Feed: "bad", Kind: "cert-sha256", Value: "ab"}), nil, Quarantine, "a certificate that signed the file itself is on feed bad (cert-sha256 ab)"},
		{"who signed something inside", "{not_listed: [bad]}", knownFeeds(Listing{Feed: "bad", Kind: "cert-serial", Value: "ab", Path: "x.dll"}), nil, Quarantine, "a certificate that signed x.dll inside is on feed bad"},
		{"where it came from", "{not_listed: [bad]}", knownFeeds(Listing{Feed: "bad", Kind: "url", Value: "v.example/x", Match: "https://v.example/x?secret=1"}), nil, Quarantine, "the URL it came from, v.example/x, is on feed bad"},
		{"the host", "{not_listed: [bad]}", knownFeeds(Listing{Feed: "bad", Kind: "domain", Value: "example"}), nil, Quarantine, "the host it came from, example, is on feed bad"},
		{"the package", "{not_listed: [bad]}", knownFeeds(Listing{Feed: "bad", Kind: "package", Value: "npm/x", Match: "npm/x@1"}), nil, Quarantine, "the package that it is, npm/x@1, is on feed bad"},
		{"many", "{not_listed: [bad]}", knownFeeds(inner, inner, inner, inner, inner, inner), nil, Quarantine, "; and 2 more"},
		{"on a list that is not asked", "{not_listed: [worse]}", knownFeeds(hash), nil, Allow, ""},
		{"maybe", "{not_listed: [bad]}", knownFeeds(unclear), nil, Quarantine, "it could not be told whether this version is meant: the package that it is, npm/left-pad@1.3.0, is on feed bad"},
		{"not maybe", "{not: {not_listed: [bad]}}", knownFeeds(unclear), nil, Quarantine, "it could not be told"},
		{"maybe on one, surely on another", "{not_listed: [bad, worse]}", knownFeeds(unclear, Listing{Feed: "worse", Kind: "sha256", Value: "7986"}), nil, Quarantine, "the file itself is on feed worse"},
		{"stale", "{not_listed: [bad]}", knownFeeds().with("bad", stale), nil, Quarantine, "feed bad is stale: it was last known to be the present one on 2026-06-12 11:00 UTC, longer ago than 3d"},
		{"stale, and nothing is negated", "{not: {not_listed: [bad]}}", knownFeeds().with("bad", stale), nil, Quarantine, "stale"},
		{"stale, and used", "{not_listed: [worse]}", knownFeeds().with("worse", stale), nil, Allow, "worse with 5 entries, which is stale and used all the same"},
		{"stale, and listed", "{not_listed: [bad]}", knownFeeds(hash).with("bad", stale), nil, Quarantine, "the file itself is on feed bad"},
		{"never loaded", "{not_listed: [bad]}", knownFeeds().with("bad", never), nil, Quarantine, "feed bad was never loaded, so that it is not known what it says"},
		{"never loaded, whatever is used", "{not_listed: [worse]}", knownFeeds().with("worse", never), nil, Quarantine, "feed worse was never loaded"},
		{"nothing known", "{not_listed: [bad]}", Reputation{}, nil, Quarantine, "feed bad was never loaded"},
		{"not everything looked up", "{not_listed: [bad]}", knownFeeds().but("feed bad: input/output error"), nil, Quarantine, "not everything could be looked up: feed bad: input/output error"},
		{"an early end", "{not_listed: [bad]}", knownFeeds(), []verify.Finding{limit}, Quarantine, "what is inside could not all be looked up: a.zip: unpack/limit (50,000 entries)"},
		{"what is locked", "{not_listed: [bad]}", knownFeeds(), []verify.Finding{locked}, Allow, ""},
		{"known to be good", "{listed: [known]}", knownFeeds(good), nil, Allow, "listed known: the file itself is on feed known (sha256 7986)"},
		{"not known", "{listed: [known]}", knownFeeds(), nil, Quarantine, "listed known: the file itself is not on known"},
		{"not known, as asked", "{not: {listed: [known]}}", knownFeeds(), nil, Allow, ""},
		{"known by what can be forged", "{listed: [known]}", knownFeeds(goodWeak), nil, Quarantine, "is not on known"},
		{"only what is inside is known", "{listed: [known]}", knownFeeds(goodInner), nil, Quarantine, "is not on known"},
		{"listed as bad is not listed as good", "{listed: [known]}", knownFeeds(hash), nil, Quarantine, "is not on known"},
		{"known by a stale list", "{listed: [known]}", knownFeeds(good).with("known", stale), nil, Quarantine, "feed known is stale: it was last known to be the present one on 2026-06-12 11:00 UTC, longer ago than 12h"},
		{"known by none that was loaded", "{not: {listed: [known]}}", knownFeeds().with("known", FeedState{}), nil, Quarantine, "never loaded"},
		{"either", "{any: [{signed_by: [a]}, {listed: [known]}]}", knownFeeds(good), nil, Allow, "listed known"},
	} {
		p := mustParse(t, strings.Replace(feedsPolicy, "REQUIRE", c.require, 1)+"anchors: {a: {authenticode: {organization: A}}}\n")
		f := facts(t, "https://v.example/x.exe", c.findings...)
		f.Report.Contents = &verify.Contents{Containers: 1, Files: 2}
		f.Reputation = c.rep
		d := p.Decide(f)
		why := strings.Join(d.Reasons, "; ")
		if d.Action != c.want || !strings.Contains(why, c.why) || strings.Contains(why, "\x1b") || strings.Contains(why, "secret") {
			t.Errorf("%s: %s, want %s (%q): %s", c.name, d.Action, c.want, c.why, why)
		}
	}
}

func TestDenyRulesByFeeds(t *testing.T) {
	p := mustParse(t, strings.Replace(feedsPolicy, "REQUIRE", "", 1))
	hit := Listing{Feed: "worse", Kind: "sha256", Value: "7986", Path: "a.dll"}
	other, unclear := hit, hit
	other.Feed, unclear.Unclear = "bad", true
	for _, c := range []struct {
		name, url string
		rep       Reputation
		want      Action
		why       string
	}{
		{"listed", "https://strict.example/a", knownFeeds(hit), Block, "deny rule never: a.dll inside is on feed worse (sha256 7986): by order"},
		{"listed by what is stale", "https://strict.example/a", knownFeeds(hit).with("worse", FeedState{Status: FeedStale}), Block, "deny rule never"},
		{"listed elsewhere", "https://v.example/a", knownFeeds(hit), Allow, ""},
		{"listed by another", "https://strict.example/a", knownFeeds(other), Allow, ""},
		{"maybe listed", "https://strict.example/a", knownFeeds(unclear), Allow, ""},
		{"never loaded", "https://strict.example/a", knownFeeds().with("worse", FeedState{}), Allow, "deny rule never: it refuses nothing by feed worse, which was never loaded"},
		{"not looked up", "https://strict.example/a", knownFeeds().but("x"), Allow, "deny rule never: not everything could be looked up: x"},
	} {
		f := facts(t, c.url)
		f.Releases = []Release{{SHA256: f.Update.SHA256, Scope: "v", Record: "r"}}
		f.Reputation = c.rep
		d := p.Decide(f)
		if why := strings.Join(d.Reasons, "; "); d.Action != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: %s, want %s (%q): %s", c.name, d.Action, c.want, c.why, why)
		}
	}
}

func TestRequirementsByRole(t *testing.T) {
	for require, want := range map[string]Action{"{not_listed: [bad]}": Quarantine, "{listed: [known]}": Allow} {
		p := mustParse(t, strings.Replace(feedsPolicy, "REQUIRE", require, 1))
		f := facts(t, "https://v.example/index")
		f.Update.Role = verify.Metadata
		f.Reputation = knownFeeds(Listing{Feed: "bad", Kind: "sha256"})
		if d := p.Decide(f); d.Action != want {
			t.Errorf("%s of metadata: %s, want %s: %q", require, d.Action, want, d.Reasons)
		}
	}
}

func TestPlansNameFeeds(t *testing.T) {
	for require, want := range map[string][]string{
		"":                                       {"worse"},
		"{not_listed: [worse, bad]}":             {"bad", "worse"},
		"{any: [{not: {listed: [known]}}]}":      {"known", "worse"},
		"{not_listed: [bad]}, {listed: [known]}": {"bad", "known", "worse"},
	} {
		p := mustParse(t, strings.Replace(feedsPolicy, "REQUIRE", require, 1))
		pl := p.Plan(facts(t, "https://v.example/x").Request)
		if !reflect.DeepEqual(pl.Feeds, want) || !pl.Contents {
			t.Errorf("%q: feeds %q, contents %v", require, pl.Feeds, pl.Contents)
		}
	}
	without := strings.Split(feedsPolicy, "deny:")
	p := mustParse(t, without[0]+"channels: [{name: v, hosts: [v.example], require: [{listed: [known]}]}]\n")
	if pl := p.Plan(facts(t, "https://v.example/x").Request); !reflect.DeepEqual(pl.Feeds, []string{"known"}) || pl.Contents {
		t.Errorf("feeds %q, contents %v", pl.Feeds, pl.Contents)
	}
	if pl := p.Plan(facts(t, "https://elsewhere.example/x").Request); len(pl.Feeds) > 0 {
		t.Errorf("feeds %q where nothing asks for any", pl.Feeds)
	}
}

func TestFeedsAreReadAsTheyAreWritten(t *testing.T) {
	p := mustParse(t, `version: 1
feeds:
  a: {url: "https://x.example/a.csv", format: csv, column: 2, values: file, refresh: 5m, timeout: 10s, sha256_url: a.sha256, max_size: 1MiB, max_entries: 10, max_unreadable: 0, max_shrink: 0.25, allow_empty: true, max_stale: 1d, max_age: 2w, on_stale: use}
  b: {file: ../b.txt, good: true, sha256: `+sum(1).String()+`, max_shrink: 0}
`)
	want := []Feed{
		{Name: "a", Line: 3, Position: 3, URL: "https://x.example/a.csv", Format: "csv", Column: "2", Values: "file", Refresh: 5 * time.Minute, Timeout: 10 * time.Second,
			SHA256URL: "a.sha256", MaxSize: 1 << 20, MaxEntries: 10, MaxUnreadable: -1, MaxShrink: .25, AllowEmpty: true, MaxStale: 24 * time.Hour, MaxAge: 14 * 24 * time.Hour, UseStale: true},
		{Name: "b", Line: 4, Position: 3, File: "../b.txt", Good: true, SHA256: sum(1), MaxShrink: 1e-9},
	}
	if got := p.Feeds(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// More knowledge of what is bad never lets through what was refused.
func TestMoreListingsNeverAllowMore(t *testing.T) {
	require := rapid.SampledFrom([]string{
		"{not_listed: [bad]}", "{not_listed: [bad, worse]}", "{any: [{not_listed: [bad]}, {not_listed: [worse]}]}", "{all: [{not_listed: [bad]}, {not_listed: [worse]}]}",
		"{any: [{listed: [known]}, {not_listed: [bad]}]}", "{not_listed: {feeds: [bad], inside: false}}",
	})
	listings := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Listing {
		return Listing{
			Feed: rapid.SampledFrom([]string{"bad", "worse"}).Draw(t, "feed"), Kind: rapid.SampledFrom(listedKinds).Draw(t, "kind"),
			Path: rapid.SampledFrom([]string{"", "a"}).Draw(t, "path"), Unclear: rapid.Bool().Draw(t, "unclear"),
		}
	}), 0, 3)
	rapid.Check(t, func(rt *rapid.T) {
		p := mustParse(t, strings.Replace(feedsPolicy, "REQUIRE", require.Draw(rt, "require"), 1))
		f := facts(t, rapid.SampledFrom([]string{"https://v.example/x", "https://strict.example/x"}).Draw(rt, "url"))
		f.Report.Contents = &verify.Contents{}
		f.Reputation = knownFeeds(listings.Draw(rt, "listings")...)
		for _, feed := range []string{"bad", "worse", "known"} {
			f.Reputation.Feeds[feed] = FeedState{Status: FeedStatus(rapid.IntRange(0, 2).Draw(rt, feed))}
		}
		before := p.Decide(f)
		f.Reputation.Listings = append(f.Reputation.Listings, listings.Draw(rt, "more")...)
		if after := p.Decide(f); after.Action > before.Action {
			rt.Fatalf("%s became %s: %q", before.Action, after.Action, after.Reasons)
		}
	})
}

func BenchmarkDecideWithFeeds(b *testing.B) {
	p := mustParse(b, strings.Replace(feedsPolicy, "REQUIRE", "{not_listed: [bad, worse]}", 1))
	f := facts(b, "https://strict.example/x")
	f.Report.Contents = &verify.Contents{Files: 5000}
	f.Reputation = knownFeeds()
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(f)
	}
}
