package regret

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/verify"
)

// past is a real log, a real ledger, real feeds, and a Tracker.
type past struct {
	t       *testing.T
	dir     string
	log     *audit.Log
	ledger  *ledger.Ledger
	tracker *Tracker
	feeds   *reputation.Feeds
	reports map[verify.Digest]verify.Report

	mu    sync.Mutex
	told  []audit.Record
	who   [][]audit.Record
	notes []string
}

func newPast(t *testing.T) *past {
	t.Helper()
	p := &past{t: t, dir: t.TempDir(), reports: map[verify.Digest]verify.Report{}}
	p.open()
	t.Cleanup(func() { p.close() })
	return p
}

func (p *past) open() {
	p.t.Helper()
	var err error
	if p.log, err = audit.Open(filepath.Join(p.dir, "log"), audit.Options{Origin: "test"}); err != nil {
		p.t.Fatal(err)
	}
	if p.ledger, err = ledger.Open(p.dir, filepath.Join(p.dir, "log"), ledger.Options{Report: p.report}); err != nil {
		p.t.Fatal(err)
	}
	if err := p.ledger.CatchUp(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.tracker = New(Options{
		Ledger: p.ledger, LogDir: filepath.Join(p.dir, "log"), Report: p.report, Append: p.log.Append,
		Tell: func(rec audit.Record, who []audit.Record) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.told, p.who = append(p.told, rec), append(p.who, who)
		},
		Note:   func(s string) { p.notes = append(p.notes, s) },
		Warn:   func(err error) { p.t.Error(err) },
		Ignore: func(feed string) bool { return feed == "seen" },
	})
}

func (p *past) close() {
	p.ledger.Close()
	p.log.Close()
}

func (p *past) report(d verify.Digest) (verify.Report, error) {
	r, ok := p.reports[d]
	if !ok {
		return verify.Report{}, errors.New("it is not kept")
	}
	return r, nil
}

func digest(text string) verify.Digest { return sha256.Sum256([]byte(text)) }

// decide records a decision about an artifact, with what is inside.
func (p *past) decide(client, name string, action policy.Action, change func(*audit.Record), inside ...string) audit.Record {
	p.t.Helper()
	rec := audit.Record{
		Kind: audit.KindDecision, Client: &audit.Client{Addr: client}, Request: &audit.Request{Method: "GET", URL: "https://dl.example/" + name}, Channel: "dl",
		Artifact: &audit.Artifact{Name: name, SHA256: digest(name)}, Decision: &audit.Decision{Action: action, Rule: "channel dl"},
	}
	report := verify.Report{Contents: &verify.Contents{}}
	for _, in := range inside {
		report.Contents.Inner = append(report.Contents.Inner, verify.Inner{Path: "in/" + in, SHA256: digest(in), Size: 1, Format: "pe"})
	}
	rec.Findings, rec.Contents = audit.OfReport(report)
	if change != nil {
		change(&rec)
	}
	receipt, err := p.log.Append(rec)
	if err != nil {
		p.t.Fatal(err)
	}
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	p.ledger.Add(rec, &report)
	p.tracker.Saw(rec, &report)
	return rec
}

func (p *past) delivered(of audit.Record) {
	p.t.Helper()
	if _, err := p.log.Append(audit.Record{Kind: audit.KindDelivery, Decides: of.ID, Delivery: &audit.Delivery{Status: 200, Complete: true}}); err != nil {
		p.t.Fatal(err)
	}
}

// list writes the lists of digests and takes them up.
func (p *past) list(lists map[string]string) {
	p.t.Helper()
	var feeds []reputation.Feed
	for name, text := range lists {
		file := filepath.Join(p.dir, name+".txt")
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			p.t.Fatal(err)
		}
		feeds = append(feeds, reputation.Feed{Name: name, File: file, Reading: reputation.Reading{Good: name == "good"}})
	}
	if p.feeds != nil {
		for name := range lists {
			if err := p.feeds.Refresh(p.t.Context(), name); err != nil {
				p.t.Fatal(err)
			}
		}
		return
	}
	var err error
	p.feeds, err = reputation.Open(p.t.Context(), feeds, reputation.Options{Dir: filepath.Join(p.dir, "feeds"), Tell: p.tracker.Changed})
	if err != nil {
		p.t.Fatal(err)
	}
}

