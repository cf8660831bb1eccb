package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// test is a case of the tests section.
type test struct {
	name    string
	where   at       // among the lines of all files
	place   position // in its own
	of      string   // the fragment that it is from; "" for the policy file
	named   bool     // the file is given by its digest
	want    Action
	at      time.Time // zero: when it is run
	facts   Facts
	past    []pastOf
	changes *Changes  // against the release before; nil: the test does not say
	ripe    time.Time // zero: the test does not say
}

// TestResult is what became of one case of the tests section.
type TestResult struct {
	Name         string
	File         string // as errors call it
	Line, Column int    // of the case, from 1
	Fragment     string // the fragment of the catalogue that it is from; "" for the policy's own
	Passed       bool
	Want, Got    Action
	Rule         string   // what decided
	Reasons      []string // why
}

func (b *builder) tests(n node) {
	items := n.items()
	b.unique("test", items)
	for _, item := range items {
		u, err := parseURL(item.get("url").text())
		if err != nil {
			continue
		}
		t := test{name: item.get("name").text(), facts: Facts{Request: Request{Method: "GET", URL: u}}}
		t.where, t.place, t.of = item, b.locate(item), b.fragmentAt(item)
		t.named = item.get("sha256").present()
		if t.want.UnmarshalText([]byte(item.get("want").text())) != nil {
			continue
		}
		t.at, _ = parseMoment(item.get("at").text())
		t.facts.Request.Client, _ = parseClient(item.get("client").text())
		t.facts.Update = testUpdate(item, t.name, u)
		for _, f := range item.get("findings").items() {
			t.facts.Report.Findings = append(t.facts.Report.Findings, b.finding(f))
		}
		t.facts.Report.Product, t.facts.Report.Version = item.get("product").text(), item.get("version").text()
		t.facts.Report.System = item.get("system").text()
		t.facts.Report.Contents = testContents(t.facts.Report.Findings)
		t.facts.Reputation = b.testReputation(item, t.facts.Update)
		t.facts.Scans = b.testScans(item)
		b.testHistory(item.get("history"), &t)
		t.changes = testChanges(item.get("changes"))
		t.facts.Recalls, t.facts.Fixes = testRecalls(item.get("recalls"), t.facts.Update.SHA256), testFixes(item.get("fixes"))
		t.ripe, _ = parseMoment(item.get("ripe").text())
		b.policy.tests = append(b.policy.tests, t)
	}
}

// unknownSize is the size of the update of a test that does not say it.
const unknownSize = -1

func testUpdate(item node, name string, u *url.URL) Update {
	up := Update{Name: path.Base(u.Path), Size: unknownSize}
	if file := item.get("file"); file.present() {
		up.Name = file.text()
	}
	up.Format = verify.Sniff(nil, up.Name)
	if f := item.get("format"); f.present() {
		up.Format = verify.Format(f.text())
	}
	if n, err := parseSize(item.get("size").text()); err == nil {
		up.Size = n
	}
	if item.get("role").text() == "metadata" {
		up.Role = verify.Metadata
	}
	sum, err := verify.ParseDigest(item.get("sha256").text())
	if err != nil {
		sum = sha256.Sum256([]byte("the file of the policy test " + name)) // some file that nobody lists
	}
	up.SHA256 = sum
	return up
}

// testContents is what is inside an update about which a test gives all the findings: each inner file that one is about
// is an executable.
func testContents(findings []verify.Finding) *verify.Contents {
	c := &verify.Contents{Containers: 1, Depth: 1}
	seen := map[string]bool{}
	for _, f := range findings {
		if f.Status == verify.Inconclusive && aboutOpening(&f) {
			c.Unread++
		}
		if f.Subject != "" && !seen[f.Subject] {
			seen[f.Subject] = true
			c.Inner = append(c.Inner, verify.Inner{Path: f.Subject, Format: "pe"})
		}
	}
	c.Files, c.Executables = len(c.Inner), len(c.Inner)
	return c
}

