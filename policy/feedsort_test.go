package policy

import (
	"strings"
	"testing"
	"time"
)

func TestSortsOfFeeds(t *testing.T) {
	for src, want := range map[string]string{
		"good: true, seen: true":             "a feed lists one kind of thing",
		"seen: true, exploited: true":        "a feed lists one kind of thing",
		"format: kev":                        "a catalogue of known exploited vulnerabilities names no files; say exploited: true",
		"exploited: true":                    `feed "f" lists which vulnerabilities are exploited; min_age looks into it by itself`,
		"vulnerabilities: true":              `feed "f" lists which versions are vulnerable; min_age looks into it by itself`,
		"seen: true":                         `feed "f" lists what other gates have seen; min_age looks into it by itself`,
		"good: true":                         `feed "f" lists what is known to be good; require ` + "`listed`",
		"format: osv, vulnerabilities: true": `feed "f" lists which versions are vulnerable`,
	} {
		_, err := Parse("p", nil, []byte("version: 1\nfeeds: {f: {file: f, "+src+"}}\nchannels: [{name: c, hosts: [v.example], require: [{not_listed: [f]}]}]\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", src, err, want)
		}
	}
}

// TestWhatPeersHaveSeen has a list of other gates date an update, and nothing else.
func TestWhatPeersHaveSeen(t *testing.T) {
	p := mustParse(t, `version: 1
feeds:
  peers: {file: peers.csv, seen: true}
  bad: {file: bad.txt}
channels: [{name: c, hosts: [v.example], require: [{min_age: 7d}]}]
`)
	sighting := func(feed, path, kind string, at time.Time) Listing {
		return Listing{Feed: feed, Path: path, Kind: kind, Value: "7986", Listed: at}
	}
	old, young := now.AddDate(0, 0, -8), now.AddDate(0, 0, -6)
	for _, c := range []struct {
		name string
		l    []Listing
		want Action
	}{
		{"nobody has seen it", nil, Quarantine},
		{"a peer has", []Listing{sighting("peers", "", "sha256", old)}, Allow},
		{"a peer has, not long ago", []Listing{sighting("peers", "", "sha256", young)}, Quarantine},
		{"a peer does not say since when", []Listing{sighting("peers", "", "sha256", time.Time{})}, Quarantine},
		{"a peer will have", []Listing{sighting("peers", "", "sha256", now.AddDate(0, 0, 8))}, Quarantine},
		{"a peer has seen something inside", []Listing{sighting("peers", "a.dll", "sha256", old)}, Quarantine},
		{"by a digest that somebody can forge", []Listing{sighting("peers", "", "sha1", old)}, Quarantine},
		{"a list of what is bad", []Listing{sighting("bad", "", "sha256", old)}, Quarantine},
	} {
		f := facts(t, "https://v.example/app-1.0.msi")
		f.History = History{Known: true}
		f.Reputation = Reputation{Feeds: map[string]FeedState{"peers": {Status: FeedOK}, "bad": {Status: FeedOK}}, Listings: c.l}
		if d := p.Decide(f); d.Action != c.want {
			t.Errorf("%s: %s, want %s: %q", c.name, d.Action, c.want, d.Reasons)
		}
	}
	if pl := p.Plan(facts(t, "https://v.example/app-1.0.msi").Request); !contains(pl.Feeds, "peers") {
		t.Errorf("the plan looks into %q", pl.Feeds)
	}
}
