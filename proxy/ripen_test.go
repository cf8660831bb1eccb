package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// states returns what the vault has, by scope and state.
func (r *pastRig) states() string {
	var out []string
	for _, e := range r.vault.List(quarantine.Filter{}) {
		out = append(out, e.Scope+" "+e.State.String())
	}
	return strings.Join(out, ",")
}

// waitForState moves no clock: it waits until the vault has something.
func (r *pastRig) waitForState(want string) {
	r.t.Helper()
	r.gate.Ripening().Wake()
	r.until("the vault to hold "+want, func() bool { return r.states() == want })
}

// agedPolicy wants updates to be signed, and known for some days.
func agedPolicy(days int) string {
	return pastPolicy("{signed_by: [acme]}", fmt.Sprintf("{min_age: {for: %dd}}", days))
}

// An update that lacks nothing but age is released by itself when its time has come, and whoever asks later gets it.
func TestQuarantinedUpdatesRipen(t *testing.T) {
	s := &shelf{}
	app := program(1000, "stamped by Acme;")
	s.put("/dl/app-1.0.exe", app)
	r := newPastRig(t, s.ServeHTTP, agedPolicy(14))
	got := r.get("https://origin.example/dl/app-1.0.exe")
	if d := r.lastDecision().Decision; got.status != http.StatusForbidden || !strings.Contains(string(got.body), "min_age 14") || d.Action != policy.Quarantine || d.Ripe.IsZero() {
		t.Fatalf("status %d: %s\n%+v", got.status, got.body, d)
	}
	first := r.lastDecision()
	r.move(13 * 24 * time.Hour)
	r.again()
	r.gate.Ripening().Wake()
	if got := r.get("https://origin.example/dl/app-1.0.exe"); got.status != http.StatusForbidden {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	before := r.decisions()
	r.move(2 * 24 * time.Hour)
	r.again()
	r.waitForState("app released")
	if n := r.decisions() - before; n != 1 {
		t.Errorf("%d decisions", n)
	}
	rec := r.lastDecision()
	if rec.Client != nil || rec.Decision.Action != policy.Allow || rec.Decides == "" || rec.Channel != "app" || rec.Artifact.SHA256 != first.Artifact.SHA256 || !strings.Contains(rec.Message, "judged again") {
		t.Errorf("%+v", rec)
	}
	asked := s.asked.Load()
	got = r.get("https://origin.example/dl/app-1.0.exe")
	r.allowed(got)
	if string(got.body) != string(app) {
		t.Error("other bytes came")
	}
	if n := s.asked.Load() - asked; n > 1 {
		t.Errorf("the origin was asked %d times", n)
	}
	if h := r.lastDecision().Facts.History; len(h.Past["app"].Releases) != 1 {
		t.Errorf("the release is no history: %+v", h.Past)
	}
}

// What has come to light meanwhile counts.
func TestRipeningJudgesAnew(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(r *pastRig)
		want      string // in the vault
		action    policy.Action
	}{
		"the policy trusts somebody else now": {func(r *pastRig) {
			r.setPolicy(strings.Replace(agedPolicy(14), "organization: Acme", "organization: Bolt", 1))
		}, "app quarantined", policy.Quarantine},
		"the policy denies it now": {func(r *pastRig) {
			r.setPolicy(agedPolicy(14) + "deny:\n- {name: outbreak, sha256: [\"" + r.lastDecision().Artifact.SHA256.String() + "\"]}\n")
		}, "", policy.Block},
		"it is recalled": {func(r *pastRig) {
			rec := audit.Record{Kind: audit.KindRecall, Recall: &audit.Recall{SHA256: r.lastDecision().Artifact.SHA256, Reason: "bad", By: "alice"}}
			receipt, err := r.append(rec)
			if err != nil {
				r.t.Fatal(err)
			}
			rec.ID, rec.Time = receipt.ID(), receipt.Time()
			r.ledger.Add(rec, nil)
		}, "", policy.Block},
		"the policy wants it older": {func(r *pastRig) {
			r.setPolicy(agedPolicy(30))
		}, "app quarantined", policy.Quarantine},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{}
			s.put("/dl/app-1.0.exe", program(1000, "stamped by Acme;"))
			r := newPastRig(t, s.ServeHTTP, agedPolicy(14))
			r.get("https://origin.example/dl/app-1.0.exe")
			before := r.decisions()
			c.meanwhile(r)
			r.move(15 * 24 * time.Hour)
			r.gate.Ripening().Wake()
			r.until("a decision", func() bool { return r.decisions() > before })
			r.waitForState(c.want)
			if d := r.lastDecision().Decision; d.Action != c.action {
				t.Errorf("%+v", d)
			}
			if n := r.decisions() - before; n != 1 {
				t.Errorf("%d decisions", n)
			}
			if c.action == policy.Quarantine && strings.Contains(name, "older") {
				r.move(16 * 24 * time.Hour)
				r.waitForState("app released")
			}
		})
	}
}

