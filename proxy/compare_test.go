package proxy

import (
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// oneReport is a store that has one report and counts how often it is asked.
type oneReport struct {
	verify.Report
	loads int
}

func (*oneReport) Keep(verify.Report) (verify.Digest, error) { return verify.Digest{9}, nil }

func (r *oneReport) Load(verify.Digest) (verify.Report, error) {
	r.loads++
	return r.Report, nil
}

// A comparison is remembered for the report that it was made of: when more is known of the same file, it is made anew.
func TestComparisonsAreOfOneReport(t *testing.T) {
	signed := func(by string) verify.Report {
		return verify.Report{Size: 10, Findings: []verify.Finding{{Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid",
			Signer: verify.Identity{Name: by, Organization: by}}}}
	}
	store := &oneReport{Report: signed("Acme")}
	q := &Inquirer{Reports: store, Record: func(string) (audit.Record, error) { return audit.Record{Report: verify.Digest{1}}, nil }}
	compare := func(rep verify.Report, kept verify.Digest) policy.Changes {
		t.Helper()
		f := policy.Facts{Report: rep, Update: policy.Update{SHA256: verify.Digest{2}}, History: policy.History{
			Editions: []policy.Edition{{Channel: "app", Product: "App"}},
			Past:     map[string]policy.Past{"app": {Product: "App", Releases: []policy.PastRelease{{SHA256: verify.Digest{3}, Record: "R"}}}},
		}}
		got := q.compare(&f, kept)
		if len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		return got[0]
	}
	revoked := signed("Acme")
	revoked.Findings[0].Status, revoked.Findings[0].Signer = verify.Invalid, verify.Identity{}
	before := compare(signed("Acme"), verify.Digest{4})
	compare(signed("Acme"), verify.Digest{4})
	if store.loads != 1 {
		t.Errorf("the report of the release before was loaded %d times", store.loads)
	}
	after := compare(revoked, verify.Digest{5})
	if store.loads != 2 || len(after.Sentences()) <= len(before.Sentences()) {
		t.Errorf("%d loads; %q", store.loads, after.Sentences())
	}
	compare(signed("Acme"), verify.Digest{}) // what is not stored is compared each time
	compare(revoked, verify.Digest{})
	if store.loads != 4 {
		t.Errorf("%d loads", store.loads)
	}
}
