package tuf

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

func (w *world) refresh() ([]verify.Refreshed, time.Duration) {
	var told []verify.Refreshed
	next := w.v.Refresh(w.t.Context(), w.env, func(r verify.Refreshed) { told = append(told, r) })
	return told, next
}

func (w *world) wantTold(what string, codes ...string) time.Duration {
	w.t.Helper()
	told, next := w.refresh()
	var got []string
	for _, r := range told {
		if r.Anchor != anchor || r.Text == "" || r.Failed != (r.Code != "") {
			w.t.Errorf("%s: %+v", what, r)
		}
		got = append(got, r.Code)
	}
	if !slices.Equal(got, codes) {
		w.t.Errorf("%s: told %+v, want %q", what, told, codes)
	}
	return next
}

func TestSchedule(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	if next := w.wantTold("first", ""); next != defaultRefresh {
		t.Errorf("next after %s", next)
	}
	w.wantTold("at once again")
	if n := w.server.Asked("metadata/timestamp.json"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	w.server.Forget()
	w.valid("targets/" + app)
	if n := w.server.Asked(""); n != 0 {
		t.Errorf("%d files were asked for on the way of an update", n)
	}
	w.later(defaultRefresh)
	w.wantTold("nothing new")
	w.publish()
	w.later(defaultRefresh)
	told, _ := w.refresh()
	if len(told) != 1 || told[0].Text != "acme-tuf: timestamp 2 -> 3" {
		t.Errorf("%+v", told)
	}

	w.server.Set(tuftest.State{Gone: true})
	w.later(defaultRefresh)
	soon := w.wantTold("gone", "tuf/unavailable")
	w.later(soon)
	if later := w.wantTold("still gone"); later <= soon || later > defaultRefresh {
		t.Errorf("next after %s, then %s", soon, later)
	}
	w.publish()
	w.later(defaultRefresh)
	w.wantTold("back", "", "")

	bad, err := tuftest.Attacks()[0].On(w.repo, app)
	if err != nil {
		t.Fatal(err)
	}
	w.server.Set(bad)
	w.later(defaultRefresh)
	w.wantTold("attacked", "tuf/rollback")
	w.later(defaultRefresh)
	w.wantTold("still attacked")
	w.publish()
	w.later(defaultRefresh)
	w.wantTold("repaired", "", "")
}

func TestRefreshBeforeTheEnd(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.env.Trust.TUF[0].Refresh = 100 * 24 * time.Hour
	_, next := w.refresh()
	if next != time.Hour { // the most that any look at the schedule is put off
		t.Errorf("next after %s", next)
	}
	w.later(tuftest.TimestampLife - tuftest.TimestampLife/10 - time.Minute)
	if _, next = w.refresh(); next != time.Minute {
		t.Errorf("next after %s, a tenth of its life before the end of the timestamp being in a minute", next)
	}
	w.repo.Renew(w.env.At)
	w.publish()
	w.later(time.Minute)
	w.wantTold("a tenth before the end", "")
	if n := w.server.Asked("metadata/timestamp.json"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestNothingToRefresh(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.env.Trust.TUF = nil
	if next := w.wantTold("no anchors"); next < time.Minute {
		t.Errorf("next after %s", next)
	}
}

// signal is Sidecars that close a channel when they are asked.
type signal struct {
	verify.Sidecars
	asked chan struct{}
	once  sync.Once
}

func (s *signal) Fetch(ctx context.Context, ref string, limit int64) ([]byte, error) {
	s.once.Do(func() { close(s.asked) })
	return s.Sidecars.Fetch(ctx, ref, limit)
}

// waiting is Sidecars that fail once a channel is closed.
type waiting struct{ until chan struct{} }

func (w waiting) Fetch(ctx context.Context, _ string, _ int64) ([]byte, error) {
	select {
	case <-w.until:
		return nil, errors.New("connection reset")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestHangingRepositoryHoldsUpNoOther has one repository not answer before another one is asked.
func TestHangingRepositoryHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	asked := make(chan struct{})
	w.env.Sidecars = byHost{"updates.example.com": &signal{Sidecars: w.server, asked: asked}, "silent.example.com": waiting{asked}}
	hanging := verify.TUFAnchor{Anchor: "hanging", Targets: "https://silent.example.com/targets/",
		Repositories: []verify.TUFRepository{{Root: w.repo.TrustedRoot(1), Metadata: []string{"https://silent.example.com/metadata/"}}}}
	w.env.Trust.TUF = append([]verify.TUFAnchor{hanging}, w.env.Trust.TUF...)
	told, next := w.refresh()
	failed := map[string]bool{}
	for _, r := range told {
		failed[r.Anchor] = failed[r.Anchor] || r.Failed
	}
	if len(failed) != 2 || !failed["hanging"] || failed[anchor] {
		t.Errorf("%+v", told)
	}
	if next > longestPause {
		t.Errorf("next after %s", next)
	}
}

// A restart finds what is remembered, and says so of nothing: else the log would have it that everything was forgotten.
func TestRestartTellsNoNews(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.wantTold("first", "")
	w.restart()
	w.wantTold("restarted")
	w.publish()
	w.restart()
	told, _ := w.refresh()
	if len(told) != 1 || told[0].Text != "acme-tuf: timestamp 2 -> 3" {
		t.Errorf("published before a restart: %+v", told)
	}
	w.server.Set(tuftest.State{Gone: true})
	w.restart()
	w.wantTold("restarted while the repository is gone", "tuf/unavailable")
}

// What advances although the repository is still not in order is told, and so is that it is not.
func TestStillNotInOrder(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.wantTold("first", "")
	w.later(defaultRefresh)
	w.repo.Timestamp.Expires = now.Add(-time.Hour)
	w.publish()
	w.wantTold("frozen", "tuf/expired")
	w.later(defaultRefresh)
	w.wantTold("still frozen")
	if err := w.repo.Rotate(w.repo.Snapshot); err != nil {
		t.Fatal(err)
	}
	w.publish()
	w.later(defaultRefresh)
	w.wantTold("another root, and still frozen", "", "tuf/expired")
	w.repo.Timestamp.Expires = w.env.At.Add(time.Hour)
	w.repo.Timestamp.Change()
	w.publish()
	w.later(defaultRefresh)
	w.wantTold("in order", "", "")
}
