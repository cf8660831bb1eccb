package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsLooserOfHostsPathsAndClients(t *testing.T) {
	const signed = "anchors: {acme: {authenticode: {organization: Acme Ltd}}}\n"
	const acme = signed + "channels:\n- {name: acme, hosts: [dl.example.com, \"*.acme.example\"], require: [{signed_by: [acme]}]}\n"
	with := func(from, to string) string {
		if !strings.Contains(acme, from) {
			t.Fatalf("%q is not in %s", from, acme)
		}
		return strings.Replace(acme, from, to, 1)
	}
	const lab = "clients: {lab: [10.1.0.0/16], office: [10.2.0.0/16], people: [\"user:bob\"]}\n"
	ofLab := lab + with("name: acme,", "name: acme, clients: [lab],")
	tests := []struct {
		name, before, next                   string
		unseen, undenied, observed, admitted []string
	}{
		{name: "the same", before: acme, next: acme},
		{name: "the channel is gone", before: acme, next: signed, unseen: []string{"*.acme.example", "dl.example.com"}},
		{name: "another channel has its hosts", before: acme, next: with("name: acme", "name: other")},
		{name: "one host below a domain is passed through", before: "hosts: {inspect: [\"*.acme.example\"]}\n", next: "hosts: {inspect: [\"*.acme.example\"], tunnel: [cdn.acme.example]}\n", unseen: []string{"cdn.acme.example"}},
		{name: "all below a domain below are passed through", before: "hosts: {inspect: [\"*.acme.example\"]}\n", next: "hosts: {inspect: [\"*.acme.example\"], tunnel: [\"*.cdn.acme.example\"]}\n", unseen: []string{"*.cdn.acme.example"}},
		{name: "a host that only defaults.hosts is about is passed through", before: "defaults: {hosts: inspect}\n", next: "defaults: {hosts: inspect}\nhosts: {tunnel: [pinned.example]}\n", unseen: []string{"pinned.example"}},
		{name: "others are passed through", before: "defaults: {hosts: inspect}\n", next: "", unseen: []string{unnamed}},
		{name: "others are looked at", before: "", next: "defaults: {hosts: inspect}\n"},
		{name: "others are refused", before: "", next: "defaults: {hosts: deny}\n"},
		{name: "others were refused", before: "defaults: {hosts: deny}\n", next: "", undenied: []string{unnamed}},
		{name: "one that was refused with all others is passed through", before: "defaults: {hosts: deny}\n", next: "defaults: {hosts: deny}\nhosts: {tunnel: [pinned.example]}\n", undenied: []string{"pinned.example"}},
		{name: "upgrades", before: acme, next: acme + "hosts: {upgrades: [dl.example.com]}\n", unseen: []string{"dl.example.com once a connection is upgraded"}},
		{name: "no upgrades any more", before: acme + "hosts: {upgrades: [\"*.acme.example\"]}\n", next: acme + "hosts: {upgrades: [ws.acme.example]}\n"},

		{name: "a host is not refused any more", before: "hosts: {deny: [evil.example, \"*.bad.example\"]}\n", next: "hosts: {deny: [evil.example]}\n", undenied: []string{"*.bad.example"}},
		{name: "and looked at", before: "hosts: {deny: [evil.example]}\n", next: "hosts: {inspect: [evil.example]}\n", undenied: []string{"evil.example"}},
		{name: "fewer hosts below", before: "hosts: {deny: [\"*.bad.example\"]}\n", next: "hosts: {deny: [\"*.very.bad.example\"]}\n", undenied: []string{"*.bad.example"}},
		{name: "more hosts", before: "hosts: {deny: [www.bad.example]}\n", next: "hosts: {deny: [\"*.bad.example\"]}\n"},
		{name: "a deny rule does it", before: "hosts: {deny: [www.bad.example]}\n", next: "deny:\n- {name: bad, hosts: [\"*.bad.example\"]}\n"},
		{name: "a rule has another name", before: "deny:\n- {name: bad, hosts: [bad.example], paths: [\"/x/**\"]}\n", next: "deny:\n- {name: worse, reason: r, hosts: [bad.example], paths: [\"/y\", \"/x/**\"]}\n"},
		{name: "a rule for all hosts", before: "deny:\n- {name: bad, paths: [\"/x/**\"]}\n", next: "", undenied: []string{"the paths of deny rule bad"}},
		{name: "a rule for fewer hosts", before: "deny:\n- {name: bad, paths: [\"/x/**\"]}\n", next: "deny:\n- {name: bad, hosts: [bad.example], paths: [\"/x/**\"]}\n", undenied: []string{"the paths of deny rule bad"}},
		{name: "a rule for fewer paths", before: "deny:\n- {name: bad, hosts: [bad.example], paths: [\"/x/**\", \"/y/**\"]}\n", next: "deny:\n- {name: bad, hosts: [bad.example], paths: [\"/x/**\"]}\n", undenied: []string{"the paths of deny rule bad on bad.example"}},
		{name: "all of the host", before: "deny:\n- {name: bad, hosts: [bad.example], paths: [\"/x/**\"]}\n", next: "hosts: {deny: [bad.example]}\n"},
		{name: "a rule asks for more", before: "deny:\n- {name: bad, hosts: [bad.example]}\n", next: signed + "deny:\n- {name: bad, hosts: [bad.example], signed_by: [acme]}\n", undenied: []string{"bad.example"}},
		{name: "a rule about files is told by decisions", before: "deny:\n- {name: f, sha256: [" + strings.Repeat("ab", 32) + "]}\n", next: ""},
		{name: "it is refused as all others are", before: "defaults: {hosts: deny}\nhosts: {deny: [bad.example]}\n", next: "defaults: {hosts: deny}\n"},
		{name: "it is refused as all others are, but for one", before: "defaults: {hosts: deny}\nhosts: {deny: [\"*.bad.example\"]}\n", next: "defaults: {hosts: deny}\nhosts: {inspect: [a.bad.example]}\n", undenied: []string{"*.bad.example"}},

		{name: "everything is observed", before: acme, next: "defaults: {mode: observe}\n" + acme, observed: []string{"*.acme.example", "dl.example.com"}},
		{name: "everything is observed, also what no channel names", before: "defaults: {hosts: inspect}\n", next: "defaults: {hosts: inspect, mode: observe}\n", observed: []string{"every host that no channel names"}},
		{name: "a new channel observes where nobody looked", before: acme, next: acme + "- {name: new, hosts: [new.example], mode: observe, require: [{signed_by: [acme]}]}\n"},
		{name: "a new channel observes what another one judged", before: acme, next: with("- {name: acme", "- {name: new, mode: observe, hosts: [dl.example.com], paths: [\"/{a,b}/**\"], require: [{signed_by: [acme]}]}\n- {name: acme"), observed: []string{"dl.example.com"}},
		{name: "what was observed is enforced", before: "defaults: {mode: observe}\n" + acme, next: acme},

		{name: "for everybody", before: ofLab, next: lab + acme, admitted: []string{"acme (on dl.example.com)"}},
		{name: "for one more group", before: ofLab, next: lab + with("name: acme,", "name: acme, clients: [lab, office],"), admitted: []string{"acme (on dl.example.com)"}},
		{name: "for a user", before: ofLab, next: lab + with("name: acme,", "name: acme, clients: [lab, people],"), admitted: []string{"acme (on dl.example.com)"}},
		{name: "the group has grown", before: ofLab, next: strings.Replace(ofLab, "10.1.0.0/16", "10.0.0.0/15", 1), admitted: []string{"acme (on dl.example.com)"}},
		{name: "the group has shrunk", before: ofLab, next: strings.Replace(ofLab, "10.1.0.0/16", "10.1.2.0/24", 1)},
		{name: "the group has another name", before: ofLab, next: strings.ReplaceAll(ofLab, "lab", "laboratory")},
		{name: "for fewer", before: lab + acme, next: ofLab},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, next := mustParse(t, "version: 1\n"+tt.before), mustParse(t, "version: 1\n"+tt.next)
			got := next.LooserThan(before)
			for _, c := range []struct {
				what      string
				got, want []string
			}{{"unseen", got.Unseen, tt.unseen}, {"undenied", got.Undenied, tt.undenied}, {"observed", got.Observed, tt.observed}, {"admitted", got.Admitted, tt.admitted}} {
				if !slices.Equal(c.got, c.want) {
					t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
				}
			}
			if got.Any() != (len(tt.unseen)+len(tt.undenied)+len(tt.observed)+len(tt.admitted) > 0) {
				t.Errorf("Any is %t for %+v", got.Any(), got)
			}
		})
	}
}

// A long list of what is refused is compared with the next one in a moment.
func TestLongListsAreCompared(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\ndefaults: {hosts: deny}\ndeny:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "- {name: r%d, hosts: [h%d.bad.example], paths: [\"/x%d/**\"]}\n", i, i, i)
	}
	before := mustParse(t, b.String())
	if got := before.LooserThan(before); got.Any() {
		t.Errorf("got %+v", got)
	}
	if got := mustParse(t, strings.Replace(b.String(), "- {name: r77, hosts: [h77.bad.example], paths: [\"/x77/**\"]}\n", "", 1)).LooserThan(before); got.Any() { // it is refused as all others are
		t.Errorf("got %+v", got)
	}
}
