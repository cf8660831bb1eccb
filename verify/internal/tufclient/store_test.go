package tufclient

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func TestAnotherProcessGoesOnWhereThisOneStopped(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.publish("root")
	w.everything()
	shelf := newShelf()
	c := New(w.initial, shelf, Limits{})
	w.refresh(c, noon, "good")
	w.look(c, noon, "a/one", "good")

	again := New(w.initial, shelf, Limits{})
	for _, path := range []string{"app.msi", "a/one"} { // without the repository
		if _, err := again.Lookup(context.Background(), nil, noon, path); err != nil {
			t.Error(err)
		}
	}
	a, _ := c.State()
	b, err := again.State()
	if err != nil || a.Root != b.Root || a.Targets != b.Targets || !a.Refreshed.Equal(b.Refreshed) || !a.NotAfter.Equal(b.NotAfter) {
		t.Errorf("%+v, %v, want %+v", b, err, a)
	}
}

func TestAnotherPinStartsAfresh(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.publishAll()
	w.publishAll()
	for range 4 {
		other.publish("root")
	}
	pin := other.files["5.root.json"]
	shelf := newShelf()
	w.refresh(New(w.initial, shelf, Limits{}), noon, "good")

	// Another repository, or the same one begun anew.
	c := New(pin, shelf, Limits{})
	if got := versions(t, c); got != "5 0 0 0" {
		t.Errorf("under another pin the versions are %s", got)
	}
	// Whatever is written last before a crash, nothing of the first pin's passes for the second's, nor the other way round, should the
	// operator go back to it.
	for n := range 14 {
		left := newShelf()
		for name, value := range shelf.values {
			left.values[name] = value
		}
		writes := 0
		left.before = func(string) error {
			if writes++; writes > n {
				return errors.New("power cut")
			}
			return nil
		}
		other.publishAll()
		New(pin, left, Limits{}).Refresh(context.Background(), other.fetch, noon)
		left.before = nil
		after := New(pin, left, Limits{})
		if _, err := after.State(); err != nil {
			t.Fatalf("after %d writes: %v", n, err)
		}
		for _, d := range after.state.Load().trustedDocuments() {
			if known := other.files[other.fileName(d.role, d.version)]; len(known) == 0 || d.role != "timestamp" && sha256.Sum256(known) != d.sums.sha256 {
				t.Errorf("after %d writes %s is trusted, which is not the second repository's", n, d.what())
			}
		}
		back := New(w.initial, left, Limits{})
		if _, err := back.State(); err != nil {
			t.Fatalf("after %d writes: %v", n, err)
		}
		for _, d := range back.state.Load().trustedDocuments() {
			if known := w.files[w.fileName(d.role, d.version)]; sha256.Sum256(known) != d.sums.sha256 {
				t.Errorf("after %d writes %s is trusted under the first pin, which is not the first repository's", n, d.what())
			}
		}
		other.refresh(after, noon, "good")
	}
}

// A refresh that began before the operator pinned another root must not put its own metadata back in place of what is kept since.
func TestWhoHasAnOldPinDoesNotTakeTheStoreBack(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	shelf := newShelf()
	old, c := New(w.initial, shelf, Limits{}), New(other.initial, shelf, Limits{})
	w.refresh(old, noon, "good")
	w.publishAll()
	other.publishAll()
	_, err := old.Refresh(context.Background(), func(ctx context.Context, name string, limit int64) ([]byte, error) {
		if name == "timestamp.json" {
			other.refresh(c, noon, "good")
		}
		return w.fetch(ctx, name, limit)
	}, noon)
	if err == nil || !strings.Contains(err.Error(), "another pinned root") {
		t.Error(err)
	}
	if got := versions(t, New(other.initial, shelf, Limits{})); got != "2 2 2 2" {
		t.Errorf("the versions kept are %s", got)
	}
	w.look(old, noon, "app.msi", Unavailable)
	w.refresh(old, noon, "good") // who still wants the old pin begins anew
	w.look(old, noon, "app.msi", "good")
}

func (s *state) trustedDocuments() (out []*document) {
	out = append(out, s.root.document)
	for _, m := range []*snapshot{s.timestamp, s.snapshot} {
		if m != nil {
			out = append(out, m.document)
		}
	}
	if s.targets != nil {
		out = append(out, s.targets.document)
	}
	return out
}

func TestANewerPinOfTheSameChainForgetsNothing(t *testing.T) {
	w := newWorld(t)
	w.publishAll()
	w.publishAll()
	shelf := newShelf()
	w.refresh(New(w.initial, shelf, Limits{}), noon, "good")
	c := New(w.files["2.root.json"], shelf, Limits{})
	if got := versions(t, c); got != "3 3 3 3" {
		t.Errorf("the versions are %s", got)
	}
	w.offer(c, noon, "1.root.json", w.files["1.root.json"], "good") // it was seen under the older pin
	w.refresh(c, noon.Add(day), "good")
	w.refresh(New(w.files["2.root.json"], shelf, Limits{}), noon.Add(day), "good")
	// A pin that is newer than all that was seen is another decision.
	w.publish("root")
	c = New(w.files["4.root.json"], shelf, Limits{})
	if got := versions(t, c); got != "4 0 0 0" {
		t.Errorf("the versions are %s", got)
	}
	w.offer(c, noon, "1.root.json", w.files["1.root.json"], UnknownVersion)
	w.refresh(c, noon, "good")
}

