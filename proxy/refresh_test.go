package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// keeper is a Refresher of the tests: each call does what do says.
type keeper struct {
	method string
	mu     sync.Mutex
	calls  int
	within bool // a call is under way
	twice  bool // two calls were
	do     func(ctx context.Context, call int, env verify.Env, tell func(verify.Refreshed)) time.Duration
}

func (k *keeper) Method() string            { return k.method }
func (*keeper) Match(*verify.Artifact) bool { return false }
func (*keeper) Verify(context.Context, *verify.Artifact, verify.Env) ([]verify.Finding, error) {
	return nil, nil
}

func (k *keeper) Refresh(ctx context.Context, env verify.Env, tell func(verify.Refreshed)) time.Duration {
	k.mu.Lock()
	k.calls++
	call := k.calls
	k.twice = k.twice || k.within
	k.within = true
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.within = false
		k.mu.Unlock()
	}()
	return k.do(ctx, call, env, tell)
}

func (k *keeper) called() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// refreshing runs the Refreshers of a rig until the function that it returns is called, which leaves nothing running.
func refreshing(t *testing.T, r *rig, keepers ...*keeper) (*Refreshers, func()) {
	t.Helper()
	r.setPolicy(askPolicy)
	r.gate.Examiner = &verify.Examiner{Verifiers: []verify.Verifier{r.stamp}}
	for _, k := range keepers {
		r.gate.Examiner.Verifiers = append(r.gate.Examiner.Verifiers, k)
	}
	before := goleak.IgnoreCurrent()
	all := NewRefreshers(r.gate)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Run(ctx)
	}()
	return all, func() {
		cancel()
		<-ended
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
			goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	}
}

func TestRefresherHasWhatItNeeds(t *testing.T) {
	h := hosts{
		"bundles.example/by/1": serving([]byte("news")), "origin.example/dl/x": serving([]byte("x")), "elsewhere.example/by/2": serving([]byte("more")),
	}
	r := newRig(t, h.ServeHTTP)
	got := make(chan string, 1)
	k := &keeper{method: "tuf", do: func(ctx context.Context, _ int, env verify.Env, _ func(verify.Refreshed)) time.Duration {
		var out []string
		for _, ref := range []string{"https://bundles.example/by/1", "https://elsewhere.example/by/2", "https://origin.example/dl/x", "/by/1", "x", "https://bundles.example/by/none"} {
			b, err := env.Sidecars.Fetch(ctx, ref, 100)
			switch {
			case errors.Is(err, verify.ErrNotExist):
				out = append(out, "nothing")
			case err != nil:
				out = append(out, "refused")
			default:
				out = append(out, string(b))
			}
		}
		if err := env.Memory.Advance("bundles", "root", nil, []byte("1")); err != nil {
			out = append(out, err.Error())
		}
		if b, err := env.Memory.Load("bundles", "root"); err != nil || string(b) != "1" {
			out = append(out, "not remembered")
		}
		if len(env.Trust.Sigstore) != 2 || env.At.IsZero() || env.Trust.Epoch == "" {
			out = append(out, "no trust")
		}
		if _, ok := ctx.Deadline(); !ok {
			out = append(out, "no end")
		}
		got <- strings.Join(out, " ")
		return time.Hour
	}}
	_, stop := refreshing(t, r, k)
	if text := <-got; text != "news more refused refused refused nothing" {
		t.Error(text)
	}
	stop()
	for _, rec := range r.records() {
		t.Errorf("a record although nothing was told: %s", rec.Message)
	}
	if v := series(t, r.gate.Metrics)["sallyport_refresh_total{method=tuf}{result=unchanged}"]; v != 1 {
		t.Errorf("counted %v times", v)
	}
}

