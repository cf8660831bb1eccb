package apt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
)

func TestPackageIsVouchedForByTheReleaseItsClientFetched(t *testing.T) {
	for _, compressions := range [][]string{{""}, {".gz"}, {".xz"}, {".zst"}, {"", ".gz", ".xz"}} {
		t.Run(fmt.Sprint(compressions), func(t *testing.T) {
			w := newWorld(t)
			w.publish(w.bookworm(func(s *apttest.Suite) { s.Compressions = compressions; s.ValidUntil = now.Add(time.Hour) }))
			w.want(w.get(inRel), verify.Valid, "valid")
			f := w.want(w.get(hello), verify.Valid, "valid")
			if f.Signer.Fingerprint != w.key.Fingerprint() || !strings.Contains(f.Signer.Name, "Archive Key") {
				t.Errorf("signer %+v", f.Signer)
			}
			if !f.NotAfter.Equal(now.Add(time.Hour)) {
				t.Errorf("valid until %v, want the Valid-Until", f.NotAfter)
			}
			if len(f.Evidence) != 2 || f.Evidence[0].URL != root+inRel || f.Evidence[1].SHA256.IsZero() {
				t.Errorf("evidence %+v", f.Evidence)
			}
			for _, part := range []string{"oldstable (bookworm)", "main/binary-amd64/Packages", "2026-11-22T10:00:00Z"} {
				if !strings.Contains(f.Detail, part) {
					t.Errorf("detail %q does not name %q", f.Detail, part)
				}
			}
		})
	}
}

func TestPackageOfAnArchiveNeverSeen(t *testing.T) {
	tests := []struct {
		name   string
		change func(*apttest.Suite)
		suites []string
		file   string
	}{
		{"suite named by the operator", func(s *apttest.Suite) { s.Path, s.Suite, s.Codename = "acme", "acme", "acme" }, []string{"acme"}, hello},
		{"well-known suite", nil, nil, hello},
		{"Release and Release.gpg", func(s *apttest.Suite) { s.Detached = true }, nil, hello},
		{"no by-hash", func(s *apttest.Suite) { s.ByHash = false }, nil, hello},
		{"flat repository", func(s *apttest.Suite) { s.Path = "" }, nil, "hello_2.10-3_amd64.deb"},
		{"flat repository with folders", func(s *apttest.Suite) { s.Path = ""; s.Packages[0].Filename = "./amd64/h.deb" }, nil, "amd64/h.deb"},
		{"pool below dists", func(s *apttest.Suite) { s.Packages[0].Filename = "dists/bookworm/pool/stable/amd64/hello_1_amd64.deb" }, nil,
			"dists/bookworm/pool/stable/amd64/hello_1_amd64.deb"},
		{"no pool, suite named by the operator", func(s *apttest.Suite) { s.Packages[0].Filename = "files/hello.deb" }, []string{"bookworm"}, "files/hello.deb"},
		{"architecture all", func(s *apttest.Suite) { s.Packages[0] = deb(t, "hello", "1", "all") }, nil, "pool/main/h/hello/hello_1_all.deb"},
		{"characters that URLs escape", func(s *apttest.Suite) { s.Packages[0] = deb(t, "g++", "1:4~rc1+b2", "amd64") }, nil, "pool/main/g/g++/g++_4~rc1+b2_amd64.deb"},
		{"another component than the pool's", func(s *apttest.Suite) {
			s.Packages[0].Component, s.Packages[0].Filename = "extra", "pool/stuff/hello_1_amd64.deb"
		}, nil, "pool/stuff/hello_1_amd64.deb"},
		{"pool inside a pool", func(s *apttest.Suite) { s.Packages[0].Filename = "pool/pool/hello_1_amd64.deb" }, nil, "pool/pool/hello_1_amd64.deb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.env.Trust.Keyrings[0].Suites = tt.suites
			s := w.bookworm()
			if tt.change != nil {
				tt.change(&s)
			}
			w.publish(s)
			body := w.archive.Get(s.Packages[0].Path(s.Path == ""))
			w.want(w.verify(artifact(root+tt.file, body)), verify.Valid, "valid")
			if n := len(w.asked.refs); n > 2*probesPerCall {
				t.Errorf("%d fetches", n)
			}
		})
	}
}

