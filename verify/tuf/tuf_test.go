package tuf

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

func TestListedTargets(t *testing.T) {
	for name, o := range map[string]tuftest.Options{
		"consistent": {}, "plain": {Plain: true}, "sha512": {OnlySHA512: true}, "both hashes": {SHA512: true, MetaHashes: true},
		"2 of 3": {Keys: 3, Threshold: 2}, "ecdsa": {Scheme: tuftest.ECDSA},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, o)
			for ref := range w.server.State().Files {
				if !strings.HasPrefix(ref, "targets/") {
					continue
				}
				f := w.valid(ref)
				want := "role targets of acme-tuf"
				if strings.HasPrefix(ref, "targets/tools/") {
					want = "role tools of acme-tuf"
				}
				if f.Signer.Name != want || !f.NotAfter.Equal(now.Add(tuftest.TimestampLife)) {
					t.Errorf("%s: by %q until %s", ref, f.Signer.Name, f.NotAfter)
				}
				for _, e := range f.Evidence {
					body, ok := w.server.State().Files[strings.TrimPrefix(e.URL, base)]
					if !ok || e.SHA256.IsZero() || e.SHA256 != artifact(t, base, body).Digests.SHA256 {
						t.Errorf("%s: evidence %s with %s is not what is published", ref, e.URL, e.SHA256)
					}
				}
			}
			if n := w.server.Asked("metadata/timestamp.json"); n != 1 {
				t.Errorf("the timestamp was asked for %d times", n)
			}
		})
	}
}

func TestPlacesThatAreNoTarget(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	for _, ref := range []string{
		"https://other.example.com/acme/targets/" + app, "http://updates.example.com/acme/targets/" + app, base + "elsewhere/" + app,
		base + "targets/", base + "metadata/readme.txt", base + "metadata/a/timestamp.json",
	} {
		if found := w.all(ref, appBytes); len(found) > 0 {
			t.Errorf("%s: %+v", ref, found)
		}
	}
	for _, ref := range []string{"targets/app//1.0/setup.exe", "targets/./" + app, "targets/x/../" + app, "targets/app%252F1.0/setup.exe", "targets/APP/1.0/setup.exe"} {
		w.later(pause)
		w.want(ref, w.offer(ref, appBytes), verify.Absent, "tuf/not-listed")
	}
	for _, ref := range []string{"targets/app%2f1.0/setup.exe?x=1", "https://UPDATES.example.com.:443/acme/targets/" + app} {
		w.want(ref, w.offer(ref, appBytes), verify.Valid, "tuf/listed")
	}
}

func TestDigestPrefixHasToBeListed(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	f := w.offer("targets/app/1.0/"+strings.Repeat("0", 64)+".setup.exe", appBytes)
	w.want("another digest", f, verify.Absent, "tuf/not-listed")
	if !strings.Contains(f.Detail, "not with the digest 0000") {
		t.Errorf("the detail does not say why: %s", f.Detail)
	}
	sum := artifact(t, base, appBytes).Digests.SHA256.String()
	w.want("its digest, other bytes", w.offer("targets/app/1.0/"+sum+".setup.exe", toolBytes), verify.Invalid, "tuf/digest-mismatch")
}

// TestAttacks makes each attack on a repository that is known, and repairs it.
func TestAttacks(t *testing.T) {
	for _, a := range tuftest.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			w := newWorld(t, tuftest.Options{Keys: 2, Threshold: 2})
			ref := "targets/" + tool
			w.valid(ref)
			state, err := a.On(w.repo, tool)
			if err != nil {
				t.Fatal(err)
			}
			w.server.Set(state)
			w.later(defaultRefresh)
			status := verify.Invalid
			if a.Code == "tuf/not-listed" {
				status = verify.Absent
			}
			w.want("under attack", w.get(ref), status, a.Code)
			if !a.Listed {
				w.want("another target under attack", w.get("targets/"+app), status, a.Code)
			}
			w.clock.advance(time.Second)
			w.want("a moment later", w.get(ref), status, a.Code)
			w.publish()
			w.later(pause)
			w.valid(ref)
		})
	}
}

