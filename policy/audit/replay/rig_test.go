package replay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// began is when the first decision of a rig's log was made.
var began = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// rig is a log with a store of reports.
type rig struct {
	t       testing.TB
	dir     string
	log     *audit.Log
	reports *audit.Reports
	at      time.Time // of the next decision
	n       int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), at: began}
	var err error
	if r.log, err = audit.Open(r.dir+"/log", audit.Options{}); err != nil {
		t.Fatal(err)
	}
	if r.reports, err = audit.OpenReports(r.dir + "/reports"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.log.Close()
		r.reports.Close()
	})
	return r
}

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.yaml", nil, []byte("version: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// facts are those of an update that is fetched from a URL, with findings.
func (r *rig) facts(address string, findings ...verify.Finding) policy.Facts {
	r.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.n++
	name := path.Base(u.Path)
	return policy.Facts{
		Request: policy.Request{Method: "GET", URL: u, Client: policy.Client{Addr: netip.MustParseAddr("10.0.0.7")}},
		Update:  policy.Update{Name: name, Format: verify.Sniff(nil, name), Size: 1 << 20, SHA256: sha256.Sum256(fmt.Append(nil, r.n))},
		Report:  verify.Report{Findings: findings},
		History: policy.History{Known: true},
	}
}

// decide has a policy judge facts, and records it as the gate does.
func (r *rig) decide(p *policy.Policy, f policy.Facts) audit.Record {
	r.t.Helper()
	f.Now = r.at
	rec := recordOf(r.t, p, f, r.reports)
	receipt, err := r.log.Append(rec)
	if err != nil {
		r.t.Fatal(err)
	}
	rec.ID = receipt.ID()
	r.at = r.at.Add(time.Minute)
	return rec
}

func recordOf(t testing.TB, p *policy.Policy, f policy.Facts, reports *audit.Reports) audit.Record {
	t.Helper()
	d := p.Decide(f)
	kept, err := reports.Keep(f.Report)
	if err != nil {
		t.Fatal(err)
	}
	findings, contents := audit.OfReport(f.Report)
	return audit.Record{
		Kind: audit.KindDecision, Time: f.Now, Channel: d.Channel, Report: kept, Facts: audit.CircumstancesOf(p, f),
		Client:   &audit.Client{Addr: f.Request.Client.Addr.String(), User: f.Request.Client.User},
		Request:  &audit.Request{Method: "GET", URL: audit.RedactURL(f.Request.URL.String())},
		Artifact: &audit.Artifact{Name: f.Update.Name, Format: f.Update.Format, Role: f.Update.Role.String(), Size: f.Update.Size, SHA256: f.Update.SHA256},
		Findings: findings, Contents: contents, Decision: audit.DecisionFrom(d),
	}
}

func (r *rig) run(p *policy.Policy) *Result {
	r.t.Helper()
	out, err := Run(context.Background(), Options{Log: r.dir + "/log", Reports: r.reports, Policy: p})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) loosening(inForce, next *policy.Policy) *Loosened {
	r.t.Helper()
	out, err := Loosening(context.Background(), Guard{Log: r.dir + "/log", Reports: r.reports, InForce: inForce, Next: next, Now: r.at})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// by is a signature over the update itself that names an organization.
func by(organization string) verify.Finding {
	return verify.Finding{Method: "authenticode", Status: verify.Valid, Code: "authenticode/signed", Signer: verify.Identity{Name: organization, Organization: organization}}
}

var unsigned = verify.Finding{Method: "authenticode", Status: verify.Absent, Code: "authenticode/no-signature"}
