package ledger

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is a log and the ledger of it, under a clock that stands still unless it is moved.
type rig struct {
	t        testing.TB
	dir, log string
	now      time.Time
	l        *audit.Log
	ledger   *Ledger
	options  Options
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), now: day0}
	r.log = r.dir + "/log"
	r.options.Warn = func(err error) { t.Logf("warning: %v", err) }
	r.openLog()
	r.open()
	t.Cleanup(func() { r.closeAll() })
	return r
}

func (r *rig) openLog() {
	r.t.Helper()
	var err error
	r.l, err = audit.Open(r.log, audit.Options{Origin: "log.test", Now: func() time.Time { return r.now }})
	r.must(err)
}

// open opens the ledger and lets it catch up.
func (r *rig) open() {
	r.t.Helper()
	var err error
	r.ledger, err = Open(r.dir, r.log, r.options)
	r.must(err)
	r.must(r.ledger.CatchUp(r.t.Context()))
}

func (r *rig) close() {
	r.t.Helper()
	r.must(r.ledger.Close())
}

func (r *rig) closeAll() {
	if r.ledger != nil {
		r.ledger.Close()
	}
	r.l.Close()
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func sum(n int) verify.Digest {
	return verify.Digest{0xaa, byte(n), byte(n >> 8), byte(n >> 16), 1}
}

// update is one decision to be made.
type update struct {
	digest   int
	url      string
	client   string
	action   policy.Action
	rule     string
	observed bool
	private  bool
	edition  *policy.Edition
	inner    []verify.Inner
}

func (u update) record() audit.Record {
	if u.rule == "" {
		u.rule = "channel vendor"
	}
	if u.url == "" {
		u.url = "https://dl.example/app.exe"
	}
	rec := audit.Record{
		Kind: audit.KindDecision, Channel: "vendor", Client: &audit.Client{Addr: u.client},
		Request:  &audit.Request{Method: "GET", URL: u.url},
		Artifact: &audit.Artifact{Name: fmt.Sprintf("app-%d.exe", u.digest), Format: "pe", Size: 10, SHA256: sum(u.digest)},
		Decision: &audit.Decision{Action: u.action, Observed: u.observed, Rule: u.rule, Reasons: []string{}, Policy: "sha256:00"},
		Private:  u.private,
	}
	if u.edition != nil {
		rec.Editions = []policy.Edition{*u.edition}
	}
	if u.inner != nil {
		_, rec.Contents = audit.OfReport(verify.Report{Contents: &verify.Contents{Files: len(u.inner), Inner: u.inner}})
	}
	return rec
}

func allow(digest int) update {
	return update{digest: digest, action: policy.Allow, client: "10.0.0.1"}
}

func app(version string) *policy.Edition {
	return &policy.Edition{Channel: "vendor", Product: "App", Version: version, System: "semver", Publishers: []string{"o:Vendor"}, Proofs: []string{"signed"}}
}

func (u update) as(e *policy.Edition) update { u.edition = e; return u }

func (u update) at(url string) update { u.url = url; return u }

func (u update) by(client string) update { u.client = client; return u }

// appendOnly appends without adding, as if the process had been killed in between.
func (r *rig) appendOnly(u update) audit.Record {
	r.t.Helper()
	rec := u.record()
	receipt, err := r.l.Append(rec)
	r.must(err)
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	return rec
}

// decide appends and adds; it returns the record's id.
func (r *rig) decide(u update) string {
	r.t.Helper()
	rec := r.appendOnly(u)
	r.ledger.Add(rec, nil)
	return rec.ID
}

func (r *rig) query(u update) Query {
	r.t.Helper()
	rec := u.record()
	address, err := url.Parse(rec.Request.URL)
	r.must(err)
	return Query{SHA256: rec.Artifact.SHA256, URL: address, Client: ClientName(u.client, ""), Editions: rec.Editions, Now: r.now}
}

func (r *rig) of(u update) policy.History {
	r.t.Helper()
	h, err := r.ledger.Of(r.query(u))
	r.must(err)
	return h
}