func TestPackageThatNothingVouchesFor(t *testing.T) {
	stranger := newKey(t, "Stranger")
	tests := []struct {
		name   string
		change func(w *world, s *apttest.Suite)
		after  func(w *world)
		status verify.Status
		code   string
	}{
		{"flipped bit", nil, func(w *world) { w.archive.Flip(hello) }, verify.Invalid, "digest-mismatch"},
		{"appended byte", nil, func(w *world) { w.archive.Set(hello, append(w.archive.Get(hello), 0)) }, verify.Invalid, "digest-mismatch"},
		{"not in any index", func(_ *world, s *apttest.Suite) { s.Packages[0].Filename = "pool/main/o/other_1_amd64.deb" },
			func(w *world) { w.archive.Set(hello, w.archive.Get("pool/main/o/other_1_amd64.deb")) }, verify.Untrusted, "not-listed"},
		{"index is gone", nil, func(w *world) {
			w.broken = func(ref string) error {
				if strings.Contains(ref, "binary-") {
					return errors.New("connection reset")
				}
				return nil
			}
		}, verify.Inconclusive, "not-listed"},
		{"index is another", func(_ *world, s *apttest.Suite) { s.ByHash = false; s.Compressions = []string{".gz"} },
			func(w *world) { w.archive.Flip(packages + ".gz") }, verify.Inconclusive, "not-listed"},
		{"origin is down", nil, func(w *world) {
			w.broken = func(string) error { return errors.New("connection refused") }
		}, verify.Inconclusive, "unavailable"},
		{"no Release at all", nil, func(w *world) { w.archive.Delete(inRel) }, verify.Absent, "unsigned"},
		{"Release without signature", func(_ *world, s *apttest.Suite) { s.Signers = nil }, nil, verify.Absent, "unsigned"},
		{"signed by a stranger", func(_ *world, s *apttest.Suite) { s.Signers = []*apttest.Key{stranger} }, nil, verify.Untrusted, "unknown-key"},
		{"signature does not fit", nil, func(w *world) {
			w.archive.Set(inRel, []byte(strings.Replace(string(w.archive.Get(inRel)), "Label: Debian", "Label: Debiam", 1)))
		}, verify.Invalid, "bad-signature"},
		{"expired", func(_ *world, s *apttest.Suite) { s.ValidUntil = now.Add(-time.Second) }, nil, verify.Invalid, "expired"},
		{"from the future", func(_ *world, s *apttest.Suite) { s.Date = now.Add(2 * time.Hour); s.SignedAt = now }, nil, verify.Inconclusive, "future"},
		{"Release of another suite", func(_ *world, s *apttest.Suite) { s.Suite, s.Codename = "testing", "trixie" }, nil, verify.Invalid, "wrong-suite"},
		{"endless Release", nil, func(w *world) { w.archive.Set(inRel, make([]byte, maxRelease+1)) }, verify.Invalid, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.env.Trust.Keyrings[0].Suites = []string{"bookworm"}
			s := w.bookworm()
			if tt.change != nil {
				tt.change(w, &s)
			}
			w.publish(s)
			body := w.archive.Get(hello)
			if tt.after != nil {
				tt.after(w)
				if now := w.archive.Get(hello); now != nil {
					body = now
				}
			}
			w.want(w.verify(artifact(root+hello, body)), tt.status, tt.code)
		})
	}
}

func TestDigestMismatchNamesBoth(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm())
	good := artifact(root+hello, w.archive.Get(hello))
	w.archive.Flip(hello)
	bad := artifact(root+hello, w.archive.Get(hello))
	f := w.verify(bad)
	for _, part := range []string{good.Digests.SHA256.String(), bad.Digests.SHA256.String()} {
		if !strings.Contains(f.Detail, part) {
			t.Errorf("detail %q lacks %s", f.Detail, part)
		}
	}
}

func TestPackageOfARolledBackReleaseIsRefused(t *testing.T) {
	w := newWorld(t)
	old := w.bookworm(func(s *apttest.Suite) { s.Date = now.Add(-72 * time.Hour) })
	w.publish(old)
	oldRelease := w.archive.Get(inRel)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Packages = []apttest.Package{deb(t, "hello", "2.10-4", "amd64")} }))
	w.want(w.get(inRel), verify.Valid, "valid")
	w.want(w.get(hello), verify.Untrusted, "not-listed")

	w.publish(old)
	w.archive.Set(inRel, oldRelease)
	f := w.want(w.get(hello), verify.Invalid, "rollback")
	for _, date := range []string{"2026-11-19T12:00:00Z", "2026-11-22T10:00:00Z"} {
		if !strings.Contains(f.Detail, date) {
			t.Errorf("detail %q does not name %s", f.Detail, date)
		}
	}
	w.v = New() // after a restart, memory alone knows
	w.want(w.get(hello), verify.Invalid, "rollback")
}

