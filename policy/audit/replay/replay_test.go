package replay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

const signedByAcme = `
anchors:
  acme: {authenticode: {organization: Acme Ltd}}
  other: {authenticode: {organization: Other Inc}}
channels:
- {name: acme, hosts: [downloads.example.com], require: [{signed_by: [acme]}]}
`

// update is where the updates of these tests come from.
const update = "https://downloads.example.com/app.exe?token=secret"

func TestReplaySaysWhatChanges(t *testing.T) {
	tests := []struct {
		name      string
		next      string
		findings  []verify.Finding
		want      Counts
		otherwise int64
		before    string // rule of the only group
		now       string
	}{
		{"the same policy changes nothing", signedByAcme, []verify.Finding{by("Acme Ltd")}, Counts{}, 0, "", ""},
		{"another publisher is wanted", strings.Replace(signedByAcme, "[acme]}]", "[other]}]", 1), []verify.Finding{by("Acme Ltd")}, Counts{Refused: 1}, 0, "channel acme", "channel acme"},
		{"the publisher that was refused is wanted now", strings.Replace(signedByAcme, "[acme]}]", "[acme, other]}]", 1), []verify.Finding{by("Other Inc")}, Counts{Allowed: 1}, 0, "channel acme", "channel acme"},
		{"it is blocked instead of quarantined", "defaults: {unproven: block}\n" + signedByAcme, []verify.Finding{unsigned}, Counts{}, 1, "", ""},
		{"a deny rule names the host", signedByAcme + "deny:\n- {name: gone, hosts: [downloads.example.com]}\n", []verify.Finding{by("Acme Ltd")}, Counts{Refused: 1}, 0, "channel acme", "deny gone"},
		{"the channel is gone, and its host passed through", "anchors: {acme: {authenticode: {organization: Acme Ltd}}}\nchannels:\n- {name: else, hosts: [else.example.com], require: [{signed_by: [acme]}]}\n", []verify.Finding{by("Acme Ltd")}, Counts{Unseen: 1}, 0, "channel acme", "defaults.hosts"},
		{"it was refused, and the host is passed through", "anchors: {acme: {authenticode: {organization: Acme Ltd}}}\nchannels:\n- {name: else, hosts: [else.example.com], require: [{signed_by: [acme]}]}\n", []verify.Finding{unsigned}, Counts{Allowed: 1}, 0, "channel acme", "defaults.hosts"},
		{"it only observes", "defaults: {mode: observe}\n" + signedByAcme, []verify.Finding{unsigned}, Counts{Allowed: 1}, 0, "channel acme", "channel acme"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.decide(parse(t, signedByAcme), r.facts(update, tt.findings...))
			got := r.run(parse(t, tt.next))
			if got.Counts != tt.want || got.Otherwise != tt.otherwise || got.Decisions != 1 {
				t.Fatalf("got %+v", got)
			}
			groups := append(append(append([]Group{}, got.Refused...), got.Allowed...), got.Unseen...)
			if tt.now == "" {
				if len(groups) != 0 || got.Same != 1 {
					t.Errorf("got groups %+v of %+v", groups, got)
				}
				return
			}
			if len(groups) != 1 || groups[0].Before != tt.before || groups[0].Now != tt.now || groups[0].Count != 1 {
				t.Fatalf("got groups %+v", groups)
			}
			e := groups[0].Examples[0]
			if e.Name != "app.exe" || e.URL != "https://downloads.example.com/app.exe?token=REDACTED" || e.Record == "" || !e.Time.Equal(began) || len(e.Before.Reasons) == 0 || len(e.Now.Reasons) == 0 {
				t.Errorf("got example %+v", e)
			}
		})
	}
}

