package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/internal/versions"
	"github.com/sallyport-project/sallyport/verify"
)

func TestOnInconclusive(t *testing.T) {
	timeout := verify.Finding{Method: "apt", Status: verify.Inconclusive, Code: "apt/timeout"}
	inner := invalid("authenticode/digest-mismatch")
	inner.Subject = "a.dll"
	found := func(findings ...verify.Finding) func(*Facts) {
		return func(f *Facts) { f.Report.Findings, f.History.Known = findings, false }
	}
	none := time.Time{}
	runHistory(t, []historyCase{
		{"cannot be told", "{signed_by: [vendor], on_inconclusive: allow}", "", found(timeout), nil, Allow, "which on_inconclusive lets pass", none},
		{"refuse is what holds without it", "{signed_by: [vendor], on_inconclusive: refuse}", "", found(timeout), nil, Quarantine, "could not be told", none},
		{"fails", "{signed_by: [vendor], on_inconclusive: allow}", "", found(signedAs("Other Ltd")), nil, Quarantine, "signed by \"Other Ltd\"", none},
		{"what is wrong with the file", "{signed_by: [vendor], on_inconclusive: allow}", "", found(signedAs("Vendor Ltd"), invalid("x/y")), nil, Quarantine, "defeats", none},
		{"what is wrong inside", "{contents: {signed_by: [vendor]}, on_inconclusive: allow}", "", func(f *Facts) {
			found(signedAs("Vendor Ltd"), inner)(f)
			f.Report.Contents = &verify.Contents{Files: 1, Executables: 1}
		}, nil, Quarantine, "something inside is wrong", none},
		{"history", "{same_publisher: true, on_inconclusive: allow}", "", found(signedAs("Vendor Ltd")), nil, Allow, "", none},
		{"within any", "{any: [{signed_by: [vendor]}, {no_downgrade: true, on_inconclusive: allow}]}", "", found(), nil, Allow, "", none},
		{"within not", "{not: {signed_by: [vendor], on_inconclusive: allow}}", "", found(timeout), nil, Quarantine, "", none},
		{"beside any", "{any: [{signed_by: [vendor]}, {one_view: true}], on_inconclusive: allow}", "", found(timeout), nil, Allow, "", none},
		{"beside an expression", "{if: \"history.requests > 1\", on_inconclusive: allow}", "", found(timeout), nil, Allow, "", none},
	})
}

func TestRecallsComeBeforeEverythingButDenyRules(t *testing.T) {
	p := mustParse(t, fmt.Sprintf(`
version: 1
defaults: {hosts: inspect, mode: observe, unmatched: allow}
deny: [{name: known, sha256: [%s]}]
exceptions: [{name: e, channel: c, sha256: [%s], reason: r, owner: o, expires: 2027-01-01}]
channels: [{name: c, hosts: [c.example], require: []}]
`, sum(2), sum(1)))
	for _, host := range []string{"c.example", "elsewhere.example"} {
		f := facts(t, "https://"+host+"/a.exe")
		f.Releases = []Release{{Record: "x", SHA256: sum(1), Scope: "c"}, {Record: "x", SHA256: sum(1)}}
		if d := p.Decide(f); d.Action != Allow {
			t.Fatalf("%s: %+v", host, d)
		}
		f.Recalls = []Recall{{Record: "rec7", SHA256: sum(1), Path: "a.dll", By: "feed bad", Reason: "a wolf\u202e", At: now}}
		d := p.Decide(f)
		if d.Action != Block || d.Observed || d.Rule != "recall rec7" || !strings.Contains(d.Reasons[0], "inside is a.dll, which was recalled on 2026-06-15 12:00 UTC by feed bad: a wolf") || strings.ContainsRune(d.Reasons[0], '\u202e') {
			t.Errorf("%s: %+v", host, d)
		}
		if d := p.Decide(Facts{Request: f.Request, Update: f.Update, Now: now, Recalls: []Recall{{}}}); d.Action != Block {
			t.Errorf("a recall of which nothing is known: %+v", d)
		}
		f.Update.SHA256 = sum(2)
		if d := p.Decide(f); d.Rule != "deny known" {
			t.Errorf("%s, denied: %+v", host, d)
		}
	}
}