// work does all that is to be done, and returns what was told, as "name path source: ids".
func (p *past) work() []string {
	p.t.Helper()
	for p.tracker.work(p.t.Context()) {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for i, r := range p.told {
		s := r.Artifact.Name + " " + r.Regret.Path + " " + r.Regret.Source + ":"
		for j, d := range p.who[i] {
			s += " " + d.Client.Addr
			if r.Regret.Allowed[j].Received {
				s += "+"
			}
			if r.Regret.Allowed[j].Record != d.ID {
				p.t.Errorf("the record lists %s, and %s was told", r.Regret.Allowed[j].Record, d.ID)
			}
		}
		out = append(out, s)
	}
	p.told, p.who = nil, nil
	slices.Sort(out)
	return out
}

func (p *past) want(what string, want ...string) {
	p.t.Helper()
	if got := strings.Join(p.work(), "|"); got != strings.Join(want, "|") {
		p.t.Errorf("%s: told\n%s\nwant\n%s", what, got, strings.Join(want, "|"))
	}
}

func entry(name string) string { return digest(name).String() + "  Malware\n" }

func TestAListNamesWhatWasLetThrough(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.want("a list that names nothing that is known")
	first := p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll", "app.exe")
	p.delivered(first)
	p.decide("10.0.0.2", "app.zip", policy.Allow, nil, "ffmpeg.dll", "app.exe")
	p.decide("10.0.0.3", "app.zip", policy.Quarantine, nil, "ffmpeg.dll", "app.exe")
	p.decide("10.0.0.4", "watched.zip", policy.Block, func(r *audit.Record) { r.Decision.Observed = true }, "ffmpeg.dll")
	p.decide("10.0.0.5", "other.zip", policy.Block, nil, "ffmpeg.dll")
	p.list(map[string]string{"bad": entry("nothing") + entry("ffmpeg.dll")})
	p.want("an inner file", "app.zip in/ffmpeg.dll feed bad: 10.0.0.2 10.0.0.1+", "watched.zip in/ffmpeg.dll feed bad: 10.0.0.4")
	p.want("again")
	p.list(map[string]string{"bad": entry("ffmpeg.dll") + entry("app.zip")})
	p.want("the update itself", "app.zip  feed bad: 10.0.0.2 10.0.0.1+")
	list, err := audit.List(t.Context(), filepath.Join(p.dir, "log"), audit.Filter{Kind: audit.KindRegret})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d records, %v", len(list), err)
	}
	r := list[0]
	if r.Regret.Count != 2 || r.Regret.Listing.Value != digest("app.zip").String() || r.Regret.Listing.Label != "Malware" || r.Regret.Listing.Line != 2 || r.Artifact.SHA256 != digest("app.zip") ||
		!strings.Contains(r.Message, "app.zip was let through 2 times, last at ") || !strings.Contains(r.Message, "by channel dl, and is now known to be bad: feed bad lists sha256") {
		t.Errorf("%+v %+v", r, r.Regret)
	}
}

