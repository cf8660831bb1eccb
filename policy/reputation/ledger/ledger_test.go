package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

func TestWhatWasAddedIsKnownAtOnce(t *testing.T) {
	r := newRig(t)
	if h := r.of(allow(1)); !h.Known || !h.FirstSeen.IsZero() || h.Requests != 0 || len(h.Views) != 0 {
		t.Errorf("before anything: %+v", h)
	}
	r.decide(update{digest: 1, action: policy.Block, client: "10.0.0.1"})
	r.now = r.now.Add(time.Hour)
	r.decide(allow(1))
	observed := allow(1)
	observed.observed = true
	r.decide(observed)
	h := r.of(allow(1))
	if h.Requests != 3 || h.Allowed != 1 || !h.FirstSeen.Equal(day0) {
		t.Errorf("%+v", h)
	}
}

func TestPastAdvancesByDecisionsThatCountOnly(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*update)
		want   int
		byHand bool
	}{
		{"allowed", func(*update) {}, 1, false},
		{"quarantined", func(u *update) { u.action = policy.Quarantine }, 0, false},
		{"blocked", func(u *update) { u.action = policy.Block }, 0, false},
		{"observed", func(u *update) { u.observed = true }, 0, false},
		{"observed and not allowed", func(u *update) { u.observed, u.action = true, policy.Block }, 0, false},
		{"by an exception", func(u *update) { u.rule = "exception INC-1" }, 1, true},
		{"by a release", func(u *update) { u.rule = "release 01ABC" }, 1, true},
		{"by another channel that was not waived", func(u *update) { u.rule = "channel other" }, 1, true},
		{"by both channels", func(u *update) { u.rule = "channel other+vendor" }, 1, false},
		{"no product", func(u *update) { u.edition.Product = "" }, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			u := allow(1).as(app("1.2.3"))
			c.change(&u)
			id := r.decide(u)
			check := func() {
				t.Helper()
				p := r.of(allow(2).as(u.edition)).Past["vendor"]
				if len(p.Releases) != c.want {
					t.Fatalf("%d releases, want %d", len(p.Releases), c.want)
				}
				if want := c.want == 1 && !c.byHand; (len(p.Proofs) > 0) != want {
					t.Errorf("proofs %v", p.Proofs)
				}
				if c.want == 0 {
					return
				}
				want := policy.PastRelease{Name: "app-1.exe", Version: "1.2.3", System: "semver", SHA256: sum(1), Publishers: []string{"o:Vendor"},
					Proofs: []string{"signed"}, At: day0, Record: id, ByHand: c.byHand}
				if !reflect.DeepEqual(p.Releases[0], want) {
					t.Errorf("got %+v\nwant %+v", p.Releases[0], want)
				}
			}
			check()
			r.close()
			r.open()
			check()
		})
	}
}

func TestPolicyThenPersonAndBack(t *testing.T) {
	r := newRig(t)
	hand := allow(1).as(app("1.0.0"))
	hand.rule = "release 01X"
	hand.edition.Proofs = nil
	r.decide(hand)
	if p := r.of(hand).Past["vendor"]; !p.Releases[0].ByHand || len(p.Releases[0].Proofs) != 0 {
		t.Errorf("%+v", p)
	}
	r.decide(allow(1).as(app("1.0.0")))
	if p := r.of(hand).Past["vendor"]; p.Releases[0].ByHand || len(p.Releases[0].Proofs) != 1 || len(p.Proofs) != 1 {
		t.Errorf("then by the policy: %+v", p)
	}
	r.now = r.now.Add(time.Hour)
	id := r.decide(hand)
	p := r.of(hand).Past["vendor"]
	if len(p.Releases) != 1 || p.Releases[0].ByHand || len(p.Releases[0].Proofs) != 1 || p.Releases[0].Record != id || !p.Releases[0].At.Equal(r.now) {
		t.Errorf("then by hand again: %+v", p)
	}
}