// What an update lacks besides age is not cured by time; what is proven now may not be then.
func TestRipe(t *testing.T) {
	until := func(d time.Duration) func(*Facts) {
		return func(f *Facts) {
			g := signedAs("Vendor Ltd")
			g.NotAfter = now.Add(d)
			f.Report.Findings = []verify.Finding{g}
		}
	}
	none := time.Time{}
	runHistory(t, []historyCase{
		{"age alone", "{signed_by: [vendor]}, {min_age: 14d}", "", nil, nil, Quarantine, "", now.Add(14 * day)},
		{"two holds", "{min_age: 3d}, {min_age: 14d}", "", nil, nil, Quarantine, "", now.Add(14 * day)},
		{"the shorter of two", "{any: [{min_age: 3d}, {min_age: 14d}]}", "", nil, nil, Quarantine, "", now.Add(3 * day)},
		{"something else lacks, too", "{not: {signed_by: [vendor]}}, {min_age: 14d}", "", nil, nil, Quarantine, "", none},
		{"a signature that will have expired", "{signed_by: [vendor]}, {min_age: 14d}", "", until(13 * day), nil, Quarantine, "", none},
		{"a signature that will not", "{signed_by: [vendor]}, {min_age: 14d}", "", until(15 * day), nil, Quarantine, "", now.Add(14 * day)},
		{"an expression that will be false", "{if: \"now < timestamp('2026-06-20T00:00:00Z')\"}, {min_age: 14d}", "", nil, nil, Quarantine, "", none},
		{"a hold that must not be over", "{not: {min_age: 14d}}", "", func(f *Facts) { f.History.FirstSeen = ago(20 * day) }, nil, Quarantine, "", none},
		{"blocked as well", "{min_age: 14d}", ", unproven: block", nil, nil, Block, "", now.Add(14 * day)},
	})
	p := mustParse(t, fmt.Sprintf(historyPolicy, "{min_age: 14d}", ""))
	f := facts(t, "https://v.example/a.exe")
	remember(p, &f)
	d := p.Decide(f)
	f.History.FirstSeen, f.Now = now, d.Ripe
	if d = p.Decide(f); d.Action != Allow || !d.Ripe.IsZero() {
		t.Errorf("when ripe: %+v", d)
	}
	f.Now = f.Now.Add(-1)
	if d = p.Decide(f); d.Action == Allow {
		t.Errorf("a nanosecond before: %+v", d)
	}
}

// History that was looked up for another product, or not at all, proves nothing.
func TestHistoryOfSomethingElse(t *testing.T) {
	for _, require := range []string{"{no_downgrade: true}", "{same_publisher: true}", "{never_weaker: true}", "{min_age: 1s}", "{one_view: true}"} {
		p := mustParse(t, fmt.Sprintf(historyPolicy, require, ", product: App"))
		f := facts(t, "https://v.example/app-2.0.msi", signedAs("Vendor Ltd"))
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s without history: %+v", require, d)
		}
		if strings.Contains(require, "min_age") || strings.Contains(require, "one_view") {
			continue
		}
		f.History.Known = true
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s, not looked up: %+v", require, d)
		}
		f.History.Editions = []Edition{{Channel: "c", Product: "Other"}}
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s, of another product: %+v", require, d)
		}
		f.History.Editions = []Edition{{Channel: "d", Product: "App"}}
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s, of another channel: %+v", require, d)
		}
		f.History.Editions = []Edition{{Channel: "c", Product: "App"}}
		f.History.Past = map[string]Past{"c": {Product: "Other", Releases: []PastRelease{{Version: "1.0"}}}}
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s, with the past of another product: %+v", require, d)
		}
		f.History.Past = map[string]Past{"c": {Releases: []PastRelease{{Version: "9.0", Publishers: []string{"Other"}}}, Proofs: map[string]FirstProof{"x": {}}}}
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s, with the past of no product: %+v", require, d)
		}
	}
}

