package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

const lookupsPolicy = `version: 1
feeds:
  bad: {file: feeds/bad.txt}
lookups:
  vt: {virustotal: {key_file: secrets/vt.key, at_least: 3}, budget: [4/minute, 500/day], timeout: 2s}
  desk: {json: {url: "https://rep.example.com/{sha256}", pointer: /v, at_least: 70}, inside: true, unknown: inconclusive}
  nsrl: {hashlookup: {}, good: true}
deny:
- {name: never, listed: [vt], hosts: [strict.example]}
channels:
- {name: v, hosts: [v.example], require: [REQUIRE]}
- {name: s, hosts: [strict.example], require: []}
`

func TestLookups(t *testing.T) {
	ok, failed := FeedState{Status: FeedOK, Entries: 1}, FeedState{Reason: "it did not answer within 2s"}
	all := map[string]FeedState{"vt": ok, "desk": ok, "nsrl": ok, "bad": ok}
	with := func(name string, s FeedState) map[string]FeedState {
		out := map[string]FeedState{}
		for k, v := range all {
			out[k] = v
		}
		out[name] = s
		return out
	}
	named := Listing{Feed: "vt", Kind: "sha256", Value: "7986", Label: "7 of 62 engines call it malicious"}
	good := Listing{Feed: "nsrl", Kind: "sha256", Value: "7986"}
	for _, c := range []struct {
		name, require string
		rep           Reputation
		want          Action
		why           string
	}{
		{"nothing is said", "{not_listed: [vt]}", Reputation{Feeds: all}, Allow, "not_listed vt: nothing that is known of the file is on look-up vt"},
		{"not asked about everything", "{not_listed: [desk]}", Reputation{Feeds: with("desk", FeedState{Status: FeedOK, Partial: "it was not asked about 2 of the executables inside (max_files)"})}, Quarantine, "not_listed desk: look-up desk: it was not asked about 2 of the executables inside (max_files)"},
		{"not asked about everything, but another was", "{not_listed: [vt]}", Reputation{Feeds: with("desk", FeedState{Status: FeedOK, Partial: "it was not asked"})}, Allow, ""},
		{"named", "{not_listed: [vt]}", Reputation{Feeds: all, Listings: []Listing{named}}, Quarantine, "the file itself is on feed vt: 7 of 62 engines call it malicious"},
		{"no answer", "{not_listed: [vt]}", Reputation{Feeds: with("vt", failed)}, Quarantine, "look-up vt gave no answer: it did not answer within 2s"},
		{"nobody asked", "{not_listed: [vt]}", Reputation{}, Quarantine, "look-up vt was not made"},
		{"no answer, negated", "{not: {not_listed: [vt]}}", Reputation{Feeds: with("vt", failed)}, Quarantine, "gave no answer"},
		{"a feed besides", "{not_listed: [bad, vt]}", Reputation{Feeds: with("bad", FeedState{})}, Quarantine, "feed bad was never loaded"},
		{"known to be good", "{listed: [nsrl]}", Reputation{Feeds: all, Listings: []Listing{good}}, Allow, ""},
		{"not known to be good", "{listed: [nsrl]}", Reputation{Feeds: all}, Quarantine, "the file itself is not on nsrl"},
		{"good once, but no answer now", "{listed: [nsrl]}", Reputation{Feeds: with("nsrl", failed), Listings: []Listing{good}}, Quarantine, "gave no answer"},
	} {
		p := mustParse(t, strings.Replace(lookupsPolicy, "REQUIRE", c.require, 1))
		f := facts(t, "https://v.example/x.exe")
		f.Reputation = c.rep
		f.Report.Contents = &verify.Contents{}
		d := p.Decide(f)
		if d.Action != c.want || !strings.Contains(strings.Join(d.Reasons, "; "), c.why) {
			t.Errorf("%s: %s %q\nwant %s %q", c.name, d.Action, d.Reasons, c.want, c.why)
		}
	}
}

func TestLookupsInPlan(t *testing.T) {
	for require, want := range map[string]Plan{
		"{not_listed: [vt]}":                        {Lookups: []string{"vt"}},
		"{not_listed: [bad, vt, desk]}":             {Lookups: []string{"desk", "vt"}, Feeds: []string{"bad"}, Contents: true},
		"{not_listed: {feeds: [vt], inside: true}}": {Lookups: []string{"vt"}},
		"{not_listed: [desk]}":                      {Lookups: []string{"desk"}, Contents: true},
		"{any: [{not: {listed: [nsrl]}}]}":          {Lookups: []string{"nsrl"}},
	} {
		p := mustParse(t, strings.Replace(strings.Replace(lookupsPolicy, "REQUIRE", require, 1), "listed: [vt], ", "", 1))
		pl := p.Plan(facts(t, "https://v.example/x.exe").Request)
		if !reflect.DeepEqual(pl.Lookups, want.Lookups) || !reflect.DeepEqual(pl.Feeds, want.Feeds) || pl.Contents != want.Contents {
			t.Errorf("%s: look-ups %q, feeds %q, contents %v", require, pl.Lookups, pl.Feeds, pl.Contents)
		}
	}
	p := mustParse(t, strings.Replace(lookupsPolicy, "REQUIRE", "{not_listed: [bad]}", 1))
	f := facts(t, "https://strict.example/x.exe")
	if pl := p.Plan(f.Request); !reflect.DeepEqual(pl.Lookups, []string{"vt"}) || pl.Contents {
		t.Errorf("a deny rule: look-ups %q, contents %v", pl.Lookups, pl.Contents)
	}
	f.Reputation = Reputation{Feeds: map[string]FeedState{"vt": {Reason: "it answers 500"}}}
	if d := p.Decide(f); d.Action != Allow || !strings.Contains(strings.Join(d.Reasons, "; "), "it refuses nothing: look-up vt gave no answer: it answers 500") {
		t.Errorf("a deny rule without an answer: %s %q", d.Action, d.Reasons)
	}
}

func TestLookupDefinitions(t *testing.T) {
	p := mustParse(t, strings.Replace(lookupsPolicy, "REQUIRE", "{not_listed: [vt, desk]}", 1))
	got := p.Lookups()
	want := []Lookup{
		{Name: "vt", Line: 5, Position: 3, Service: "virustotal", Key: "0123abcd", AtLeast: 3, Timeout: 2 * time.Second, Budget: []Rate{{4, time.Minute}, {500, 24 * time.Hour}}},
		{Name: "desk", Line: 6, Position: 3, Service: "json", URL: "https://rep.example.com/{sha256}", Answer: JSONAnswer{Pointer: "/v", AtLeast: 70}, Inside: true, Unclear: true},
		{Name: "nsrl", Line: 7, Position: 3, Service: "hashlookup", MinTrust: 50, Good: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if len(p.Feeds()) != 1 {
		t.Errorf("a look-up passes for a feed: %+v", p.Feeds())
	}
	for _, line := range p.Explain(facts(t, "https://v.example/x.exe").Request) {
		if strings.Contains(line, "0123abcd") {
			t.Errorf("a secret is explained: %s", line)
		}
	}
}
