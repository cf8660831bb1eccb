package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// What an edit of the policy means, with what was refused under the one in force: what loosens has to be confirmed, and whatever else is
// changed must go through without a word, or people confirm without reading.
func TestTheGuardAndWaysAroundIt(t *testing.T) {
	const key = "  key: {minisign: {key: \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"}}\n"
	const otherKey = "  key: {minisign: {key: \"RWR35TKDJJTSwgvgtwx21j+gLtjOyTiuLUHxwLofdQILpTHyowANLpK/\"}}\n"
	withKey := strings.Replace(signedByAcme, "channels:", key+"channels:", 1)
	byKey := strings.Replace(withKey, "[acme]}]", "[key]}]", 1)
	unclear := verify.Finding{Method: "authenticode", Status: verify.Inconclusive, Code: "authenticode/not-available", Detail: "it could not be told"}
	edit := func(text, from, to string) string {
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in %s", from, text)
		}
		return strings.Replace(text, from, to, 1)
	}
	const elsewhere = "https://elsewhere.example.com/app.exe"
	inspecting := "defaults: {hosts: inspect}\n" + signedByAcme
	denying := signedByAcme + "deny:\n- {name: by-other, signed_by: [other]}\n"
	tests := []struct {
		name          string
		inForce, next string
		address       string
		finding       verify.Finding
		loosens       bool
	}{
		{"unmatched updates are let through", inspecting, edit(inspecting, "{hosts: inspect}", "{hosts: inspect, unmatched: allow}"), elsewhere, unsigned, true},
		{"unmatched updates are quarantined instead of blocked", edit(inspecting, "{hosts: inspect}", "{hosts: inspect, unmatched: block}"), inspecting, elsewhere, unsigned, false},
		{"what cannot be told is let through", signedByAcme, edit(signedByAcme, "{signed_by: [acme]}", "{signed_by: [acme], on_inconclusive: allow}"), update, unclear, true},
		{"what cannot be told is let through, which this is not", signedByAcme, edit(signedByAcme, "{signed_by: [acme]}", "{signed_by: [acme], on_inconclusive: allow}"), update, unsigned, false},
		{"a key under the same name is another one", byKey, edit(byKey, key, otherKey), update, unsigned, true},
		{"a key that nothing asks for is another one", withKey, edit(withKey, key, otherKey), update, unsigned, false},
		{"an anchor is wider", signedByAcme, edit(signedByAcme, "{organization: Acme Ltd}", "{organization: \"*\"}"), update, by("Other Inc"), true},
		{"an anchor is narrower", signedByAcme, edit(signedByAcme, "{organization: Acme Ltd}", "{organization: Acme Ltd, country: DE}"), update, by("Other Inc"), false},
		{"a deny rule is gone", edit(denying, "[acme]}]", "[other]}]"), edit(signedByAcme, "[acme]}]", "[other]}]"), update, by("Other Inc"), true},
		{"a deny rule is gone, and the channel still refuses", denying, signedByAcme, update, by("Other Inc"), false},
		{"the channel has another name", signedByAcme, edit(signedByAcme, "name: acme,", "name: another,"), update, unsigned, false},
		{"one requirement of two is gone", edit(signedByAcme, "[{signed_by: [acme]}]", "[{signed_by: [acme]}, {if: \"update.size > 5 * MiB\"}]"), signedByAcme, update, by("Acme Ltd"), true},
		{"one requirement more", signedByAcme, edit(signedByAcme, "[{signed_by: [acme]}]", "[{signed_by: [acme]}, {min_age: 14d}]"), update, unsigned, false},
		{"a threshold is lower", edit(signedByAcme, "[acme]}]", "{anchors: [acme, other], threshold: 2}}]"), edit(signedByAcme, "[acme]}]", "{anchors: [acme, other], threshold: 1}}]"), update, by("Acme Ltd"), true},
		{"a comment", signedByAcme, signedByAcme + "# nothing\n", update, unsigned, false},
		{"another channel", signedByAcme, signedByAcme + "- {name: new, hosts: [new.example.com], require: [{signed_by: [other]}]}\n", update, unsigned, false},
		{"a list more", signedByAcme, "feeds: {bad: {url: \"https://feeds.example.com/bad.txt\"}}\n" + edit(signedByAcme, "[acme]}]", "[acme]}, {not_listed: [bad]}]"), update, unsigned, false},
		{"a deny rule more", signedByAcme, denying, update, by("Other Inc"), false},
		{"an exception for a file that nobody asked for", signedByAcme, signedByAcme + "exceptions:\n- {name: E, channel: acme, sha256: [" + strings.Repeat("cd", 32) + "], reason: r, owner: o, expires: 2027-01-01T00:00Z}\n", update, unsigned, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			inForce, next := parse(t, tt.inForce), parse(t, tt.next)
			rec := r.decide(inForce, r.facts(tt.address, tt.finding))
			if rec.Decision.Action == policy.Allow {
				t.Fatalf("it was not refused: %+v", rec.Decision)
			}
			r.at = began.Add(time.Hour)
			if got := r.loosening(inForce, next); got.Any() != tt.loosens {
				t.Errorf("it loosens: %t, want %t: %+v", got.Any(), tt.loosens, got)
			}
		})
	}
}