// What somebody has thrown away, or what is observed only, is not judged again.
func TestOnlyWhatIsInQuarantineRipens(t *testing.T) {
	s := &shelf{}
	s.put("/dl/app-1.0.exe", program(1000, "stamped by Acme;"))
	s.put("/dl/app-1.1.exe", program(2000, "stamped by Acme;"))
	aged := agedPolicy(14)
	r := newPastRig(t, s.ServeHTTP, aged)
	r.get("https://origin.example/dl/app-1.0.exe")
	rec := r.lastDecision()
	receipt, err := r.append(audit.Record{Kind: audit.KindReject, Channel: "app", Decides: rec.ID, Release: &audit.Release{SHA256: rec.Artifact.SHA256, Scope: "app", Reason: "no", By: "alice"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.vault.Reject(rec.Artifact.SHA256, "app", receipt); err != nil {
		t.Fatal(err)
	}
	r.setPolicy(strings.Replace(aged, "require:", "mode: observe, require:", 1))
	r.allowed(r.get("https://origin.example/dl/app-1.1.exe"))
	r.setPolicy(aged)
	before := r.decisions()
	r.move(15 * 24 * time.Hour)
	r.gate.Ripening().Wake()
	r.until("nothing to be waited for", func() bool {
		r.gate.Ripening().mu.Lock()
		defer r.gate.Ripening().mu.Unlock()
		return len(r.gate.Ripening().held) == 0
	})
	if n := r.decisions() - before; n != 0 || r.states() != "" {
		t.Errorf("%d decisions, %q in the vault", n, r.states())
	}
}

// An update that a redirect has brought is judged again by all the channels that it came through, and goes on all of them.
func TestRipeningOfRedirectedUpdates(t *testing.T) {
	s := &shelf{}
	app := program(1000, "stamped by Acme;")
	s.put("/files/app-1.0.exe", app)
	r := newPastRig(t, func(w http.ResponseWriter, q *http.Request) {
		if q.Host == "origin.example" {
			http.Redirect(w, q, "https://next.example/files/app-1.0.exe", http.StatusFound)
			return
		}
		s.ServeHTTP(w, q)
	}, agedPolicy(14)+"- {name: next, hosts: [next.example], paths: [\"/**\"], require: [{signed_by: [acme]}, {no_downgrade: true}]}\n")
	fetch := func() answerOf {
		t.Helper()
		if got := r.get("https://origin.example/dl/app-1.0.exe"); got.status != http.StatusFound {
			t.Fatalf("status %d: %s", got.status, got.body)
		}
		return r.get("https://next.example/files/app-1.0.exe")
	}
	if got := fetch(); got.status != http.StatusForbidden || r.lastDecision().Channel != "app+next" || len(r.lastDecision().Editions) != 2 {
		t.Fatalf("status %d: %s\n%+v", got.status, got.body, r.lastDecision())
	}
	r.move(15 * 24 * time.Hour)
	r.again()
	r.waitForState("app+next released")
	if rec := r.lastDecision(); rec.Channel != "app+next" || rec.Client != nil {
		t.Errorf("%+v", rec)
	}
	got := fetch()
	r.allowed(got)
	if string(got.body) != string(app) {
		t.Error("other bytes came")
	}
	// Who asks for it directly is judged by the one channel, which has no history of its own to hold it back.
	r.allowed(r.do("192.0.2.9", http.MethodGet, "https://next.example/files/app-1.0.exe"))
	if past := r.lastDecision().Facts.History.Past["next"]; len(past.Releases) != 1 {
		t.Errorf("%+v", past)
	}
}

// What is held comes in no form before its time: neither whole nor in part.
func TestHeadAndRangesOfWhatIsHeld(t *testing.T) {
	s := &shelf{}
	s.put("/dl/app-1.0.exe", program(1000, "stamped by Acme;"))
	r := newPastRig(t, s.ServeHTTP, agedPolicy(14))
	for _, fields := range [][]string{nil, {"Range", "bytes=0-9"}, {"Range", "bytes=5-"}} {
		if got := r.get("https://origin.example/dl/app-1.0.exe", fields...); got.status != http.StatusForbidden {
			t.Errorf("%v: status %d", fields, got.status)
		}
	}
	if got := r.do("192.0.2.1", http.MethodHead, "https://origin.example/dl/app-1.0.exe"); len(got.body) > 0 {
		t.Errorf("HEAD brought %d bytes", len(got.body))
	}
	r.move(15 * 24 * time.Hour)
	r.waitForState("app released")
	if got := r.get("https://origin.example/dl/app-1.0.exe", "Range", "bytes=0-9"); got.status != http.StatusPartialContent || len(got.body) != 10 {
		t.Errorf("status %d, %d bytes", got.status, len(got.body))
	}
}

// What was judged while the history could not be asked is judged again once it can: by itself, and after a restart, too.
func TestWhatWasJudgedWithoutHistoryIsJudgedAgain(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{}
			s.put("/dl/app-1.0.exe", program(1000, "stamped by Acme;"))
			r := newPastRig(t, s.ServeHTTP, pastPolicy("{no_downgrade: true}"))
			var behind atomic.Bool
			past := r.gate.Inquirer.Past
			r.gate.Inquirer.Past = func(q PastQuery) (policy.History, error) {
				if behind.Load() {
					return policy.History{}, ledger.ErrBehind
				}
				return past(q)
			}
			behind.Store(true)
			got := r.get("https://origin.example/dl/app-1.0.exe")
			if got.status != http.StatusForbidden || !strings.Contains(string(got.body), "history of this gate is not known") {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			n := r.decisions()
			r.move(time.Hour)
			if restart {
				r.again()
			} else {
				r.gate.Ripening().Wake()
				r.gate.Ripening().Wake() // the first has been taken when the second goes in
				if r.decisions() != n {
					t.Error("it was judged again although the history cannot be asked")
				}
				behind.Store(false)
			}
			r.waitForState("app released")
			if rec := r.lastDecision(); rec.Client != nil || rec.Decision.Action != policy.Allow || rec.Facts.History == nil {
				t.Errorf("%+v", rec)
			}
		})
	}
}

// What lacked something else when its time had come is tried again after a restart.
func TestRipeningGoesOnAfterARestart(t *testing.T) {
	s := &shelf{}
	s.put("/dl/app-1.0.exe", program(1000, "stamped by Acme;"))
	r := newPastRig(t, s.ServeHTTP, agedPolicy(14))
	r.get("https://origin.example/dl/app-1.0.exe")
	n := r.decisions()
	r.setPolicy(strings.Replace(agedPolicy(14), "organization: Acme", "organization: Bolt", 1))
	r.move(15 * 24 * time.Hour)
	r.gate.Ripening().Wake()
	r.until("a decision", func() bool { return r.decisions() > n })
	r.setPolicy(agedPolicy(14))
	r.again()
	r.move(time.Hour)
	r.waitForState("app released")
}

// However many updates are held, no more than a number of them are waited for, and what has gone is forgotten.
func TestHowManyAreWaitedForIsBounded(t *testing.T) {
	r := newRig(t, serving(nil)).gate.Ripening()
	fill := func() {
		for i := range ripenMost {
			r.held[heldKey{verify.Digest{byte(i), byte(i >> 8), byte(i >> 16)}, "a"}] = held{}
		}
	}
	fill()
	r.add(verify.Digest{31: 1}, "b", "R", time.Now())
	if len(r.held) != 1 {
		t.Errorf("%d after a sweep", len(r.held))
	}
	fill()
	r.add(verify.Digest{31: 2}, "b", "R", time.Now()) // the vault is not searched again at once
	r.add(verify.Digest{31: 1}, "b", "R2", time.Now())
	if r.held[heldKey{verify.Digest{31: 1}, "b"}].record != "R2" || len(r.held) != ripenMost+1 {
		t.Errorf("%d are waited for", len(r.held))
	}
}
