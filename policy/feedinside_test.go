package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// What inside: false saves is opening the update; what is known all the same counts.
func TestFeedsWithoutOpening(t *testing.T) {
	own := Listing{Feed: "bad", Kind: "sha256", Value: "7986"}
	inner := Listing{Feed: "bad", Kind: "sha256", Value: "7986", Path: "x.cab/a.dll"}
	stale := FeedState{Status: FeedStale, Success: now.Add(-73 * time.Hour)}
	limit := verify.Finding{Subject: "a.zip", Method: "unpack", Status: verify.Inconclusive, Code: "unpack/limit"}
	opened := &verify.Contents{Files: 3}
	for _, c := range []struct {
		name, require string
		rep           Reputation
		contents      *verify.Contents
		findings      []verify.Finding
		want          Action
		why           string
	}{
		{"not opened", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds(), nil, nil, Allow, "is on bad with 1,234 entries; what may be inside was not looked up"},
		{"opened for another reason", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds(), opened, nil, Allow, "3 files were looked up inside"},
		{"opened in part for another reason", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds(), opened, []verify.Finding{limit}, Allow, ""},
		{"not opened although asked", "{not_listed: {feeds: [bad], inside: true}}", knownFeeds(), nil, nil, Quarantine, "the file was not looked into"},
		{"opened as asked", "{not_listed: {feeds: [bad], inside: true}}", knownFeeds(), opened, nil, Allow, "3 files were looked up inside"},
		{"not opened although not said otherwise", "{not_listed: {feeds: [bad]}}", knownFeeds(), nil, nil, Quarantine, "the file was not looked into"},
		{"the file", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds(own), nil, nil, Quarantine, "the file itself is on feed bad"},
		{"who signed", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds(Listing{Feed: "bad", Kind: "cert-sha256", Value: "ab"}), nil, nil, Quarantine, "a certificate that signed the file itself is on feed bad"},
		{"where it came from", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds(Listing{Feed: "bad", Kind: "domain", Value: "example"}), nil, nil, Quarantine, "the host it came from, example, is on feed bad"},
		{"something inside that is known", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds(inner), opened, nil, Quarantine, "x.cab/a.dll inside is on feed bad"},
		{"never loaded", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds().with("bad", FeedState{}), nil, nil, Quarantine, "feed bad was never loaded"},
		{"stale", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds().with("bad", stale), nil, nil, Quarantine, "feed bad is stale"},
		{"not looked up", "{not_listed: {feeds: [bad], inside: false}}", knownFeeds().but("x"), nil, nil, Quarantine, "not everything could be looked up: x"},
		{"turned round", "{not: {not_listed: {feeds: [bad], inside: false}}}", knownFeeds(), nil, nil, Quarantine, ""},
	} {
		p := mustParse(t, strings.Replace(feedsPolicy, "REQUIRE", c.require, 1))
		f := facts(t, "https://v.example/a.exe")
		f.Report.Contents, f.Report.Findings, f.Reputation = c.contents, c.findings, c.rep
		d := p.Decide(f)
		if why := strings.Join(d.Reasons, "; "); d.Action != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: %s, want %s (%q): %s", c.name, d.Action, c.want, c.why, why)
		}
	}
}

// An update is opened if anything that is said of its channel, or any deny rule, wants it.
func TestWhichFeedsHaveUpdatesOpened(t *testing.T) {
	const head = "version: 1\nfeeds: {bad: {file: a.txt}, worse: {file: b.txt}}\nanchors: {v: {digest: {sha256: [SUM]}}}\n"
	const shallow, deep = "{not_listed: {feeds: [bad], inside: false}}", "{not_listed: [bad]}"
	for _, c := range []struct {
		deny, require string
		want          bool
	}{
		{"", shallow, false},
		{"", deep, true},
		{"", "{not_listed: {feeds: [bad], inside: true}}", true},
		{"", shallow + ", {not_listed: [worse]}", true},
		{"", "{any: [{not: " + shallow + "}, {all: [" + shallow + "]}]}", false},
		{"", "{any: [" + shallow + ", " + deep + "]}", true},
		{"{name: d, listed: [bad]}", "", true},
		{"{name: d, listed: {feeds: [bad]}}", "", true},
		{"{name: d, listed: {feeds: [bad], inside: false}}", "", false},
		{"{name: d, listed: {feeds: [bad], inside: false}}", shallow, false},
		{"{name: d, listed: {feeds: [bad], inside: false}}", deep, true},
		{"{name: d, listed: {feeds: [bad], inside: false}}, {name: e, listed: [worse]}", "", true},
		{"{name: d, listed: {feeds: [bad], inside: false}}, {name: e, signed_by: [v]}", "", true},
		{"{name: d, listed: {feeds: [bad], inside: false}, signed_by: [v]}", "", true},
	} {
		text := strings.Replace(head, "SUM", sum(1).String(), 1) + "deny: [" + c.deny + "]\nchannels: [{name: v, hosts: [v.example], require: [" + c.require + "]}]\n"
		p := mustParse(t, text)
		pl := p.Plan(facts(t, "https://v.example/x").Request)
		if pl.Contents != c.want || len(pl.Feeds) == 0 {
			t.Errorf("deny %s, require %s: opened %v, feeds %q", c.deny, c.require, pl.Contents, pl.Feeds)
		}
	}
}