// A decision that was made when an update had become old enough gave it to nobody.
func TestWhatNobodyFetchedIsNotRegretted(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	for _, name := range []string{"unwanted.zip", "app.zip"} {
		held := p.decide("10.0.0.1", name, policy.Quarantine, nil, "ffmpeg.dll")
		p.decide("", name, policy.Allow, func(r *audit.Record) { r.Client, r.Decides = nil, held.ID }, "ffmpeg.dll")
	}
	p.decide("10.0.0.2", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.want("of two that ripened", "app.zip in/ffmpeg.dll feed bad: 10.0.0.2")
}

// A restart, a list that was not dealt with, and an entry that goes and comes back tell of nothing twice, and of what is new once.
func TestNothingIsToldTwice(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.close() // before anything was dealt with
	p.open()
	p.feeds = nil
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.want("after a crash", "app.zip in/ffmpeg.dll feed bad: 10.0.0.1")
	p.close()
	p.open()
	p.feeds = nil
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.want("after a restart")
	os.RemoveAll(filepath.Join(p.dir, "feeds"))
	p.feeds = nil
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.want("when the list is read as if for the first time")
	p.list(map[string]string{"bad": entry("nothing")})
	p.work()
	p.decide("10.0.0.2", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.want("when it comes back", "app.zip in/ffmpeg.dll feed bad: 10.0.0.2")
}

func TestListsOfOtherThingsCauseNoRegret(t *testing.T) {
	p := newPast(t)
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.list(map[string]string{"good": entry("app.zip"), "seen": entry("ffmpeg.dll"), "bad": strings.Repeat("ab", 20) + "\n"})
	p.want("good, seen, and digests of another kind")
	if got := strings.Join(p.notes, "|"); !strings.Contains(got, "feed bad has entries of kinds that are not kept of what was let through before") || !strings.Contains(got, "sha1") {
		t.Errorf("noted %q", got)
	}
}

// Of a large list everything that is known is looked for, instead of every entry.
func TestALargeListIsComparedTheOtherWayRound(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.work()
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.decide("10.0.0.2", "tool.exe", policy.Allow, nil)
	var b strings.Builder
	for i := range fewEntries + 10 {
		b.WriteString(entry(fmt.Sprint("x", i)))
	}
	p.list(map[string]string{"bad": b.String() + entry("ffmpeg.dll") + entry("tool.exe")})
	p.want("a large list", "app.zip in/ffmpeg.dll feed bad: 10.0.0.1", "tool.exe  feed bad: 10.0.0.2")
}

// What was decided before a change and is recorded after everything was looked through is regretted all the same.
func TestDecisionsInFlightAreCaught(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.want("before the decision")
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.want("the decision", "app.zip in/ffmpeg.dll feed bad: 10.0.0.1")
	recall := p.recall("tool.exe", false)
	if n, err := p.tracker.Recalled(t.Context(), recall); err != nil || n != (Count{}) {
		t.Errorf("%+v, %v", n, err)
	}
	p.decide("10.0.0.2", "tool.exe", policy.Allow, nil)
	p.want("a recalled one", "tool.exe  auditor: 10.0.0.2")
	p.decide("10.0.0.3", "tool.exe", policy.Block, nil)
	p.want("a refusal")
}

func (p *past) recall(name string, lift bool) audit.Record {
	p.t.Helper()
	rec := audit.Record{Kind: audit.KindRecall, Recall: &audit.Recall{SHA256: digest(name), Reason: "stolen key", By: "auditor", Lifted: lift}}
	receipt, err := p.log.Append(rec)
	if err != nil {
		p.t.Fatal(err)
	}
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	p.ledger.Add(rec, nil)
	return rec
}

func TestRecallsAreRegretted(t *testing.T) {
	p := newPast(t)
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.decide("10.0.0.2", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	recall := p.recall("ffmpeg.dll", false)
	if n, err := p.tracker.Recalled(t.Context(), recall); err != nil || n != (Count{Artifacts: 1, Decisions: 2}) {
		t.Fatalf("%+v, %v", n, err)
	}
	p.want("a recall", "app.zip in/ffmpeg.dll auditor: 10.0.0.2 10.0.0.1")
	p.close()
	p.open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.tracker.Run(ctx, []audit.Record{recall, p.recall("nothing", true)})
	p.want("after a restart")
	list, err := audit.List(t.Context(), filepath.Join(p.dir, "log"), audit.Filter{Kind: audit.KindRegret})
	if err != nil || len(list) != 1 || list[0].Regret.Recall != recall.ID || list[0].Regret.Listing != nil || !strings.Contains(list[0].Message, "recalled by auditor: stolen key") {
		t.Errorf("%v %+v", err, list)
	}
}

// What the ledger has no digest for is looked for in the log: URLs, hosts, packages, and signers as far as reports are kept.
func TestOtherKindsAreLookedForInTheLog(t *testing.T) {
	p := newPast(t)
	signer := digest("certificate")
	kept := digest("report")
	p.reports[kept] = verify.Report{Findings: []verify.Finding{{Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Fingerprint: signer.String()}}}}
	p.decide("10.0.0.1", "signed.exe", policy.Allow, func(r *audit.Record) { r.Report = kept })
	p.decide("10.0.0.2", "from/here.bin", policy.Allow, nil)
	p.decide("10.0.0.3", "pkg.tgz", policy.Allow, func(r *audit.Record) {
		r.Request.URL = "https://other.example/pkg.tgz"
		r.Findings = append(r.Findings, audit.Finding{Method: "sigstore", Status: verify.Valid, Attestation: &verify.Attestation{Package: "pkg:npm/left-pad@1.3.0"}})
	})
	for _, c := range []struct {
		name, list, want string
		values           reputation.Values
	}{
		{"urls", "https://dl.example/from/here.bin\n", "from/here.bin  feed urls: 10.0.0.2", reputation.ValuesURL},
		{"domains", "other.example\n", "pkg.tgz  feed domains: 10.0.0.3", reputation.ValuesDomain},
		{"packages", "pkg:npm/left-pad@1.3.0\n", "pkg.tgz  feed packages: 10.0.0.3", reputation.ValuesPackage},
		{"certificates", signer.String() + "\n", "signed.exe  feed certificates: 10.0.0.1", reputation.ValuesCertificate},
	} {
		file := filepath.Join(p.dir, c.name+".txt")
		os.WriteFile(file, []byte(c.list), 0o600)
		_, err := reputation.Open(t.Context(), []reputation.Feed{{Name: c.name, File: file, Reading: reputation.Reading{Values: c.values}}}, reputation.Options{Tell: p.tracker.Changed})
		if err != nil {
			t.Fatal(err)
		}
		p.want(c.name, c.want)
	}
}

// Nothing that changes makes a decision wait.
func TestTellingOfAChangeReturnsAtOnce(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	for i := range 20 { // nobody works meanwhile: changes of one list become one
		p.list(map[string]string{"bad": entry("ffmpeg.dll") + entry(fmt.Sprint(i))})
	}
	if n := len(p.tracker.changes); n != 1 {
		t.Errorf("%d changes wait", n)
	}
	p.want("all of them at once", "app.zip in/ffmpeg.dll feed bad: 10.0.0.1")
	until := time.Now().Add(-time.Hour)
	if e := (reputation.Entry{Until: until}); !over(e, p.tracker) {
		t.Error("an entry that has ended counts")
	}
}

// Somebody who is refused what others have got makes known who they are, where that could not be found out before.
func TestARefusalNamesWhoGotItBefore(t *testing.T) {
	p := newPast(t)
	p.decide("10.0.0.1", "closed.zip", policy.Allow, nil) // nobody looked inside
	p.list(map[string]string{"bad": entry("tool.exe")})
	p.want("what is not known to be inside")
	listed := func(r *audit.Record) {
		r.Facts = &audit.Circumstances{
			History: &policy.History{Known: true, Allowed: 1},
			Reputation: &policy.Reputation{Listings: []policy.Listing{
				{Feed: "bad", Path: "in/tool.exe", Kind: "sha256", Value: digest("tool.exe").String()}, {Feed: "seen", Kind: "md5", Value: "00"},
			}},
		}
	}
	p.decide("10.0.0.2", "closed.zip", policy.Block, listed)
	p.want("a refusal", "closed.zip in/tool.exe feed bad: 10.0.0.1")
	p.decide("10.0.0.3", "closed.zip", policy.Block, listed)
	p.want("another refusal")
	p.decide("10.0.0.4", "new.zip", policy.Block, func(r *audit.Record) { listed(r); r.Facts.History.Allowed = 0 })
	p.want("what nobody got")
}