// Whoever serves an unsigned file chooses its product; a channel with a product of its own does not ask.
func TestChosenProductDoesNotEscape(t *testing.T) {
	for _, keys := range []string{", product: App", `, version: "app-{version}.msi"`} {
		p := mustParse(t, fmt.Sprintf(historyPolicy, "{same_publisher: true}", keys))
		first := facts(t, "https://v.example/app-1.0.msi", signedAs("Vendor Ltd"))
		first.Report.Product = "App"
		evil := facts(t, "https://v.example/app-2.0.msi", signedAs("Mallory"))
		evil.Report.Product, evil.Report.Version, evil.Report.System = "Something new", "0.1", "pe"
		remember(p, &evil, past{version: "1.0", by: []string{"Vendor Ltd"}})
		a, b := p.Editions(first.Request, first.Update, first.Report), p.Editions(evil.Request, evil.Update, evil.Report)
		if a[0].Product != b[0].Product {
			t.Errorf("%s: %q and %q", keys, a[0].Product, b[0].Product)
		}
		if d := p.Decide(evil); d.Action == Allow {
			t.Errorf("%s: %+v", keys, d)
		}
	}
}

// A redirect brings the channel that it comes from along; each has a history of its own, and both have to agree.
func TestTwoChannelsHaveTwoHistories(t *testing.T) {
	p := mustParse(t, `
version: 1
defaults: {hosts: inspect}
channels:
- {name: a, hosts: [a.example], require: [{no_downgrade: true}]}
- {name: b, hosts: [b.example], require: [{no_downgrade: true}]}
`)
	f := facts(t, "https://b.example/app-2.0.msi")
	f.Request.Carried = []Carried{{Scope: "a"}}
	remember(p, &f, past{version: "1.0"})
	if d := p.Decide(f); d.Action != Allow {
		t.Fatalf("%+v", d)
	}
	newer := f.History.Past["a"]
	newer.Releases = []PastRelease{{Version: "3.0", System: "name", SHA256: sum(5)}}
	f.History.Past["a"] = newer
	if d := p.Decide(f); d.Action != Quarantine || d.Rule != "channel a" {
		t.Errorf("%+v", d)
	}
}

func TestHistoryInExpressions(t *testing.T) {
	seen := func(f *Facts) {
		f.History.FirstSeen, f.History.Requests, f.History.Allowed = ago(20*day), 3, 1
		f.History.Claims = []Claim{{"Last-Modified", ago(30 * day)}}
		f.History.Views = []View{{Same: "url", SHA256: sum(9)}, {Same: "url", SHA256: sum(1)}}
	}
	before := []past{{version: "1.9", by: []string{"Vendor Ltd"}, proofs: []string{"signed"}, byHand: true}}
	unknown := func(f *Facts) { f.History.Known = false }
	none := time.Time{}
	expression := func(s string) string { return `{if: "` + s + `"}` }
	runHistory(t, []historyCase{
		{"age", expression("now - history.first_seen >= days(14)"), "", seen, nil, Allow, "history.first_seen is 2026-05-26 12:00:00 UTC", none},
		{"first seen now", expression("now - history.first_seen >= days(14)"), "", nil, nil, Quarantine, "is false", none},
		{"without history", expression("now - history.first_seen >= days(14)"), "", unknown, nil, Quarantine, "cannot be told: the history of this gate is not known", none},
		{"whether there is one", expression("!history.known"), "", unknown, nil, Allow, "", none},
		{"a claim", expression("history.claimed < history.first_seen"), "", seen, nil, Allow, "", none},
		{"no claim", expression("history.claimed < history.first_seen"), "", nil, nil, Quarantine, "nobody says when the update was published", none},
		{"counts", expression("history.requests == 3 && history.allowed == 1 && history.other_views == 1"), "", seen, nil, Allow, "", none},
		{"the last release", expression("past.releases == 1 && past.version == '1.9' && past.by_hand && 'Vendor Ltd' in past.publishers && 'signed' in past.proofs && now - past.at < days(2)"), "", nil, before, Allow, `past.version is "1.9"`, none},
		{"no release", expression("past.version == '1.9'"), "", nil, nil, Quarantine, "no release was let through before", none},
		{"whether there is a release", expression("past.releases == 0 && !has(past.version)"), "", nil, nil, Allow, "", none},
		{"newer", expression("newer_than(past.version)"), "", nil, before, Allow, "newer_than('1.9') is true", none},
		{"not newer", expression("newer_than('2.0')"), "", nil, nil, Quarantine, "newer_than('2.0') is false", none},
		{"a version that does not compare", expression("newer_than('latest')"), "", nil, nil, Quarantine, "version 2.0 cannot be compared with latest", none},
		{"no version", expression("!newer_than('1.0')"), "", func(f *Facts) { f.Request.URL.Path, f.Update.Name = "/latest.msi", "latest.msi" }, nil, Quarantine, "it cannot be told which version", none},
	})
}