func TestWhatIsDamagedIsNotForgotten(t *testing.T) {
	for _, name := range []string{rootFile, timestampFile, snapshotFile, recordFile} {
		w := newWorld(t)
		w.publishAll()
		shelf := newShelf()
		w.refresh(New(w.initial, shelf, Limits{}), noon, "good")
		good := shelf.values[name]
		shelf.values[name] = good[:len(good)/2]
		c := New(w.initial, shelf, Limits{})
		for range 2 {
			if _, err := c.Refresh(context.Background(), w.fetch, noon); err == nil || !strings.HasPrefix(code(err), "error: ") && name == recordFile || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("with half of %s: %v", name, err)
			}
		}
		shelf.values[name] = good
		w.look(c, noon, "app.msi", "good")
	}
}

// errors about ourselves must never look like one of the repository.
func TestStorageThatFailsIsAnErrorOfOurs(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.publish("root")
	w.everything()
	for n := 0; ; n++ {
		shelf := newShelf()
		writes := 0
		shelf.before = func(string) error {
			if writes++; writes == n+1 {
				return errors.New("disk full")
			}
			return nil
		}
		c := New(w.initial, shelf, Limits{})
		_, err := c.Refresh(context.Background(), w.fetch, noon)
		if err == nil {
			_, err = c.Lookup(context.Background(), w.fetch, noon, "a/one")
		}
		if writes <= n {
			if n < 6 || err != nil {
				t.Errorf("there are %d writes, %v", n, err)
			}
			return
		}
		if e := (*Error)(nil); errors.As(err, &e) || err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("when write %d fails: %v", n+1, err)
		}
		// What was proved before it stays, and nothing is trusted twice over.
		again := New(w.initial, shelf, Limits{})
		if _, err := again.State(); err != nil {
			t.Errorf("after write %d failed: %v", n+1, err)
		}
		w.refresh(again, noon, "good")
		w.look(again, noon, "a/one", "good")
		w.refresh(c, noon, "good")
		w.look(c, noon, "a/one", "good")
	}
}

func TestTwoProcessesShareAStore(t *testing.T) {
	w := newWorld(t)
	shelf := newShelf()
	a, b := New(w.initial, shelf, Limits{}), New(w.initial, shelf, Limits{})
	w.refresh(a, noon, "good")
	w.refresh(b, noon, "good")
	old := map[string][]byte{}
	for name, data := range w.files {
		old[name] = data
	}
	w.publishAll()
	w.refresh(a, noon, "good")
	// b has seen less, and is served less: its older state must not replace the newer one.
	w.parts["timestamp"].version = 1
	w.refresh(b, noon, "good")
	if got := versions(t, b) + ", " + versions(t, New(w.initial, shelf, Limits{})); got != "2 2 2 2, 2 2 2 2" {
		t.Errorf("the versions are %s", got)
	}
	c := New(w.initial, shelf, Limits{})
	w.look(c, noon, "app.msi", "good")
	w.publish("timestamp")
	w.publish("timestamp")
	w.refresh(a, noon, "good") // timestamp 3
	w.parts["timestamp"].version = 2
	w.publishAll()
	w.files["timestamp.json"] = old["timestamp.json"]
	w.refresh(c, noon, Rollback)
}

func TestAnAdvanceThatIsOvertakenIsJudgedAgain(t *testing.T) {
	w := newWorld(t)
	shelf := newShelf()
	a, b := New(w.initial, shelf, Limits{}), New(w.initial, shelf, Limits{})
	w.refresh(a, noon, "good")
	w.refresh(b, noon, "good")
	second := w.parts["timestamp"].version + 1
	w.publish("timestamp")
	older := w.files["timestamp.json"]
	w.publish("timestamp")
	w.refresh(a, noon, "good")
	w.offer(b, noon, "timestamp.json", older, Rollback)
	if got := versions(t, b); got != fmt.Sprint("1 ", second+1, " 1 1") {
		t.Errorf("the versions are %s", got)
	}
	// Every write is overtaken: it ends, and says so.
	shelf.before = func(string) error { return verify.ErrConflict }
	w.publish("timestamp")
	if _, err := b.Refresh(context.Background(), w.fetch, noon); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Error(err)
	}
}

// forgetful keeps nothing.
type forgetful struct{}

func (forgetful) Load(string) ([]byte, error)          { return nil, nil }
func (forgetful) Advance(string, []byte, []byte) error { return nil }

func TestAStoreThatKeepsNothingIsEnoughForOneProcess(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.publish("root")
	w.everything()
	c := New(w.initial, forgetful{}, Limits{})
	for range 3 {
		w.refresh(c, noon, "good")
		w.look(c, noon, "a/one", "good")
		w.publish("root")
		w.everything()
	}
	w.refresh(c, noon, "good")
	w.parts["timestamp"].version = 0
	w.publish("timestamp")
	w.refresh(c, noon, Rollback)
}

func TestAPinnedRootMustBeSignedByItself(t *testing.T) {
	w := newWorld(t)
	w.parts["root"].granted, w.parts["root"].signers = w.parts["root"].signers, []signer{newKeyPair()}
	w.publish("root")
	for pin, want := range map[string]string{string(w.files["2.root.json"]): Threshold, "{}": Malformed, "": Malformed, string(w.files["timestamp.json"]): Malformed} {
		c := New([]byte(pin), newShelf(), Limits{})
		w.requests()
		w.refresh(c, noon, want)
		w.look(c, noon, "app.msi", want)
		if got := w.requests(); got != "" {
			t.Errorf("asked for %s", got)
		}
	}
}
