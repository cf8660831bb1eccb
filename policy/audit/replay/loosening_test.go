package replay

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

func TestTheGuardSeesWhatALoosenedPolicyLetsThrough(t *testing.T) {
	anybody := strings.Replace(signedByAcme, "[acme]}]", "[acme, other]}]", 1)
	tests := []struct {
		name         string
		inForce      string
		next         string
		finding      verify.Finding
		count, maybe int64
		unseen       []string
	}{
		{"the same", signedByAcme, signedByAcme, unsigned, 0, 0, nil},
		{"one more publisher, who signed what was refused", signedByAcme, anybody, by("Other Inc"), 1, 0, nil},
		{"one more publisher, who did not", signedByAcme, anybody, unsigned, 0, 0, nil},
		{"it has been in force since", anybody, anybody + "deny:\n- {name: x, hosts: [x.example.com]}\n", by("Other Inc"), 0, 0, nil},
		{"stricter", signedByAcme, "defaults: {unproven: block}\n" + signedByAcme, unsigned, 0, 0, nil},
		{"observing", signedByAcme, "defaults: {mode: observe}\n" + signedByAcme, unsigned, 1, 0, nil},
		{"the host is not looked at any more", signedByAcme, "anchors: {acme: {authenticode: {organization: Acme Ltd}}}\nchannels:\n- {name: e, hosts: [e.example.com], require: [{signed_by: [acme]}]}\n", unsigned, 1, 0, []string{"downloads.example.com"}},
		{"a key of which nobody knows whether it signed", signedByAcme, strings.Replace(strings.Replace(signedByAcme, "channels:", "  key: {minisign: {key: \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"}}\nchannels:", 1), "[acme]}]", "[acme, key]}]", 1), unsigned, 0, 1, nil},
		{"a new list only makes it stricter", signedByAcme, "feeds: {bad: {url: \"https://feeds.example.com/bad.txt\"}}\n" + strings.Replace(signedByAcme, "[acme]}]", "[acme]}, {not_listed: [bad]}]", 1), unsigned, 0, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.decide(parse(t, signedByAcme), r.facts(update, tt.finding))
			r.decide(parse(t, signedByAcme), r.facts(update, by("Acme Ltd"))) // what was let through does not matter
			got := r.loosening(parse(t, tt.inForce), parse(t, tt.next))
			if got.Count != tt.count || got.Maybe != tt.maybe || !slices.Equal(got.Unseen, tt.unseen) || got.Judged != 1 {
				t.Fatalf("got %+v", got)
			}
			if got.Any() != (tt.count+tt.maybe > 0 || tt.unseen != nil) {
				t.Errorf("Any is %t for %+v", got.Any(), got)
			}
		})
	}
}

func TestTheGuardLooksAtClocks(t *testing.T) {
	r := newRig(t)
	old := r.decide(parse(t, signedByAcme), r.facts(update, unsigned))
	excepted := func(expires time.Time) string {
		return signedByAcme + fmt.Sprintf("exceptions:\n- {name: INC-1, channel: acme, sha256: [%s], reason: r, owner: o, expires: %s}\n", old.Artifact.SHA256, expires.Format(time.RFC3339))
	}
	r.at = began.Add(48 * time.Hour)
	if got := r.loosening(parse(t, signedByAcme), parse(t, excepted(began.Add(96*time.Hour)))); got.Count != 1 {
		t.Errorf("an exception that begins: %+v", got)
	}
	// One that has ended would have let it through then, but lets nothing through now: it is said all the same, since nobody may
	// have seen that it was there.
	if got := r.loosening(parse(t, signedByAcme), parse(t, excepted(began.Add(time.Hour)))); got.Count != 1 {
		t.Errorf("an exception that has ended: %+v", got)
	}
	if got := r.loosening(parse(t, signedByAcme), parse(t, excepted(began.Add(-time.Hour)))); got.Count != 0 {
		t.Errorf("an exception that had ended before: %+v", got)
	}
	// Later than at the time of the record.
	later := strings.Replace(signedByAcme, "[{signed_by: [acme]}]", "[{any: [{signed_by: [acme]}, {if: \"now > timestamp('2026-11-02T00:00:00Z')\"}]}]", 1)
	if got := r.loosening(parse(t, signedByAcme), parse(t, later)); got.Count != 1 {
		t.Errorf("an expression that has become true: %+v", got)
	}
}

func TestTheGuardLooksBackThirtyDays(t *testing.T) {
	r := newRig(t)
	anybody := parse(t, strings.Replace(signedByAcme, "[acme]}]", "[acme, other]}]", 1))
	r.decide(parse(t, signedByAcme), r.facts(update, by("Other Inc")))
	r.at = began.Add(29 * 24 * time.Hour)
	if got := r.loosening(parse(t, signedByAcme), anybody); got.Count != 1 {
		t.Errorf("after 29 days: %+v", got)
	}
	r.at = began.Add(31 * 24 * time.Hour)
	if got := r.loosening(parse(t, signedByAcme), anybody); got.Count != 0 || got.Judged != 0 {
		t.Errorf("after 31 days: %+v", got)
	}
}