func TestPlansForHistory(t *testing.T) {
	p := mustParse(t, `
version: 1
defaults: {hosts: inspect, freeze: 2026-01-01}
feeds: {bad: {file: bad.txt}, good: {file: good.txt, good: true}}
channels:
- {name: a, hosts: [a.example], require: [{any: [{one_view: {second_look: true}}, {min_age: 14d, on_inconclusive: allow}]}]}
- {name: b, hosts: [b.example], freeze: none, require: [{one_view: true}, {one_view: {second_look: false}}]}
`)
	a, b := p.Plan(Request{URL: mustURL(t, "https://a.example/x")}), p.Plan(Request{URL: mustURL(t, "https://b.example/x")})
	if !a.SecondLook || !slices.Equal(a.Feeds, []string{"bad"}) || b.SecondLook || len(b.Feeds) != 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
	if both := p.Plan(Request{URL: mustURL(t, "https://b.example/x"), Carried: []Carried{{Scope: "a"}}}); !both.SecondLook {
		t.Errorf("%+v", both)
	}
	text := strings.Join(p.Explain(Request{URL: mustURL(t, "https://a.example/x")}), "\n")
	for _, want := range []string{
		"requires: any of (the same bytes for everybody, also at a second look; known for 14d, or for 28d with an adverse signal, or where that cannot be told)",
		"requires: known since 2026-01-01 23:59 UTC or earlier (freeze)", "asks the origin a second time",
		"history: product as the file itself says, else by its name without the version; version as the file itself says, else by its name",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// FuzzVersionPattern demands that what a pattern reads is part of the name, and that names of one build are one product whatever their version.
func FuzzVersionPattern(f *testing.F) {
	f.Add("app-{version}.msi", "app-1.2.msi")
	f.Add("App_{version}_*.exe", "app_v1.2-rc1_x64.exe")
	f.Add("{version}", "1")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		v, err := parseVersionPattern(pattern)
		if err != nil {
			return
		}
		product, version, system := v.read(name)
		if product == "" || (version == "") != (system == "") || !strings.Contains(strings.ToLower(name), strings.ToLower(version)) {
			t.Fatalf("%q of %q: %q %q %q", pattern, name, product, version, system)
		}
		if version != "" && strings.ToLower(strings.Replace(name, version, versionMark, 1)) != product && strings.Count(name, version) == 1 {
			t.Fatalf("%q of %q: product %q, version %q", pattern, name, product, version)
		}
	})
}

// An exception that has expired by then does not help.
func TestRipeAfterAnException(t *testing.T) {
	for expires, want := range map[string]time.Time{"2026-06-20": {}, "2026-12-31": now.Add(14 * day)} {
		p := mustParse(t, fmt.Sprintf(`
version: 1
defaults: {hosts: inspect}
anchors: {vendor: {authenticode: {organization: Vendor Ltd}}}
exceptions: [{name: e, channel: a, sha256: [%s], reason: r, owner: o, expires: %s}]
channels:
- {name: a, hosts: [a.example], require: [{signed_by: [vendor]}]}
- {name: b, hosts: [b.example], require: [{min_age: 14d}]}
`, sum(1), expires))
		f := facts(t, "https://b.example/app-2.0.msi")
		f.Request.Carried = []Carried{{Scope: "a"}}
		f.History.Known = true
		if d := p.Decide(f); d.Action != Quarantine || !d.Ripe.Equal(want) {
			t.Errorf("%s: %+v", expires, d)
		}
	}
}