func TestTheHighestVersionIsAmongTheReleases(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1).as(app("9.1.0")))
	r.decide(allow(2).as(app("8.7.6")))
	hand := allow(3).as(app("10.0.0"))
	hand.rule = "exception X"
	r.decide(hand)
	for i := range 80 {
		r.decide(allow(100 + i).as(app("7.0." + strings.Repeat("1", 1+i%3) + string(rune('0'+i%10)))))
	}
	check := func(version string, want ...string) {
		t.Helper()
		p := r.of(allow(500).as(app(version))).Past["vendor"]
		if len(p.Releases) != maxReleases {
			t.Fatalf("%d releases", len(p.Releases))
		}
		found := map[string]bool{}
		for i, x := range p.Releases {
			found[x.Version] = true
			if i > 0 && x.Record > p.Releases[i-1].Record {
				t.Error("not the latest first")
			}
		}
		for _, v := range want {
			if !found[v] {
				t.Errorf("for %s: %s is not there", version, v)
			}
		}
		if p.Releases[0].SHA256 != sum(179) {
			t.Error("the latest is not there")
		}
	}
	check("7.0.5", "9.1.0", "10.0.0")
	check("8.0.0", "9.1.0", "10.0.0", "8.7.6")
	check("8.7.0", "9.1.0", "10.0.0", "8.7.6")
}

func TestBranches(t *testing.T) {
	for _, c := range []struct{ system, version, want string }{
		{"name", "", ""}, {"name", "1", "|1 1|2 1.0|3 1.0.0|4 1.0.0.0"}, {"name", "1.2.3", "|1 1|2 1.2|3 1.2.3|4 1.2.3.0"}, {"pe", "V01.2", "|1 1|2 1.2|3 1.2.0|4 1.2.0.0"},
		{"deb", "1:2.3-4", "|1 1:2|2 1:2.3|3 1:2.3.0|4 1:2.3.0.0"}, {"deb", "0:2.3-4", "|1 2|2 2.3|3 2.3.0|4 2.3.0.0"}, {"name", "1..2", ""}, {"name", "x", ""}, {"wat", "1.0", ""},
	} {
		if got := strings.Join(branches(c.system, c.version), "|"); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.system, c.version, got, c.want)
		}
	}
}

func TestViews(t *testing.T) {
	const elsewhere = "https://mirror.example/app.exe"
	for _, c := range []struct {
		name   string
		before update
		now    update
		want   string // what is the same; "" for no view
		others bool
	}{
		{"same bytes", allow(1), allow(1), "", false},
		{"same address", allow(1), allow(2), "url", false},
		{"same address, another client", allow(1).by("10.0.0.2"), allow(2), "url", true},
		{"same address, not known who", allow(1).by(""), allow(2), "url", false},
		{"another address", allow(1), allow(2).at(elsewhere), "", false},
		{"same version elsewhere", allow(1).as(app("1.0.0")), allow(2).at(elsewhere).as(app("1.0.0")), "version", false},
		{"both", allow(1).as(app("1.0.0")), allow(2).as(app("1.0.0")), "url+version", false},
		{"another version", allow(1).as(app("1.0.0")), allow(2).at(elsewhere).as(app("1.0.1")), "", false},
		{"no version", allow(1).as(app("")), allow(2).at(elsewhere).as(app("")), "", false},
		{"refused", update{digest: 1, action: policy.Block, client: "10.0.0.9"}, allow(2), "url", true},
		{"values in the query", allow(1).at("https://dl.example/get?id=1"), allow(2).at("https://dl.example/get?id=2"), "", false},
		{"a word in the query", allow(1).at("https://dl.example/get?app"), allow(2).at("https://dl.example/get?app"), "url", false},
		{"private", update{digest: 1, action: policy.Allow, private: true, edition: app("1.0.0")}, allow(2).as(app("1.0.0")), "", false},
		{"fragment and user", allow(1).at("https://u:p@dl.example/app.exe#x"), allow(2), "url", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			id := r.decide(c.before)
			r.now = r.now.Add(time.Hour)
			h := r.of(c.now)
			if c.want == "" {
				if len(h.Views) != 0 {
					t.Errorf("%+v", h.Views)
				}
				return
			}
			want := []policy.View{{Same: c.want, SHA256: sum(1), First: day0, Last: day0, Record: id, Others: c.others}}
			if !reflect.DeepEqual(h.Views, want) {
				t.Errorf("got %+v, want %+v", h.Views, want)
			}
		})
	}
}