// What a new policy asks that nobody had asked is never taken for an answer, unless the answer cannot matter.
func TestReplayDoesNotGuess(t *testing.T) {
	const minisign = "anchors:\n  acme: {authenticode: {organization: Acme Ltd}}\n  key: {minisign: {key: \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"}}\n"
	const other = "  other: {minisign: {key: \"RWR35TKDJJTSwgvgtwx21j+gLtjOyTiuLUHxwLofdQILpTHyowANLpK/\"}}\n"
	const channel = "channels:\n- {name: acme, hosts: [downloads.example.com], require: [%s]}\n"
	with := func(require string) string { return minisign + fmt.Sprintf(channel, require) }
	two := func(require string) string { return minisign + other + fmt.Sprintf(channel, require) }
	feeds := func(require string) string {
		return "anchors: {acme: {authenticode: {organization: Acme Ltd}}}\nfeeds: {bad: {url: \"https://feeds.example.com/bad.txt\"}}\n" + fmt.Sprintf(channel, require)
	}
	tests := []struct {
		name    string
		next    string
		finding verify.Finding
		want    Counts
		why     string
	}{
		{"a key that nobody had looked for may vouch for it", with("{signed_by: [key]}"), unsigned, Counts{Open: 1}, "anchors key"},
		{"one of two is enough", with("{signed_by: [acme, key]}"), by("Acme Ltd"), Counts{}, ""},
		{"both are wanted", with("{signed_by: {anchors: [acme, key], threshold: 2}}"), by("Acme Ltd"), Counts{Open: 1}, "anchors key"},
		{"the key cannot make good what else is missing", with("{all: [{signed_by: [key]}, {signed_by: [acme]}]}"), unsigned, Counts{}, ""},
		{"a new list may name it", feeds("{signed_by: [acme]}, {not_listed: [bad]}"), by("Acme Ltd"), Counts{Open: 1}, "looked up in bad"},
		{"a new list cannot make good what is missing", feeds("{signed_by: [acme]}, {not_listed: [bad]}"), unsigned, Counts{}, ""},
		{"another key must not vouch for it", with("{not: {signed_by: [key]}}"), unsigned, Counts{Open: 1}, "anchors key"},
		{"one key may vouch, and another one must not", two("{signed_by: [key]}, {not: {signed_by: [other]}}"), unsigned, Counts{Open: 1}, "anchors key, other"},
		{"it may be on a list, and must be on another", feeds("{signed_by: [acme]}, {not: {not_listed: [bad]}}"), by("Acme Ltd"), Counts{Open: 1}, "looked up in bad"},
		{"what is denied may be inside", two("{signed_by: [acme]}") + "deny:\n- {name: no-other, signed_by: [other]}\n", by("Acme Ltd"), Counts{Open: 1}, "not opened"},
		{"what is denied may be inside, and nothing else is right", two("{signed_by: [key]}, {signed_by: [acme]}") + "deny:\n- {name: no-other, signed_by: [other]}\n", unsigned, Counts{}, ""},
		{"what is inside was not looked at", with("{signed_by: [acme]}, {contents: {signed_by: [acme]}}"), by("Acme Ltd"), Counts{Open: 1}, "not opened"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.decide(parse(t, signedByAcme), r.facts(update, tt.finding))
			got := r.run(parse(t, tt.next))
			if got.Counts != tt.want {
				t.Fatalf("got %+v, open %+v", got.Counts, got.Open)
			}
			if tt.why != "" && !strings.Contains(got.Open[0].Why, tt.why) {
				t.Errorf("said %q, want %q", got.Open[0].Why, tt.why)
			}
		})
	}
}

// What revocation lists said is part of a report. By other lists, or other rules for them, it may have been another one.
func TestReplayDoesNotGuessAboutRevocation(t *testing.T) {
	revoked := verify.Finding{Method: "authenticode", Status: verify.Invalid, Code: "authenticode/revoked", Detail: "revoked"}
	unknown := verify.Finding{Method: "authenticode", Status: verify.Untrusted, Code: "authenticode/revocation-unknown", Signer: by("Acme Ltd").Signer}
	stranger := unknown
	stranger.Signer = by("Other Inc").Signer
	const fetched = "revocation: {fetch: true, unknown: refuse}\n" + signedByAcme
	tests := []struct {
		name         string
		before, next string
		finding      verify.Finding
		want         Counts
	}{
		{"the same rules", fetched, fetched, revoked, Counts{}},
		{"no lists any more, and it had been revoked", fetched, signedByAcme, revoked, Counts{Open: 1}},
		{"no lists any more, and that was not known", fetched, signedByAcme, unknown, Counts{Open: 1}},
		{"no lists any more, and somebody else had signed", fetched, signedByAcme, stranger, Counts{}},
		{"no lists any more, and nobody had signed", fetched, signedByAcme, unsigned, Counts{}},
		{"no lists any more, and all was well", fetched, signedByAcme, by("Acme Ltd"), Counts{Open: 1}},
		{"lists now, and it may have been revoked", signedByAcme, fetched, by("Acme Ltd"), Counts{Open: 1}},
		{"lists now, and nobody had signed", signedByAcme, fetched, unsigned, Counts{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			before, next := parse(t, tt.before), parse(t, tt.next)
			rec := r.decide(before, r.facts(update, tt.finding))
			if got := r.run(next); got.Counts != tt.want {
				t.Errorf("got %+v, open %+v", got.Counts, got.Open)
			}
			may := int64(0)
			if tt.want.Open > 0 && rec.Decision.Action != policy.Allow {
				may = 1
			}
			if got := r.loosening(before, next); got.Maybe != may || got.Count != 0 {
				t.Errorf("the guard says %+v, want %d", got, may)
			}
		})
	}
}