// TestAttacksOnNewcomers makes each attack on a repository of which nothing but the root is known. What an attacker then can
// replay is not to be told from the truth.
func TestAttacksOnNewcomers(t *testing.T) {
	for _, a := range tuftest.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			w := newWorld(t, tuftest.Options{Keys: 2, Threshold: 2})
			state, err := a.On(w.repo, tool)
			if err != nil {
				t.Fatal(err)
			}
			w.server.Set(state)
			if f := w.get("targets/" + tool); strings.HasPrefix(a.Name, "replayed") {
				if f.Status == verify.Valid && a.Name == "replayed-snapshot" {
					t.Log("valid, as was to be expected")
				}
			} else if f.Status == verify.Valid || f.Code != a.Code {
				t.Errorf("%s %s (%s), want %s", f.Status, f.Code, f.Detail, a.Code)
			}
		})
	}
}

// TestFreeze lets a repository that was known expire, answering or not.
func TestFreeze(t *testing.T) {
	for _, gone := range []bool{false, true} {
		w := newWorld(t, tuftest.Options{})
		w.valid("targets/" + app)
		w.later(tuftest.TimestampLife + time.Minute)
		state := w.server.State()
		state.Gone = gone
		w.server.Set(state)
		f := w.offer("targets/"+app, appBytes)
		w.want("expired", f, verify.Invalid, "tuf/expired")
		if gone != strings.Contains(f.Detail, "not answered since") {
			t.Errorf("gone is %v, and the detail says %s", gone, f.Detail)
		}
	}
}

func TestVanishedRepositoryStaysUsable(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("targets/" + app)
	files := w.server.State().Files
	w.server.Set(tuftest.State{Gone: true})
	w.later(time.Hour)
	for _, restarted := range []bool{false, true} {
		if restarted {
			w.restart()
		}
		found := w.all("targets/"+app, appBytes)
		w.want("vanished", found[0], verify.Valid, "tuf/listed")
		if len(found) != 2 || found[1].Code != "tuf/unavailable" || found[1].Status != verify.Valid || !found[1].Signer.IsZero() || len(found[1].Anchors) > 0 {
			t.Errorf("the remark that it has vanished is missing: %+v", found[1:])
		}
		// A role that was never fetched cannot be judged.
		w.want("not loaded", w.offer("targets/"+tool, toolBytes), verify.Inconclusive, "tuf/unavailable")
	}
	asked := w.server.Asked("")
	w.clock.advance(time.Second)
	w.offer("targets/"+app, appBytes)
	if n := w.server.Asked("") - asked; n != 0 {
		t.Errorf("asked %d times again within a second", n)
	}
	w.server.Serve(files)
	w.later(longestPause)
	if found := w.all("targets/"+app, appBytes); len(found) != 1 {
		t.Errorf("it is back, and still: %+v", found[1:])
	}
}

func TestNothingKnownAndNobodyToAsk(t *testing.T) {
	for name, from := range map[string]verify.Sidecars{"no sidecars": nil, "vanished": &tuftest.Server{}} {
		w := newWorld(t, tuftest.Options{})
		if s, ok := from.(*tuftest.Server); ok {
			s.Set(tuftest.State{Gone: true})
		}
		w.env.Sidecars = from
		w.want(name, w.offer("targets/"+app, appBytes), verify.Inconclusive, "tuf/unavailable")
		w.want(name, w.get("metadata/timestamp.json"), verify.Valid, "tuf/metadata")
	}
}

