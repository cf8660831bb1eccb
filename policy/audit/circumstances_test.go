package audit

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func circumstancesPolicy(t testing.TB) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.yaml", nil, []byte(`version: 1
clients: {lab: [10.0.0.0/8]}
anchors: {acme: {authenticode: {organization: Acme}}, key: {minisign: {key: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"}}}
feeds: {bad: {url: "https://feeds.example.com/bad.txt"}}
channels:
- {name: app, hosts: [dl.example.com], clients: [lab], require: [{signed_by: [acme, key]}, {not_listed: [bad]}, {contents: {signed_by: [acme]}}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func circumstancesFacts(now time.Time) policy.Facts {
	u, _ := url.Parse("https://dl.example.com/app-1.2.msi?token=secret")
	return policy.Facts{
		Now: now, Request: policy.Request{Method: "GET", URL: u, Client: policy.Client{Addr: netip.MustParseAddr("10.1.2.3"), User: "alice"}, Carried: []policy.Carried{{Scope: "app"}}},
		Update: policy.Update{Name: "app-1.2.msi", Format: "msi", Size: 7, SHA256: verify.Digest{1}},
		Report: aReport("app"),
		History: policy.History{Known: true, FirstSeen: now.Add(-time.Hour), Editions: []policy.Edition{{Channel: "app", Product: "App", Version: "1.2", System: "msi", Publishers: []string{"organization: Acme"}, Proofs: []string{"signed"}}},
			Past:   map[string]policy.Past{"app": {Product: "App", Releases: []policy.PastRelease{{Name: "app-1.1.msi", Version: "1.1", System: "msi", SHA256: verify.Digest{3}, At: now.Add(-48 * time.Hour), Record: "R"}}, Proofs: map[string]policy.FirstProof{"signed": {At: now, Record: "R"}}}},
			Claims: []policy.Claim{{Source: "Last-Modified", At: now}}, Views: []policy.View{{Same: "url", SHA256: verify.Digest{4}, First: now, Last: now, Record: "V"}}},
		Reputation: policy.Reputation{Feeds: map[string]policy.FeedState{"bad": {Status: policy.FeedOK, Success: now, Entries: 5}},
			Listings: []policy.Listing{{Feed: "bad", Kind: "url", Match: "https://dl.example.com/app-1.2.msi?token=secret", Value: "dl.example.com/", Line: 4}}},
		Scans:   map[string]policy.Scan{"clamd": {Status: policy.ScanClean, File: policy.ScanClean, Files: 3, At: now}},
		Recalls: []policy.Recall{{Record: "X", SHA256: verify.Digest{1}, Reason: "bad", By: "alice", At: now}},
		Fixes:   []policy.Fix{{ID: "CVE-2026-1", Feed: "kev", Package: "app", From: "1.1", Exploited: true}},
	}
}

// What a decision was made by comes back from the log, so that the same policy decides the same again.
func TestFactsComeBackFromTheLog(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := circumstancesPolicy(t)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	want := circumstancesFacts(now)
	d := p.Decide(want)
	_, err = l.Append(Record{
		Kind: KindDecision, Time: now, Channel: d.Channel, Decision: DecisionFrom(d), Editions: want.History.Editions, Facts: CircumstancesOf(p, want),
		Client: &Client{Addr: "10.1.2.3", User: "alice"}, Request: &Request{Method: "GET", URL: want.Request.URL.String()},
		Artifact: &Artifact{Name: want.Update.Name, Format: "msi", Role: "payload", Size: 7, SHA256: want.Update.SHA256},
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := List(t.Context(), dir, Filter{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if line, _ := json.Marshal(list[0].Facts); strings.Contains(string(line), "secret") || strings.Contains(string(line), "app-1.2.msi?") {
		t.Errorf("what is personal stands among the circumstances: %s", line)
	}
	got := FactsOf(list[0], want.Report)
	if lost := Lost(list[0], p); lost != nil {
		t.Errorf("lost: %v", lost)
	}
	again := p.Decide(got)
	if again.Action != d.Action || again.Rule != d.Rule {
		t.Errorf("decided %s by %s, then %s by %s", d.Action, d.Rule, again.Action, again.Rule)
	}
	want.Request.URL = got.Request.URL // its query is redacted
	want.Reputation.Listings[0].Match = ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	asked := list[0].Facts.Asked
	if !asked.Inside || !asked.Beside || asked.Anchors["key"] == "" || asked.Anchors["acme"] != "" || asked.Feeds["bad"] == "" {
		t.Errorf("it was asked for %+v", asked)
	}
}

func TestCircumstancesAreBounded(t *testing.T) {
	p := circumstancesPolicy(t)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	hostile := strings.Repeat("\x1b[31m\xff\u202e", 10_000)
	tests := []struct {
		name  string
		spoil func(*policy.Facts)
		look  func(*testing.T, *Circumstances)
	}{
		{"text that is no text", func(f *policy.Facts) {
			f.History.Editions[0].Product, f.Recalls[0].Reason, f.Fixes[0].Package = hostile, hostile, hostile
			f.Reputation.Listings = []policy.Listing{{Feed: "bad", Kind: "sha256", Path: hostile, Label: hostile}}
			f.Scans["clamd"] = policy.Scan{Status: policy.ScanFound, Hits: []policy.ScanHit{{Path: hostile, Name: hostile}}, Reason: hostile, Engine: hostile}
			f.Changes = []policy.Changes{{Channel: "app", Files: policy.ChangedFiles{Added: []policy.ChangedFile{{Path: "a\x1b"}}}}}
		}, func(t *testing.T, c *Circumstances) {
			line, _ := json.Marshal(c)
			if strings.ContainsAny(string(line), "\x1b\u202e\ufffd") || strings.Contains(string(line), `\u001b`) || strings.Contains(string(line), `\ufffd`) {
				t.Errorf("it is not printable: %.2000s", line)
			}
		}},
		{"many entries of feeds", func(f *policy.Facts) {
			f.Reputation.Listings = slices.Repeat([]policy.Listing{{Feed: "bad", Kind: "sha256"}}, 10_000)
		}, func(t *testing.T, c *Circumstances) {
			if len(c.Reputation.Listings) != maxListings || len(c.Reputation.Incomplete) != 1 || !strings.Contains(c.Reputation.Incomplete[0], "9936 more") {
				t.Errorf("%d listings, %q", len(c.Reputation.Listings), c.Reputation.Incomplete)
			}
		}},
		{"many releases before", func(f *policy.Facts) {
			past := f.History.Past["app"]
			past.Releases = nil
			for i := range 64 { // the latest first; the highest version is the oldest but ten
				past.Releases = append(past.Releases, policy.PastRelease{Version: fmt.Sprintf("%d.0", 1+(i*37)%64), System: "npm", At: now.Add(-time.Duration(i) * time.Hour)})
			}
			past.Releases[53].Version = "99.0.0"
			past.Releases[54].Version, past.Releases[54].ByHand = "100.0.0", true
			f.History.Past["app"] = past
		}, func(t *testing.T, c *Circumstances) {
			past := c.History.Past["app"]
			if len(past.Releases) != maxPastReleases || past.LeftOut != 64-maxPastReleases {
				t.Fatalf("%d releases, %d left out", len(past.Releases), past.LeftOut)
			}
			if !slices.ContainsFunc(past.Releases, func(r policy.PastRelease) bool { return r.Version == "99.0.0" }) {
				t.Error("the highest version that the policy let through is left out")
			}
			if !past.Releases[0].At.Equal(now) || !slices.IsSortedFunc(past.Releases, func(a, b policy.PastRelease) int { return b.At.Compare(a.At) }) {
				t.Error("the latest is not the first")
			}
		}},
		{"too many channels", func(f *policy.Facts) {
			f.History.Past = map[string]policy.Past{}
			for i := range 1000 {
				f.History.Past[fmt.Sprint(i)] = policy.Past{}
			}
		}, func(t *testing.T, c *Circumstances) {
			if c.History != nil || len(c.LeftOut) != 1 {
				t.Errorf("%+v, left out %q", c.History, c.LeftOut)
			}
		}},
		{"changes without end", func(f *policy.Facts) {
			f.Changes = []policy.Changes{{Channel: "app", Files: policy.ChangedFiles{Added: slices.Repeat([]policy.ChangedFile{{Path: "x.dll"}}, 100_000)}, Counts: policy.ChangedCounts{Added: 100_000}}}
		}, func(t *testing.T, c *Circumstances) {
			if ch := c.Changes[0]; len(ch.Files.Added) != 0 || ch.LeftOut != 100_000 || ch.Counts.Added != 100_000 {
				t.Errorf("%d files, %d left out", len(ch.Files.Added), ch.LeftOut)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := circumstancesFacts(now)
			tt.spoil(&f)
			c := CircumstancesOf(p, f)
			tt.look(t, c)
			if line, _ := json.Marshal(c); len(line) > 256<<10 {
				t.Errorf("it has %d bytes", len(line))
			}
			if !reflect.DeepEqual(boundedCircumstances(c), c) {
				t.Error("bounding it once more changes it")
			}
		})
	}
}

// A record that is too large loses its circumstances, and then says so: nobody takes them for empty.
func TestRecordsThatAreTooLargeSayWhatIsGone(t *testing.T) {
	p := circumstancesPolicy(t)
	f := circumstancesFacts(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
	r := Record{Kind: KindDecision, Request: &Request{URL: f.Request.URL.String()}, Facts: shrunkCircumstances(CircumstancesOf(p, f))}
	if lost := Lost(r, p); len(lost) != 1 || !strings.Contains(lost[0], "too much for a record") {
		t.Errorf("lost: %q", lost)
	}
	got := FactsOf(r, f.Report)
	if got.History.Known || len(got.Reputation.Feeds) != 0 || len(got.Recalls) != 1 {
		t.Errorf("it passes for known: %+v", got)
	}
}