// FuzzDecideByHistory demands of any history that it is decided by without trouble, the same way again, and lets nothing through that it
// speaks against.
func FuzzDecideByHistory(f *testing.F) {
	p := mustParse(f, fmt.Sprintf(historyPolicy, "{no_downgrade: {branch: 1}}, {no_downgrade: true}, {same_publisher: true}, {never_weaker: true}, {one_view: {second_look: true}}, "+
		"{min_age: {for: 14d, clock: claimed, unless: fixes_known_exploited}}, {if: \"!newer_than('9') || past.releases > 0\"}", ", freeze: {at: 2026-06-10, clock: claimed}, version: \"app-{version}.msi\""))
	seed := facts(f, "https://v.example/app-2.0.msi", signedAs("Vendor Ltd"))
	remember(p, &seed, past{version: "1.9", by: []string{"Vendor Ltd"}, proofs: []string{"signed"}})
	seed.History.FirstSeen, seed.History.Second = ago(20*day), SecondLook{Asked: true, SHA256: sum(1)}
	if d := p.Decide(seed); d.Action != Allow {
		f.Fatalf("%+v", d)
	}
	data, err := json.Marshal(seed.History)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, "app-2.0.msi")
	f.Add([]byte(`{"known": true, "past": {"c": {"releases": [{"version": "1:2"}]}}, "views": [{"same": "url"}]}`), "app-1.msi")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		u := facts(t, "https://v.example/x", signedAs("Vendor Ltd"))
		u.Request.URL.Path, u.Update.Name = "/"+name, name
		if json.Unmarshal(data, &u.History) != nil {
			return
		}
		d, again := p.Decide(u), p.Decide(u)
		if d.Action != again.Action || !slices.Equal(d.Reasons, again.Reasons) || !d.Ripe.Equal(again.Ripe) {
			t.Fatalf("decided otherwise: %+v and %+v", d, again)
		}
		if !d.Ripe.IsZero() && (d.Action == Allow || !d.Ripe.After(now)) {
			t.Fatalf("ripe: %+v", d)
		}
		if d.Action != Allow {
			return
		}
		h := &u.History
		against := !h.Known || h.Private || h.Second.SHA256 != sum(1) || slices.ContainsFunc(h.Views, func(v View) bool { return v.Same != "url" && v.Same != "version" && v.SHA256 != sum(1) })
		for _, r := range h.Past["c"].Releases {
			order, ok := versions.Of("name")(r.Version, p.Editions(u.Request, u.Update, u.Report)[0].Version)
			against = against || !r.ByHand && versions.Comparable("name", r.System) && ok && order > 0
		}
		if against {
			t.Fatalf("allowed: %+v\nby %+v", d, h)
		}
	})
}

func TestWarningOfProductsThatFilesChoose(t *testing.T) {
	for require, want := range map[string]bool{
		"[{same_publisher: true}]": true, "[{any: [{never_weaker: true, on_inconclusive: allow}]}]": true, "[{same_publisher: true}, {signed_by: [vendor]}]": false,
		"[{no_downgrade: true}], product: App": false, `[{no_downgrade: true}], version: "a-{version}.exe"`: false, "[{min_age: 1d}]": false, "[{one_view: true}]": false,
	} {
		p := mustParse(t, `
version: 1
anchors: {vendor: {authenticode: {organization: Vendor Ltd}}}
channels:
- {name: c, hosts: [v.example], require: `+require+"}\n")
		text := fmt.Sprint(p.Warnings(now))
		if got := strings.Contains(text, `channel "c" compares updates with what was let through before of the same product`); got != want {
			t.Errorf("%s: %s", require, text)
		}
	}
}
