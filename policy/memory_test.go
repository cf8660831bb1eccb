package policy

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// What is remembered of a report is what would be said again, whatever else is different.
func TestWhatIsRememberedOfAReport(t *testing.T) {
	sums := []verify.Digest{{1}, {2}}
	p := mustParse(t, `version: 1
anchors:
  acme: {authenticode: {organization: Acme}}
  pins: {digest: {sha256: [`+sums[1].String()+`]}}
channels:
- {name: acme, hosts: [dl.example.com], require: [{any: [{signed_by: [acme]}, {signed_by: [pins]}]}, {not: {signed_by: [pins]}}, {contents: {signed_by: [acme]}, on_inconclusive: allow}]}
`)
	began := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	signed := func(subject string, end time.Time) verify.Finding {
		return verify.Finding{Subject: subject, Method: "authenticode", Status: verify.Valid, Code: "authenticode/signed", Signer: verify.Identity{Name: "Acme", Organization: "Acme"}, NotAfter: end}
	}
	report := verify.Report{
		Findings: []verify.Finding{signed("", began.Add(3*time.Hour)), signed("a.dll", began.Add(time.Hour)), signed("b.dll", time.Time{}), signed("c.dll", began.Add(2*time.Hour))},
		Contents: &verify.Contents{Files: 3, Executables: 3, Inner: []verify.Inner{{Path: "a.dll", Format: "pe"}, {Path: "b.dll", Format: "pe"}, {Path: "c.dll", Format: "pe"}}},
	}
	u, _ := url.Parse("https://dl.example.com/app.msi")
	memory := &Memory{}
	seen := map[string]bool{}
	for range 2 {
		for _, sum := range sums {
			for _, role := range []verify.Role{verify.Payload, verify.Metadata} {
				for minutes := time.Duration(-30); minutes <= 210; minutes += 30 {
					f := Facts{Now: began.Add(minutes * time.Minute), Request: Request{Method: "GET", URL: u}, Update: Update{Name: "app.msi", Format: "msi", SHA256: sum, Role: role}, Report: report}
					want := p.Decide(f)
					again := p.Retry(f, p.Asked(f.Request), nil)
					again.Remember(memory)
					if got := again.Decide(); !reflect.DeepEqual(got, want) {
						t.Fatalf("after %d minutes, %s, %v:\ngot  %+v\nwant %+v", minutes, sum, role, got, want)
					}
					seen[want.Action.String()+want.Reasons[0]] = true
				}
			}
		}
	}
	if len(seen) < 4 || len(memory.said) < 8 {
		t.Errorf("%d kinds of decisions, %d sayings: it was all the same", len(seen), len(memory.said))
	}
	q := mustParse(t, "version: 1\nanchors: {acme: {authenticode: {organization: Other}}}\nchannels:\n- {name: acme, hosts: [dl.example.com], require: [{signed_by: [acme]}]}\n")
	f := Facts{Now: began, Request: Request{Method: "GET", URL: u}, Update: Update{Name: "app.msi", Format: "msi", SHA256: sums[0]}, Report: report}
	other := q.Retry(f, q.Asked(f.Request), nil)
	other.Remember(memory)
	if d := other.Decide(); d.Action == Allow {
		t.Errorf("another policy got what was remembered: %+v", d)
	}
}