func TestReplayKnowsPinsFromTheirDigests(t *testing.T) {
	r := newRig(t)
	rec := r.decide(parse(t, signedByAcme), r.facts(update, unsigned))
	pinned := fmt.Sprintf("anchors: {pins: {digest: {sha256: [%s]}}}\nchannels:\n- {name: acme, hosts: [downloads.example.com], require: [{signed_by: [pins]}]}\n", rec.Artifact.SHA256)
	if got := r.run(parse(t, pinned)); got.Counts != (Counts{Allowed: 1}) {
		t.Errorf("got %+v", got)
	}
}

func TestReplayIsAsOfTheTimeOfTheRecord(t *testing.T) {
	r := newRig(t)
	rec := r.decide(parse(t, signedByAcme), r.facts(update, unsigned))
	excepted := func(until time.Time) string {
		return signedByAcme + fmt.Sprintf("exceptions:\n- {name: INC-1, channel: acme, sha256: [%s], reason: re-signed, owner: alice, expires: %s}\n", rec.Artifact.SHA256, until.Format(time.RFC3339))
	}
	if got := r.run(parse(t, excepted(began.Add(time.Hour)))); got.Counts != (Counts{Allowed: 1}) { // long over by now
		t.Errorf("an exception that held then: %+v", got.Counts)
	}
	if got := r.run(parse(t, excepted(began.Add(-time.Hour)))); got.Counts != (Counts{}) {
		t.Errorf("an exception that had ended: %+v", got.Counts)
	}
}

func TestReplayHeedsReleasesOfThatTime(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	f := r.facts(update, unsigned)
	hand := &audit.Release{SHA256: f.Update.SHA256, Scope: "acme", Reason: "it is fine", By: "alice"}
	r.decide(p, f) // refused
	append := func(kind audit.Kind, at time.Time) audit.Receipt {
		receipt, err := r.log.Append(audit.Record{Kind: kind, Time: at, Release: hand})
		if err != nil {
			t.Fatal(err)
		}
		return receipt
	}
	given := append(audit.KindRelease, r.at)
	r.at = r.at.Add(time.Minute)
	f.Releases = []policy.Release{{Record: given.ID(), SHA256: hand.SHA256, Scope: hand.Scope}}
	r.decide(p, f) // let through
	append(audit.KindReject, r.at)
	r.at = r.at.Add(time.Minute)
	f.Releases = nil
	r.decide(p, f) // refused again
	got := r.run(p)
	if got.Same != 3 || got.Counts != (Counts{}) {
		t.Errorf("got %+v", got)
	}
}

func TestReplaySaysWhatBecomesOfTunnels(t *testing.T) {
	r := newRig(t)
	for _, host := range []string{"downloads.example.com:443", "downloads.example.com:443", "evil.example.com:443", "else.example.com:443"} {
		if _, err := r.log.Append(audit.Record{Kind: audit.KindTunnel, Tunnel: &audit.Tunnel{Host: host, Result: "closed"}}); err != nil {
			t.Fatal(err)
		}
	}
	got := r.run(parse(t, signedByAcme+"hosts: {deny: [evil.example.com]}\n")).Tunnels
	if got.Connections != 4 || got.Inspected != 2 || got.Denied != 1 || len(got.Hosts) != 2 || got.Hosts[0] != (Host{"downloads.example.com", "inspect", 2}) {
		t.Errorf("got %+v", got)
	}
}

func TestReplayOfAPeriod(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	for range 10 {
		r.decide(p, r.facts(update, unsigned))
	}
	out, err := Run(t.Context(), Options{Log: r.dir + "/log", Reports: r.reports, Policy: p, Since: began.Add(2 * time.Minute), Until: began.Add(5 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if out.Decisions != 3 || !out.First.Equal(began.Add(2*time.Minute)) || !out.Last.Equal(began.Add(4*time.Minute)) {
		t.Errorf("got %+v", out)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	s := newSummary(2)
	for i := range 3 * maxGroups {
		s.add(outcome{kind: refused, record: audit.Record{Channel: fmt.Sprint(i), Decision: &audit.Decision{Action: policy.Allow}}, now: policy.Decision{Rule: "x"}})
	}
	out := s.result()
	if len(out.Refused) != maxGroups+1 || out.Counts.Refused != 3*maxGroups || out.Refused[0].Before != "others" || out.Refused[0].Count != 2*maxGroups {
		t.Errorf("%d groups, the first %+v", len(out.Refused), out.Refused[0])
	}
}
