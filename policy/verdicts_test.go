package policy

import (
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Each requirement is told of once, and all of them hold exactly where the channels let an update through.
func TestVerdicts(t *testing.T) {
	p, err := Parse("policy.yaml", fstest.MapFS{}, []byte(`version: 1
anchors: {acme: {authenticode: {organization: Acme}}}
channels:
- {name: a, hosts: [a.example], require: [{signed_by: [acme]}, {if: "update.size < 100"}, {one_view: true}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	signed := verify.Report{Findings: []verify.Finding{{Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid", Signer: verify.Identity{Organization: "Acme"}}}}
	unsigned := verify.Report{Findings: []verify.Finding{{Method: "authenticode", Status: verify.Absent, Code: "authenticode/unsigned"}}}
	for _, c := range []struct {
		report verify.Report
		size   int64
		past   History
		want   []string
	}{
		{signed, 50, History{Known: true}, []string{"holds", "holds", "holds"}},
		{signed, 150, History{}, []string{"holds", "fails", "cannot be told"}},
		{unsigned, 50, History{Known: true}, []string{"fails", "holds", "holds"}},
	} {
		f := Facts{
			Request: Request{Carried: []Carried{{Scope: "a"}}}, Update: Update{Name: "a.exe", Format: "pe", Size: c.size, SHA256: verify.Digest{1}},
			Report: c.report, History: c.past, Now: time.Now(),
		}
		var got []string
		for _, v := range p.Verdicts(f) {
			got = append(got, v.Outcome)
			if v.Channel != "a" || v.Requirement == "" || v.Reason == "" {
				t.Errorf("%+v", v)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
		all := !slices.ContainsFunc(got, func(o string) bool { return o != "holds" })
		if d := p.Decide(f); (d.Action == Allow) != all {
			t.Errorf("%q, but it decides %s", got, d.Action)
		}
	}
}
