package policy

import (
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// TestASignatureByAStrangerIsNoSignAgainst has a key that nobody knows sign beside one that vouches, as npm does.
func TestASignatureByAStrangerIsNoSignAgainst(t *testing.T) {
	src := `version: 1
anchors: {vendor: {authenticode: {organization: Vendor Ltd}}}
channels:
- {name: aged, hosts: [aged.example], require: [{min_age: 7d}]}
- {name: strict, hosts: [strict.example], require: [{contents: {signed_by: [vendor], strict: true}}]}
`
	p := mustParse(t, src)
	for _, c := range []struct {
		subject, code string
		want          Action
	}{
		{"", "sigstore/unknown-key", Allow},
		{"", "anomaly/neighbour", Quarantine},
		{"lib.dll", "signify/unknown-key", Quarantine}, // somebody has put a file of his own into it
	} {
		for _, host := range []string{"aged.example", "strict.example"} {
			f := facts(t, "https://"+host+"/app-1.0.msi")
			f.History = History{Known: true, FirstSeen: now.AddDate(0, 0, -8)}
			f.Report.Contents = &verify.Contents{Containers: 1, Depth: 1}
			f.Report.Findings = []verify.Finding{{Subject: c.subject, Method: "sigstore", Status: verify.Untrusted, Code: c.code}}
			if d := p.Decide(f); d.Action != c.want {
				t.Errorf("%s about %q on %s: %s, want %s: %q", c.code, c.subject, host, d.Action, c.want, d.Reasons)
			}
		}
	}
}