func (b *builder) finding(n node) verify.Finding {
	f := verify.Finding{
		Subject: n.get("subject").text(), Method: n.get("method").text(), Code: n.get("code").text(),
		Detail: n.get("detail").text(), Anchors: n.get("anchors").texts(),
	}
	f.SignedAt, _ = parseMoment(n.get("signed_at").text())
	if f.Status.UnmarshalText([]byte(n.get("status").text())) != nil {
		f.Status = verify.Inconclusive
	}
	for _, a := range n.get("anchors").items() {
		if b.policy.anchors[a.text()] == nil {
			b.add(a, nearest(a.text(), sortedKeys(b.policy.anchors)), "there is no anchor %s", quote(a.text()))
		}
	}
	f.Attestation, f.Workload = testAttestation(n.get("attestation")), testWorkload(n.get("workload"))
	s := n.get("signer")
	f.Signer = verify.Identity{
		Organization: s.get("organization").text(), CommonName: s.get("common_name").text(),
		Issuer: s.get("issuer").text(), Fingerprint: s.get("fingerprint").text(), Country: s.get("country").text(),
	}
	b.testRoot(&f.Signer, s.get("root"))
	named := f.Method == "sigstore" || f.Method == "tuf" // systems whose signers have no organization
	if s.text() != "" && !named {
		f.Signer.Organization = s.text()
	}
	for _, name := range []string{s.get("name").text(), s.text(), f.Signer.Organization, f.Signer.CommonName} {
		if f.Signer.Name == "" {
			f.Signer.Name = name
		}
	}
	return f
}

func testAttestation(n node) *verify.Attestation {
	if !n.present() {
		return nil
	}
	text := func(key string) string { return n.get(key).text() }
	return &verify.Attestation{
		PredicateType: text("predicate_type"), Predicate: text("predicate"), Builder: text("builder"), BuildType: text("build_type"),
		Source: text("source"), Ref: text("ref"), Commit: text("commit"), Levels: text("levels"), Result: text("result"), Package: text("package"),
	}
}

func testWorkload(n node) *verify.Workload {
	if !n.present() {
		return nil
	}
	text := func(key string) string { return n.get(key).text() }
	return &verify.Workload{
		BuildSigner: text("build_signer"), Runner: text("runner"), Source: text("source"), Ref: text("ref"),
		Commit: text("commit"), Trigger: text("trigger"), Run: text("run"),
	}
}

// testRoot has a signer's chain end in the first root of an anchor that brings roots of its own.
func (b *builder) testRoot(id *verify.Identity, n node) {
	if !n.present() {
		return
	}
	for _, p := range b.policy.publishers {
		if p.Anchor == n.text() && len(p.Roots) > 0 {
			sum := sha256.Sum256(p.Roots[0].Raw)
			id.RootFingerprint, id.PrivateRoot = hex.EncodeToString(sum[:]), true
			return
		}
	}
	if a := b.policy.anchors[n.text()]; a == nil || a.roots == nil {
		b.add(n, nearest(n.text(), sortedKeys(b.policy.anchors)), "there is no anchor %s that brings roots of its own", quote(n.text()))
	}
}

// RunTests tries every case of the tests section, in the order of the file. A case without a time of its own is
// judged as of now.
func (p *Policy) RunTests() []TestResult {
	now := time.Now()
	results := make([]TestResult, len(p.tests))
	for i, t := range p.tests {
		results[i] = p.run(t, now)
	}
	return results
}

func (p *Policy) run(t test, now time.Time) TestResult {
	f := t.facts
	f.Now = t.at
	if f.Now.IsZero() {
		f.Now = now
	}
	var ripe time.Time
	r := TestResult{Name: t.name, File: t.place.file, Line: t.place.line, Column: t.place.column, Fragment: t.of, Want: t.want}
	if pl := p.Plan(f.Request); pl.Refusal == nil && !pl.Inspect {
		v := p.host(f.Request.URL.Hostname())
		r.Got, r.Rule, r.Reasons = Allow, v.rule, []string{v.why + ": nothing there is looked at"}
	} else {
		p.recall(&t, &f)
		t.compared(&f)
		d := p.Decide(f)
		r.Got, r.Rule, r.Reasons = d.Action, d.Rule, d.Reasons
		if ripe = d.Ripe; !t.ripe.IsZero() && !ripe.Equal(t.ripe) {
			r.Reasons = append([]string{ripeness(ripe, t.ripe)}, r.Reasons...)
		}
	}
	r.Passed = r.Got == r.Want && (t.ripe.IsZero() || t.ripe.Equal(ripe))
	return r
}