func TestHangingRepositoryIsNotWaitedForLong(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("targets/" + app)
	w.server.Set(tuftest.State{Hangs: true})
	w.v.patience, w.v.oneFile = time.Millisecond, time.Millisecond
	w.later(time.Hour)
	if found := w.all("targets/"+app, appBytes); found[0].Status != verify.Valid || len(found) != 2 || found[1].Code != "tuf/unavailable" {
		t.Errorf("%+v", found)
	}
	// A role that was never fetched is not waited for again and again.
	for range 3 {
		w.want("not loaded", w.offer("targets/"+tool, toolBytes), verify.Inconclusive, "tuf/unavailable")
	}
	if n := w.server.Asked(w.repo.FileName(w.repo.Delegated["tools"])); n != 0 {
		t.Errorf("the role was asked for %d times, although nobody had answered just before", n)
	}
}

func TestWaitingEndsWithTheCaller(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.server.Set(tuftest.State{Hangs: true})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if found, err := w.v.Verify(ctx, artifact(t, base+"targets/"+app, appBytes), w.env); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestNewRelease asks for what was published after the last refresh.
func TestNewRelease(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("targets/" + app)
	w.repo.Add(w.repo.Targets, "app/1.1/setup.exe", []byte("MZ new"))
	w.repo.Add(w.repo.Targets, app, []byte("MZ again"))
	w.publish()
	w.clock.advance(time.Second)
	w.want("a second after the last refresh", w.get("targets/app/1.1/setup.exe"), verify.Absent, "tuf/not-listed")
	w.clock.advance(time.Second)
	w.valid("targets/app/1.1/setup.exe")
	w.valid("targets/" + app)
	w.server.Forget()
	for range 5 {
		w.offer("targets/no-such-file", appBytes)
	}
	if n := w.server.Asked("metadata/timestamp.json"); n != 0 {
		t.Errorf("the timestamp was asked for %d times, although it had been just before", n)
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("targets/" + tool)
	old := w.server.State()
	for range 3 {
		if err := w.repo.Rotate(w.repo.Root); err != nil {
			t.Fatal(err)
		}
		w.publish()
	}
	w.later(defaultRefresh)
	w.valid("targets/" + tool)
	w.restart()
	w.server.Forget()
	w.valid("targets/" + tool)
	for _, name := range []string{"metadata/2.root.json", "metadata/4.root.json"} {
		if w.server.Asked(name) > 0 {
			t.Errorf("%s was asked for again: the newest root is not the pin", name)
		}
	}
	if w.server.Asked("metadata/5.root.json") != 1 {
		t.Error("nobody looked for a newer root")
	}
	w.restart()
	w.server.Set(old)
	w.want("rolled back over a restart", w.get("targets/"+tool), verify.Invalid, "tuf/rollback")
	w.env.Memory = newMemory()
	w.restart()
	w.valid("targets/" + tool) // whoever remembers nothing cannot know
}

func TestAnchorsShareNothing(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	other, err := tuftest.New(tuftest.Options{At: now, Seed: "another"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Publish(); err != nil {
		t.Fatal(err)
	}
	w.valid("targets/" + app)
	second := w.env.Trust.TUF[0]
	second.Anchor, second.Repositories = "second", []verify.TUFRepository{{Root: other.TrustedRoot(1), Metadata: second.Repositories[0].Metadata}}
	w.env.Trust.TUF = append(w.env.Trust.TUF, second)
	found := w.all("targets/"+app, appBytes)
	if len(found) != 2 || found[0].Status != verify.Valid || found[1].Status != verify.Invalid || found[1].Code != "tuf/threshold" {
		t.Fatalf("%+v", found)
	}
	w.env.Trust.TUF[0].Repositories = second.Repositories // the same name, another pin
	if f := w.offer("targets/"+app, appBytes); f.Status != verify.Invalid {
		t.Errorf("under a pin that has not signed anything here: %+v", f)
	}
}

func TestClockSetBack(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.later(20 * time.Hour)
	w.valid("targets/" + app)
	w.later(time.Hour) // a time counts as past once it has been an hour later
	w.valid("targets/" + app)
	w.env.At = w.env.At.Add(-11 * time.Hour)
	w.clock.advance(pause)
	w.want("ten hours back", w.get("targets/"+app), verify.Inconclusive, "tuf/clock")
	w.env.At = w.env.At.Add(11 * time.Hour)
	w.clock.advance(pause)
	w.valid("targets/" + app)
}

func TestMirrors(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	repo := &w.env.Trust.TUF[0].Repositories[0]
	repo.Metadata = []string{"https://down.example.com/metadata/", base + "metadata/"}
	w.env.Sidecars = downAt{w.server, "https://down.example.com/"}
	w.valid("targets/" + app)
	repo.Metadata = repo.Metadata[:1]
	w.restart()
	w.env.Memory = newMemory()
	w.want("without the mirror", w.get("targets/"+app), verify.Inconclusive, "tuf/unavailable")
}

// downAt is Sidecars that cannot tell what is below a URL.
type downAt struct {
	verify.Sidecars
	prefix string
}

func (d downAt) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	if strings.HasPrefix(ref, d.prefix) {
		return nil, errors.New("no route to host")
	}
	return d.Sidecars.Fetch(ctx, ref, limit)
}

func TestTogether(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ref, body := "targets/"+app, appBytes
			if i%2 == 0 {
				ref, body = "targets/"+tool, toolBytes
			}
			found, err := w.v.Verify(t.Context(), artifact(t, base+ref, body), w.env)
			if err != nil || len(found) != 1 || found[0].Code != "tuf/listed" {
				t.Errorf("%v %+v", err, found)
			}
		})
	}
	all.Wait()
	if n := w.server.Asked("metadata/timestamp.json"); n != 1 {
		t.Errorf("the timestamp was asked for %d times", n)
	}
}