func TestViewsBySeveralClientsAreOthersForEach(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1).by("10.0.0.1"))
	r.decide(allow(1).by("10.0.0.2"))
	for _, client := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		if v := r.of(allow(2).by(client)).Views; len(v) != 1 || !v[0].Others {
			t.Errorf("%s: %+v", client, v)
		}
	}
}

// Many builds of one version elsewhere do not crowd out what came under the very same address.
func TestViewsThatCountAreNotCrowdedOut(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1).as(app("1.0")))
	r.decide(allow(2).as(app("0.1")))
	for i := range 2 * maxSaid {
		r.decide(allow(i + 10).as(app("1.0")).at(fmt.Sprintf("https://elsewhere.example/%d/app.exe", i)))
	}
	h := r.of(allow(5000).as(app("1.0")))
	of := map[string]int{}
	for _, v := range h.Views {
		of[v.Same]++
	}
	if len(h.Views) != maxSaid || of["url+version"] != 1 || of["url"] != 1 {
		t.Errorf("%v", of)
	}
}

func TestViewsOfOneAddressAreBounded(t *testing.T) {
	r := newRig(t)
	for i := range maxViews + 20 {
		r.decide(allow(i))
	}
	h := r.of(allow(5000))
	if len(h.Views) != maxSaid {
		t.Errorf("%d views", len(h.Views))
	}
	var n int
	if _, err := r.ledger.store.get(t.Context(), "SELECT count(*) FROM views", nil, &n); err != nil || n != maxViews {
		t.Errorf("%d views are kept, %v", n, err)
	}
}

func TestRecalls(t *testing.T) {
	r := newRig(t)
	inner := []verify.Inner{{Path: "a/evil.dll", Format: "pe", Size: 5, SHA256: sum(77)}}
	u := allow(1)
	u.inner = inner
	r.decide(u)
	recall := func(n int, lifted bool) {
		t.Helper()
		rec := audit.Record{Kind: audit.KindRecall, Recall: &audit.Recall{SHA256: sum(n), Reason: "INC-7", By: "alice", Lifted: lifted}}
		receipt, err := r.l.Append(rec)
		r.must(err)
		rec.ID, rec.Time = receipt.ID(), receipt.Time()
		r.ledger.Add(rec, nil)
	}
	count := func(n int, rep verify.Report, want string) {
		t.Helper()
		var got []string
		for _, c := range r.ledger.Recalls(sum(n), rep) {
			got = append(got, c.By+" "+c.Path)
		}
		if strings.Join(got, ",") != want {
			t.Errorf("recalls of %d: %q, want %q", n, got, want)
		}
	}
	whole := verify.Report{Contents: &verify.Contents{Inner: inner}}
	count(1, whole, "")
	recall(77, false)
	for range 2 {
		count(77, verify.Report{}, "alice ")
		count(2, whole, "alice a/evil.dll")
		count(2, verify.Report{}, "")
		r.must(r.ledger.CatchUp(t.Context()))
		count(1, verify.Report{}, "alice a/evil.dll") // was looked into when it was let through
		r.close()
		r.open()
	}
	recall(77, true)
	count(1, whole, "")
	r.close()
	os.Remove(filepath.Join(r.dir, databaseFile))
	r.open()
	count(1, whole, "")
	recall(77, false)
	count(1, whole, "alice a/evil.dll")
}

func TestNothingIsSaidBeforeTheLogIsRead(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1))
	r.close()
	var err error
	r.ledger, err = Open(r.dir, r.log, r.options)
	r.must(err)
	if h, err := r.ledger.Of(r.query(allow(1))); !errors.Is(err, ErrBehind) || h.Known {
		t.Errorf("%+v, %v", h, err)
	}
	r.must(r.ledger.CatchUp(t.Context()))
	if h := r.of(allow(1)); h.Requests != 1 {
		t.Errorf("%+v", h)
	}
}