func TestIndexIsFetchedAndParsedOnce(t *testing.T) {
	w := newWorld(t)
	var all []apttest.Package
	for i := range 20 {
		all = append(all, deb(t, fmt.Sprintf("p%d", i), "1", "amd64"))
	}
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Packages, s.Compressions = all, []string{".gz"} }))
	w.want(w.get(inRel), verify.Valid, "valid")
	w.slow = make(chan struct{})
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() {
			f := w.get(p.Path(false))
			if f.Status != verify.Valid || len(f.Evidence) != 2 {
				t.Errorf("%s: %v, evidence %v", p.Name, f.Detail, f.Evidence)
			}
		})
	}
	close(w.slow)
	wg.Wait()
	if n := w.fetches("binary-amd64"); n != 1 {
		t.Errorf("the index was fetched %d times for 20 packages", n)
	}
	if n := w.fetches("InRelease"); n != 0 {
		t.Errorf("the InRelease that a client had just fetched was fetched %d times", n)
	}
}

func TestOneClientsCancellationEndsNoOthersFetch(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm())
	w.want(w.get(inRel), verify.Valid, "valid")
	w.slow = make(chan struct{})
	a := artifact(root+hello, w.archive.Get(hello))
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error)
	go func() {
		_, err := w.v.Verify(ctx, a, w.env)
		first <- err
	}()
	for w.fetches("binary-amd64") == 0 {
		time.Sleep(time.Millisecond)
	}
	second := make(chan []verify.Finding)
	go func() {
		list, _ := w.v.Verify(context.Background(), a, w.env)
		second <- list
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled call returned %v", err)
	}
	close(w.slow)
	if list := <-second; len(list) != 1 || list[0].Status != verify.Valid {
		t.Errorf("the other call found %+v", list)
	}
}

func TestPackageInPassingIndexNeedsNoFetch(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm())
	w.want(w.get(inRel), verify.Valid, "valid")
	w.want(w.get(packages+".gz"), verify.Valid, "valid")
	w.want(w.get(hello), verify.Valid, "valid")
	if n := len(w.asked.refs); n != 0 {
		t.Errorf("%d fetches: %v", n, w.asked.refs)
	}
}

func TestAnchorsThatSignedAreNamed(t *testing.T) {
	w := newWorld(t)
	second := newKey(t, "Second")
	w.env.Trust.Keyrings = append(w.env.Trust.Keyrings, keyringOf(t, "second", second), keyringOf(t, "stranger", newKey(t, "Stranger")))
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Signers = append(s.Signers, second) }))
	for range 2 { // the second time from memory
		f := w.want(w.get(hello), verify.Valid, "valid")
		if len(f.Anchors) != 2 || f.Anchors[0] != "debian" || f.Anchors[1] != "second" {
			t.Errorf("anchors %v", f.Anchors)
		}
	}
}

func TestKeyringTakenFromTheOperatorEndsWhatWasRemembered(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm())
	w.want(w.get(inRel), verify.Valid, "valid")
	w.want(w.get(hello), verify.Valid, "valid")
	w.env.Trust.Keyrings = []verify.Keyring{keyringOf(t, "debian", newKey(t, "Successor"))}
	w.want(w.get(hello), verify.Untrusted, "unknown-key")
}

func TestWithoutAnchorOrURLThereIsNothingToSay(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm())
	local := artifact(root+hello, w.archive.Get(hello))
	local.URL = nil
	w.want(w.verify(local), verify.Absent, "no-url")
	w.env.Trust.Keyrings = nil
	w.want(w.get(hello), verify.Absent, "no-anchor")
	if len(w.asked.refs) != 0 {
		t.Errorf("asked for %v", w.asked.refs)
	}
}

func TestMemoryThatFailsIsAnError(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm())
	w.memory.fail = errors.New("disk full")
	for _, name := range []string{inRel, hello, packages + ".gz"} {
		if list, err := w.v.Verify(context.Background(), artifact(root+name, w.archive.Get(name)), w.env); err == nil {
			t.Errorf("%s: %+v without an error", name, list)
		}
	}
}

func TestUnusableKeyringIsAnError(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm())
	w.env.Trust.Keyrings[0].Data = []byte("not a keyring")
	if list, err := w.v.Verify(context.Background(), artifact(root+inRel, w.archive.Get(inRel)), w.env); err == nil {
		t.Errorf("%+v without an error", list)
	}
}

func TestEmptyIndexesAreNotFetched(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Packages = nil; s.Extra = map[string][]byte{"main/binary-all/Packages": {}} }))
	w.want(w.get(inRel), verify.Valid, "valid")
	w.want(w.verify(artifact(root+hello, deb(t, "hello", "2.10-3", "amd64").Content)), verify.Untrusted, "not-listed")
	if n := w.fetches("Packages") + w.fetches("by-hash"); n != 0 {
		t.Errorf("%d fetches of indexes that list nothing", n)
	}
}