func TestTheGuardIsBounded(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	for range 30 {
		r.decide(p, r.facts(update, by("Other Inc")))
	}
	anybody := parse(t, strings.Replace(signedByAcme, "[acme]}]", "[acme, other]}]", 1))
	got, err := Loosening(t.Context(), Guard{Log: r.dir + "/log", Reports: r.reports, InForce: p, Next: anybody, Now: r.at, Most: 10})
	if err != nil || got.Judged != 10 || got.Count != 10 || got.Cut == "" {
		t.Errorf("got %+v, %v", got, err)
	}
	latest := got.Allowed[0].Examples[0].Time
	if latest.Before(began.Add(29 * time.Minute)) {
		t.Errorf("it began with %s, not with the latest", latest)
	}
	same := r.facts(update, by("Other Inc"))
	for range 20 {
		r.decide(p, same)
	}
	if got := r.loosening(p, anybody); got.Judged != 31 {
		t.Errorf("%d refusals were judged, though 20 of 50 are of the same file", got.Judged)
	}
}

// A policy that loosens must not come through because somebody has taken away what it is judged by.
func TestTheGuardWithoutReports(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	r.decide(p, r.facts(update, by("Other Inc")))
	anything := parse(t, strings.Replace(signedByAcme, "[{signed_by: [acme]}]", "[{if: \"update.size > 0\"}]", 1))
	got, err := Loosening(context.Background(), Guard{Log: r.dir + "/log", InForce: p, Next: anything, Now: r.at})
	if err != nil || got.Count != 1 {
		t.Errorf("a policy that asks nothing of the file: %+v, %v", got, err)
	}
	other := parse(t, strings.Replace(signedByAcme, "[acme]}]", "[other]}]", 1))
	got, err = Loosening(context.Background(), Guard{Log: r.dir + "/log", InForce: p, Next: other, Now: r.at})
	if err != nil || got.Gone != 1 {
		t.Errorf("a policy that asks who signed: %+v, %v", got, err)
	}
}

func TestReplayOfWhatIsGone(t *testing.T) {
	p := parse(t, signedByAcme)
	anybody := parse(t, strings.Replace(signedByAcme, "[acme]}]", "[acme, other]}]", 1))
	lab := "clients: {lab: [10.0.0.0/8]}\n" + strings.Replace(signedByAcme, "name: acme,", "name: acme, clients: [lab],", 1)
	edit := func(t *testing.T, dir, from, to string) {
		t.Helper()
		files, err := filepath.Glob(dir + "/log/personal-*.jsonl")
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		data, err := os.ReadFile(files[0])
		if err != nil || !strings.Contains(string(data), from) {
			t.Fatalf("%q is not in %s: %v", from, data, err)
		}
		if err := os.WriteFile(files[0], []byte(strings.ReplaceAll(string(data), from, to)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		spoil  func(*testing.T, *rig, audit.Record)
		policy *policy.Policy
		want   Counts
		why    string
	}{
		{"all is there", func(*testing.T, *rig, audit.Record) {}, anybody, Counts{Allowed: 1}, ""},
		{"the personal values were deleted", func(t *testing.T, r *rig, _ audit.Record) {
			files, _ := filepath.Glob(r.dir + "/log/personal-*.jsonl")
			for _, f := range files {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
		}, anybody, Counts{Open: 1}, "the URL of the request was deleted"},
		{"the URL was altered", func(t *testing.T, r *rig, _ audit.Record) {
			edit(t, r.dir, "downloads.example.com", "allowed0s.example.com")
		}, anybody, Counts{Open: 1}, "the URL of the request was altered"},
		{"the client was altered, and does not matter", func(t *testing.T, r *rig, _ audit.Record) { edit(t, r.dir, "10.0.0.7", "10.9.9.9") }, anybody, Counts{Allowed: 1}, ""},
		{"the client was altered, and matters", func(t *testing.T, r *rig, _ audit.Record) { edit(t, r.dir, "10.0.0.7", "10.9.9.9") }, parse(t, lab), Counts{Open: 1}, "who asked was altered"},
		{"the report is gone", func(t *testing.T, r *rig, _ audit.Record) { r.reports = emptied(t) }, anybody, Counts{Open: 1}, "report is not kept"},
		{"the report is gone, and a deny rule needs none", func(t *testing.T, r *rig, _ audit.Record) { r.reports = emptied(t) }, parse(t, signedByAcme+"deny:\n- {name: d, paths: [\"/*.exe\"], hosts: [downloads.example.com]}\n"), Counts{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			rec := r.decide(p, r.facts(update, by("Other Inc")))
			tt.spoil(t, r, rec)
			got := r.run(tt.policy)
			if got.Counts != tt.want || got.Decisions != 1 {
				t.Fatalf("got %+v", got)
			}
			if tt.why != "" && !strings.Contains(got.Open[0].Why, tt.why) {
				t.Errorf("said %q, want %q", got.Open[0].Why, tt.why)
			}
		})
	}
}

func emptied(t *testing.T) *audit.Reports {
	t.Helper()
	r, err := audit.ReadReports(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A channel that a redirect had brought along and that is gone leaves open which of the new ones it would be.
func TestReplayOfRedirectsFromChannelsThatAreGone(t *testing.T) {
	r := newRig(t)
	two := signedByAcme + "- {name: cdn, hosts: [cdn.example.com], require: [{signed_by: [acme]}]}\n"
	f := r.facts("https://cdn.example.com/app.exe", by("Acme Ltd"))
	f.Request.Carried = []policy.Carried{{Scope: "acme"}}
	r.decide(parse(t, two), f)
	if got := r.run(parse(t, two)); got.Same != 1 {
		t.Errorf("the same policy: %+v", got)
	}
	if got := r.run(parse(t, strings.Replace(two, "name: acme,", "name: acme-2,", 1))); got.Counts != (Counts{Open: 1}) {
		t.Errorf("the channel has another name: %+v", got.Counts)
	}
}