func TestRefreshIsRecordedWhenSomethingChanges(t *testing.T) {
	r := newRig(t, http.NotFound)
	bad := verify.Refreshed{Anchor: "acme", Failed: true, Code: "tuf/rollback", Text: "version 3 after version 4"}
	steps := [][]verify.Refreshed{
		{{Anchor: "acme", Text: "root 1 to 2"}},
		{bad, {Anchor: "bundles", Failed: true, Text: "timed out"}},
		{bad},
		{bad},
		{{Anchor: "acme", Text: "works again, timestamp 5\x1b[31m"}},
		{bad},
		nil,
	}
	done := make(chan bool)
	k := &keeper{method: "tuf", do: func(_ context.Context, call int, _ verify.Env, tell func(verify.Refreshed)) time.Duration {
		if call <= len(steps) {
			for _, s := range steps[call-1] {
				tell(s)
			}
		}
		if call == len(steps) {
			close(done)
		}
		return time.Hour
	}}
	all, stop := refreshing(t, r, k)
	r.until("all calls", func() bool {
		all.Wake()
		return k.called() >= len(steps)
	})
	<-done
	stop()
	var got []string
	for _, rec := range r.records() {
		if rec.Kind == audit.KindLearn {
			got = append(got, rec.Message)
		}
	}
	want := []string{
		"tuf anchor acme: root 1 to 2",
		"tuf anchor acme: not refreshed (tuf/rollback): version 3 after version 4",
		"tuf anchor bundles: not refreshed: timed out",
		`tuf anchor acme: works again, timestamp 5\x1b[31m`,
		"tuf anchor acme: not refreshed (tuf/rollback): version 3 after version 4",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("recorded\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	counted := series(t, r.gate.Metrics)
	if failing := all.Failing(); len(failing) != 1 || failing[0] != want[2] { // for the policy, acme is none that is refreshed
		t.Errorf("failing: %q", failing)
	}
	if n := counted["sallyport_refresh_failing{method=tuf}"]; n != 1 {
		t.Errorf("%v anchors fail", n)
	}
	trust := verify.Trust{TUF: []verify.TUFAnchor{{Anchor: "bundles"}}, Sigstore: []verify.SigstoreAnchor{{Anchor: "acme"}, {Anchor: "third"}}}
	failing := all.all[0].failures(&trust)
	slices.Sort(failing)
	if strings.Join(failing, "\n") != want[4]+"\n"+want[2] {
		t.Errorf("failing: %q", failing)
	}
	if counted["sallyport_refresh_total{method=tuf}{result=failed}"] != 5 || counted["sallyport_refresh_total{method=tuf}{result=changed}"] != 2 {
		t.Errorf("%v", counted)
	}
}

// One that panics, one that hangs and one that tells without end are no harm to the others, nor called twice at a time.
func TestRefreshersDoNotHarmEachOther(t *testing.T) {
	r := newRig(t, http.NotFound)
	good := &keeper{method: "good", do: func(context.Context, int, verify.Env, func(verify.Refreshed)) time.Duration { return 0 }}
	wild := &keeper{method: "wild", do: func(context.Context, int, verify.Env, func(verify.Refreshed)) time.Duration { panic("too much") }}
	hung := &keeper{method: "hung", do: func(ctx context.Context, _ int, _ verify.Env, _ func(verify.Refreshed)) time.Duration {
		<-ctx.Done()
		return 0
	}}
	loud := &keeper{method: "loud", do: func(_ context.Context, _ int, _ verify.Env, tell func(verify.Refreshed)) time.Duration {
		var wg sync.WaitGroup
		for i := range 4 * refreshTold {
			wg.Go(func() { tell(verify.Refreshed{Anchor: fmt.Sprint(i), Failed: true}) })
		}
		wg.Wait()
		return time.Hour
	}}
	all, stop := refreshing(t, r, wild, hung, loud, good)
	r.until("calls", func() bool {
		all.Wake()
		return good.called() > 3 && wild.called() > 1 && loud.called() > 1 && hung.called() > 0
	})
	stop()
	for _, k := range []*keeper{good, wild, hung, loud} {
		if k.twice {
			t.Errorf("%s was called while a call was under way", k.method)
		}
	}
	if hung.called() != 1 {
		t.Errorf("the one that hangs was called %d times", hung.called())
	}
	counted := series(t, r.gate.Metrics)
	if counted["sallyport_refresh_total{method=wild}{result=crashed}"] == 0 {
		t.Errorf("%v", counted)
	}
	if n := counted["sallyport_refresh_total{method=loud}{result=failed}"]; n > refreshTold*float64(loud.called()) {
		t.Errorf("%v things were told in %d calls", n, loud.called())
	}
}

func TestRefreshersThatAreNone(t *testing.T) {
	r := newRig(t, http.NotFound)
	_, stop := refreshing(t, r)
	stop()
}