func TestDenyByFeedsWithoutOpening(t *testing.T) {
	p := mustParse(t, `version: 1
feeds: {bad: {file: a.txt}}
deny: [{name: never, listed: {feeds: [bad], inside: false}}]
channels: [{name: v, hosts: [v.example], require: []}]
`)
	for _, c := range []struct {
		rep  Reputation
		want Action
		why  string
	}{
		{knownFeeds(), Allow, ""},
		{knownFeeds(Listing{Feed: "bad", Kind: "sha256"}), Block, "deny rule never: the file itself is on feed bad"},
		{knownFeeds(Listing{Feed: "bad", Kind: "sha256", Path: "a.dll"}), Block, "deny rule never: a.dll inside is on feed bad"},
		{knownFeeds().with("bad", FeedState{}), Allow, "it refuses nothing by feed bad, which was never loaded"},
	} {
		f := facts(t, "https://v.example/a.exe")
		f.Reputation = c.rep
		d := p.Decide(f)
		if why := strings.Join(d.Reasons, "; "); d.Action != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s, want %s (%q): %s", d.Action, c.want, c.why, why)
		}
	}
}

func TestFeedListsThatAreWrong(t *testing.T) {
	const text = `version: 1
feeds: {bad: {file: a.txt}, known: {file: b.txt, good: true}}
deny: [{name: d, listed: DENY}]
channels: [{name: v, hosts: [v.example], require: [{not_listed: REQUIRE}]}]
`
	for _, c := range []struct{ deny, require, want string }{
		{"[bad]", "{inside: false}", `policy.yaml:4:65: not_listed needs "feeds", and this has none`},
		{"{feeds: [], inside: false}", "[bad]", "policy.yaml:3:34: this list is empty"},
		{"[bad]", "{feeds: [bda], inside: false}", `there is no feed "bda"; did you mean "bad"?`},
		{"{feeds: [known], inside: false}", "[bad]", `feed "known" lists what is known to be good`},
		{"{feeds: [bad], insid: false}", "[bad]", `listed has no key "insid"; did you mean "inside"?`},
		{"{feeds: [bad], inside: no way}", "[bad]", "neither true nor false"},
		{"[bad]", "bad", "not_listed is a list or a mapping with feeds, inside"},
	} {
		_, err := Parse("policy.yaml", testFiles(), []byte(strings.NewReplacer("DENY", c.deny, "REQUIRE", c.require).Replace(text)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("deny %s, require %s: %v, want %s", c.deny, c.require, err, c.want)
		}
	}
}

func TestExplainSaysThatNothingIsOpened(t *testing.T) {
	p := mustParse(t, strings.Replace(feedsPolicy, "REQUIRE", "{not_listed: {feeds: [bad, worse], inside: false}}", 1))
	if got := strings.Join(p.Explain(facts(t, "https://v.example/x").Request), "\n"); !strings.Contains(got, "requires: on none of the feeds bad, worse, for which it is not opened\n") {
		t.Error(got)
	}
}

// YAML has several spellings of true. One that is taken for false would undo what it asks for.
func TestTruthIsSpelledInOneWay(t *testing.T) {
	const contents = "version: 1\nanchors: {v: {digest: {sha256: [SUM]}}}\nchannels: [{name: v, hosts: [v.example], require: [{contents: {signed_by: [v], strict: TRUTH}}]}]\n"
	const good = "version: 1\nfeeds: {f: {file: a.txt, good: TRUTH}}\n"
	for _, text := range []string{contents, good} {
		for spelling, ok := range map[string]bool{
			"true": true, "false": true, "True": false, "TRUE": false, "False": false, "FALSE": false, "yes": false, "on": false, `"true"`: false, "1": false, "": false, "~": false,
		} {
			_, err := Parse("p", testFiles(), []byte(strings.NewReplacer("TRUTH", spelling, "SUM", sum(1).String()).Replace(text)))
			if (err == nil) != ok {
				t.Errorf("%q: %v in\n%s", spelling, err, text)
			}
		}
	}
}
