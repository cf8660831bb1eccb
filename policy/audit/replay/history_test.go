package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

const noDowngrade = `
anchors: {acme: {authenticode: {organization: Acme Ltd}}}
channels:
- {name: acme, hosts: [downloads.example.com], require: [{signed_by: [acme]}, {no_downgrade: true}]}
`

// What went before is known for the channels and products of the policy that was in force then. For others it is not nothing.
func TestReplayOfWhatRestsOnHistory(t *testing.T) {
	const address = "https://downloads.example.com/app-1.0.0.exe"
	signedOnly := strings.Replace(noDowngrade, ", {no_downgrade: true}", "", 1)
	tests := []struct {
		name    string
		inForce string
		next    string
		want    Counts
	}{
		{"the same", noDowngrade, noDowngrade, Counts{}},
		{"it is asked for now", signedOnly, noDowngrade, Counts{Refused: 1}},
		{"it is not asked for any more", noDowngrade, signedOnly, Counts{Allowed: 1}},
		{"the channel has another name", noDowngrade, strings.Replace(noDowngrade, "name: acme,", "name: another,", 1), Counts{Open: 1}},
		{"the channel takes it for another product", noDowngrade, strings.Replace(noDowngrade, "name: acme,", "name: acme, product: Another,", 1), Counts{Open: 1}},
		{"it may be young", signedOnly, strings.Replace(noDowngrade, "{no_downgrade: true}", "{min_age: 14d}", 1), Counts{Refused: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			p := parse(t, tt.inForce)
			f := r.facts(address, by("Acme Ltd"))
			editions := p.Editions(f.Request, f.Update, f.Report)
			if len(editions) != 1 || editions[0].Version != "1.0.0" {
				t.Fatalf("the update is %+v", editions)
			}
			before := editions[0]
			f.History = policy.History{Known: true, FirstSeen: began.Add(-time.Hour), Editions: editions, Past: map[string]policy.Past{"acme": {Product: before.Product, Releases: []policy.PastRelease{
				{Name: "app-2.0.0.exe", Version: "2.0.0", System: before.System, At: began.Add(-24 * time.Hour), Publishers: before.Publishers, Proofs: before.Proofs},
			}}}}
			r.decide(p, f)
			if got := r.run(parse(t, tt.next)); got.Counts != tt.want {
				t.Errorf("got %+v, want %+v; open %+v", got.Counts, tt.want, got.Open)
			}
		})
	}
}
