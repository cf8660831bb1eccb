package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/learn"
	"github.com/sallyport-project/sallyport/verify"
)

// A record without its report still names publishers, and the whole report names them better: the organization, and not the name.
func TestSightings(t *testing.T) {
	reports, err := audit.OpenReports(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer reports.Close()
	kept, err := reports.Keep(verify.Report{Findings: []verify.Finding{
		{Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Name: "Shown", Organization: "Vendor Ltd", Fingerprint: strings.Repeat("ab", 32)}},
		{Method: "authenticode", Status: verify.Invalid, Code: "authenticode/padding-data"},
		{Subject: "inner.dll", Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Name: "Inner", Organization: "Inner"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	known := reportFindings{reports: reports, by: map[verify.Digest][]verify.Finding{}}
	r := audit.Record{
		Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Request: &audit.Request{URL: "https://dl.example/a-1.msi"}, Artifact: &audit.Artifact{Name: "a-1.msi", Format: "msi", Version: "1"},
		Decision: &audit.Decision{Action: policy.Allow}, Report: kept, Findings: []audit.Finding{{Method: "authenticode", Status: verify.Valid, Signer: "Shown"}},
	}
	x := sighting(&r, known.of(r.Report))
	if len(x.Signers) != 1 || x.Signers[0].Organization != "Vendor Ltd" || x.Signers[0].Thumbprint == "" || !x.Broken || !x.Through || x.URL.Host != "dl.example" {
		t.Errorf("%+v", x)
	}
	r.Report = verify.Digest{9} // it is not kept any more
	if x = sighting(&r, known.of(r.Report)); len(x.Signers) != 1 || x.Signers[0].Organization != "Shown" || x.Broken {
		t.Errorf("%+v", x)
	}
	r.Findings[0].Signer = strings.Repeat("ab", 32) // of a certificate without a name
	if x = sighting(&r, known.of(r.Report)); x.Signers[0].Organization != "" || x.Signers[0].Thumbprint == "" {
		t.Errorf("%+v", x)
	}
	r.Decision.Rule = "deny trojans"
	if x = sighting(&r, known.of(r.Report)); !x.Refused {
		t.Error("what a deny rule refused is evidence")
	}
	r.Decision = &audit.Decision{Action: policy.Quarantine, Rule: "channel c"}
	r.Facts = &audit.Circumstances{Reputation: &policy.Reputation{Listings: []policy.Listing{{Feed: "bad"}}}}
	if x = sighting(&r, known.of(r.Report)); !x.Refused {
		t.Error("what a list names is evidence")
	}
	r.Request = nil
	if x = sighting(&r, known.of(r.Report)); x.URL != nil {
		t.Errorf("%+v", x)
	}
	var s learn.Survey
	s.Add(x)
	if s.Nameless != 1 {
		t.Error("a decision without a URL is not counted as such")
	}
}