func TestFailingMemoryVouchesForNothing(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.env.Memory.(*memory).fail = errors.New("disk full")
	found, err := w.v.Verify(t.Context(), artifact(t, base+"targets/"+app, appBytes), w.env)
	if err == nil && (len(found) != 1 || found[0].Status == verify.Valid) {
		t.Errorf("%+v", found)
	}
}

func TestSuite(t *testing.T) {
	w := newWorld(t, tuftest.Options{SHA512: true})
	at := func(ref string) verify.Artifact { return *artifact(t, base+ref, nil) }
	files := w.server.State().Files
	env := func() verify.Env { e := w.env; e.Memory = newMemory(); return e }
	long := fmt.Sprintf("targets/app/1.0/%x.setup.exe", w.repo.Targets.Files[app].SHA512)
	verifytest.Run(t, New(),
		verifytest.Case{Name: "target", Data: appBytes, Artifact: at("targets/" + app), NewEnv: env,
			Want: []verifytest.Want{{Status: verify.Valid, Code: "tuf/listed", Signer: "role targets of acme-tuf", Anchor: anchor}}},
		verifytest.Case{Name: "prefixed", Data: appBytes, Artifact: at(long), NewEnv: env,
			Want: []verifytest.Want{{Status: verify.Valid, Code: "tuf/listed"}}},
		verifytest.Case{Name: "delegated", Data: toolBytes, Artifact: at("targets/" + tool), NewEnv: env,
			Want: []verifytest.Want{{Status: verify.Valid, Code: "tuf/listed", Signer: "role tools of acme-tuf"}}},
		verifytest.Case{Name: "timestamp", Data: files["metadata/timestamp.json"], Artifact: at("metadata/timestamp.json"), NewEnv: env,
			Flips: -1, // see TestFlippedMetadata: digits of a signature may be in upper case
			Want:  []verifytest.Want{{Status: verify.Valid, Code: "tuf/metadata", Signer: "role timestamp of acme-tuf", Anchor: anchor}}},
		verifytest.Case{Name: "local file", Data: appBytes, Artifact: verify.Artifact{}},
	)
}
