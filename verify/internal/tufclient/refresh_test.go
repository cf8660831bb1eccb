package tufclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

func TestARepositoryIsFollowedFromItsRootToATarget(t *testing.T) {
	for _, consistent := range []bool{true, false} {
		for _, hashes := range []bool{true, false} {
			w := newWorld(t)
			w.consistent, w.hashes = consistent, hashes
			w.publish("root", "targets", "snapshot", "timestamp")
			w.publish("root")
			c := w.client()
			changed, err := c.Refresh(context.Background(), w.fetch, noon)
			if err != nil || changed.Roots != 2 || changed.RootVersion != 3 || !changed.Timestamp || !changed.Snapshot || !changed.Targets {
				t.Fatalf("%+v, %v", changed, err)
			}
			target := w.look(c, noon, "app.msi", "good")
			if chain(target) != "root/3 timestamp/2 snapshot/2 targets/2" || target.Length != 9 || target.Prefixed != consistent || !target.NotAfter.Equal(noon.Add(30*day)) {
				t.Errorf("the target is %+v", target)
			}
			if got := target.Chain[3].Keys; len(got) != 1 || got[0] != w.parts["targets"].signers[0].id {
				t.Errorf("keys %v vouch", got)
			}
			w.look(c, noon, "other.msi", NotListed)
			w.requests()
			if changed, err := c.Refresh(context.Background(), w.fetch, noon); err != nil || changed.Any() {
				t.Errorf("nothing changed, and %+v, %v", changed, err)
			}
			if got := w.requests(); got != "4.root.json timestamp.json" {
				t.Errorf("an unchanged repository is asked for %s", got)
			}
		}
	}
}

// attack is something that is done to a world that was refreshed once, and what a refresh must say of it.
type attack struct {
	name string
	do   func(*world)
	want string
	then string // what the refresh leaves: versions of root, timestamp, snapshot, targets
	look string // what a look-up says then; "" is good
}

func (w *world) publishAll() { w.publish("root", "targets", "snapshot", "timestamp") }

func attacks() []attack {
	replace := func(role, name string, value any) func(*world) {
		return func(w *world) {
			w.parts[role].extra[name] = value
			w.publishAll()
		}
	}
	unsign := func(role string) func(*world) {
		return func(w *world) {
			w.parts[role].granted = w.parts[role].signers
			w.parts[role].signers = []signer{newKeyPair()}
			w.publishAll()
		}
	}
	return []attack{
		{"unsigned root", unsign("root"), Threshold, "1 1 1 1", ""},
		{"unsigned timestamp", unsign("timestamp"), Threshold, "2 1 1 1", ""},
		{"unsigned snapshot", unsign("snapshot"), Threshold, "2 2 1 1", ""},
		{"unsigned targets", unsign("targets"), Threshold, "2 2 2 1", ""},
		{"expired root", replace("root", "expires", stamp(noon)), Expired, "2 1 1 1", Expired},
		{"expired timestamp", replace("timestamp", "expires", stamp(noon)), Expired, "2 1 1 1", ""},
		{"expired snapshot", replace("snapshot", "expires", stamp(noon)), Expired, "2 2 1 1", ""},
		{"expired targets", replace("targets", "expires", stamp(noon)), Expired, "2 2 2 1", ""},
		{"timestamp of another type", replace("timestamp", "_type", "snapshot"), Malformed, "2 1 1 1", ""},
		{"snapshot of another type", replace("snapshot", "_type", "timestamp"), Malformed, "2 2 1 1", ""},
		{"next major version", replace("targets", "spec_version", "2.0.0"), Unsupported, "2 2 2 1", ""},
		{"root of another version", replace("root", "version", 3), MixAndMatch, "1 1 1 1", ""},
		{"snapshot of another version", replace("snapshot", "version", 3), MixAndMatch, "2 2 1 1", ""},
		{"targets of another version", replace("targets", "version", 3), MixAndMatch, "2 2 2 1", ""},
		{"version at the end", replace("timestamp", "version", int64(1)<<53), FastForward, "2 1 1 1", ""},
		{"version beyond 64 bits", func(w *world) {
			w.publishAll()
			w.files["timestamp.json"] = bytes.Replace(w.files["timestamp.json"], []byte(`"version": 2`), []byte(`"version": 99999999999999999999`), 1)
		}, Malformed, "2 1 1 1", ""},
		{"targets listed at the end", func(w *world) {
			w.parts["snapshot"].extra["meta"] = object{"targets.json": object{"version": int64(1) << 53}}
			w.publish("snapshot", "timestamp")
		}, FastForward, "1 2 1 1", ""},
		{"timestamp rolled back", func(w *world) {
			w.publish("timestamp")
			w.parts["timestamp"].version = 0
			w.publish("timestamp")
		}, "good", "1 1 1 1", ""}, // not seen in between
		{"snapshot in timestamp rolled back", func(w *world) {
			w.parts["timestamp"].extra["meta"] = object{"snapshot.json": object{"version": 0}}
			w.publish("timestamp")
		}, Malformed, "1 1 1 1", ""},
		{"targets no longer listed", func(w *world) {
			w.parts["snapshot"].extra["meta"] = object{"other.json": object{"version": 1}}
			w.publish("snapshot", "timestamp")
		}, Rollback, "1 2 1 1", ""},
		{"hash of snapshot differs", func(w *world) {
			w.hashes = true
			w.publish("targets", "snapshot", "timestamp")
			w.files["2.snapshot.json"] = append(w.files["2.snapshot.json"], ' ')
			w.parts["timestamp"].extra["meta"] = object{"snapshot.json": object{"version": 2, "hashes": object{"sha256": strings.Repeat("0", 64)}}}
			w.publish("timestamp")
		}, DigestMismatch, "1 3 1 1", ""},
		{"hash of targets unknown", func(w *world) {
			w.publish("targets")
			w.parts["snapshot"].extra["meta"] = object{"targets.json": object{"version": 2, "hashes": object{"blake9": "00"}}}
			w.publish("snapshot", "timestamp")
		}, Unsupported, "1 2 2 1", ""},
		{"longer than listed", func(w *world) {
			w.hashes = true
			w.publish("targets", "snapshot", "timestamp")
			w.files["2.targets.json"] = append(w.files["2.targets.json"], ' ')
		}, Oversize, "1 2 2 1", ""},
		{"snapshot gone", func(w *world) {
			w.publish("snapshot", "timestamp")
			delete(w.files, "2.snapshot.json")
		}, Unavailable, "1 2 1 1", ""},
		{"timestamp gone", func(w *world) { delete(w.files, "timestamp.json") }, Unavailable, "1 1 1 1", ""},
		{"root unreachable", func(w *world) { w.fails["2.root.json"] = errors.New("connection reset") }, Unavailable, "1 1 1 1", ""},
		{"huge timestamp", func(w *world) {
			w.publish("timestamp")
			w.files["timestamp.json"] = append(w.files["timestamp.json"], bytes.Repeat([]byte(" "), 64<<10)...)
		}, Oversize, "1 1 1 1", ""},
		{"deep timestamp", replace("timestamp", "x", json.RawMessage(strings.Repeat("[", 40)+strings.Repeat("]", 40))), Oversize, "2 1 1 1", ""},
		{"threshold 0", func(w *world) {
			w.parts["targets"].threshold = 0
			w.publishAll()
		}, Malformed, "1 1 1 1", ""},
		{"more signatures than keys", func(w *world) {
			w.parts["snapshot"].threshold = 2
			w.publishAll()
		}, Threshold, "2 2 0 1", Unavailable}, // the old snapshot has too few signatures for the new root, too
		{"a key under two ids", func(w *world) {
			twin := w.parts["snapshot"].signers[0]
			twin.id = "another name"
			w.parts["snapshot"].signers = append(w.parts["snapshot"].signers, twin)
			w.parts["snapshot"].threshold = 2
			w.publishAll()
		}, Threshold, "2 2 0 1", Unavailable}, // the old snapshot has too few signatures for the new root, too
		{"a key named twice", func(w *world) {
			p := w.parts["snapshot"]
			p.granted = []signer{p.signers[0], p.signers[0]}
			p.threshold = 2
			w.publishAll()
		}, Threshold, "2 2 0 1", Unavailable}, // the old snapshot has too few signatures for the new root, too
		{"a signature twice", func(w *world) {
			w.parts["snapshot"].granted = w.parts["snapshot"].signers
			w.parts["snapshot"].signers = append(w.parts["snapshot"].signers, w.parts["snapshot"].signers[0])
			w.publishAll()
		}, Malformed, "2 2 1 1", ""},
		{"new root not signed by the old", func(w *world) {
			w.parts["root"].signers = []signer{newKeyPair()}
			w.publishAll()
		}, Threshold, "1 1 1 1", ""},
		{"no keys of timestamp", func(w *world) {
			w.parts["root"].extra["roles"] = object{"root": object{"keyids": ids(w.parts["root"].signers), "threshold": 1}}
			w.publishAll()
		}, Malformed, "1 1 1 1", ""},
	}
}

func versions(t testing.TB, c *Client) string {
	t.Helper()
	s, err := c.State()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(s.Root, s.Timestamp, s.Snapshot, s.Targets)
}

func TestAttacksOnARefresh(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			w := newWorld(t)
			shelf := newShelf()
			c := New(w.initial, shelf, Limits{})
			w.refresh(c, noon, "good")
			a.do(w)
			w.refresh(c, noon, a.want)
			if got := versions(t, c); got != a.then {
				t.Errorf("trusted are the versions %s, want %s", got, a.then)
			}
			// The last complete set stays in use, and another process reads the same from the store.
			look := cmp.Or(a.look, "good")
			if target := w.look(c, noon, "app.msi", look); look == "good" && target.Behind != (a.then[2:] != "1 1 1") {
				t.Errorf("the target is behind: %v, with versions %s", target.Behind, a.then)
			}
			if again := New(w.initial, shelf, Limits{}); versions(t, again) != droppedIfStale(a.then) {
				t.Errorf("the store has the versions %s, want %s", versions(t, again), a.then)
			}
		})
	}
}

// droppedIfStale is what another process reads: targets that the stored snapshot does not list are not trusted.
func droppedIfStale(versions string) string {
	if f := strings.Fields(versions); f[2] != f[3] {
		return strings.Join(f[:3], " ") + " 0"
	}
	return versions
}

func TestOlderVersionsAreRefused(t *testing.T) {
	for role, do := range map[string]func(*world){
		"timestamp": func(w *world) { w.parts["timestamp"].version = 0; w.publish("timestamp") },
		"snapshot":  func(w *world) { w.parts["snapshot"].version = 0; w.publish("snapshot", "timestamp") },
		"targets":   func(w *world) { w.parts["targets"].version = 0; w.publish("targets", "snapshot", "timestamp") },
	} {
		w := newWorld(t)
		w.publish("targets", "snapshot", "timestamp")
		shelf := newShelf()
		c := New(w.initial, shelf, Limits{})
		w.refresh(c, noon, "good")
		good := w.files
		w.files = map[string][]byte{}
		for name, data := range good {
			w.files[name] = data
		}
		do(w)
		w.refresh(c, noon, Rollback)
		w.refresh(New(w.initial, shelf, Limits{}), noon, Rollback)
		w.files = good
		w.parts["timestamp"].version = 3
		w.parts["snapshot"].version = 2
		w.parts["targets"].version = 2
		w.publish("targets", "snapshot", "timestamp")
		w.refresh(c, noon, "good")
		if got := versions(t, c); !strings.HasSuffix(got, " 3 3") {
			t.Errorf("after the %s was rolled back and repaired: %s", role, got)
		}
	}
}

func TestRotatedKeysRecoverFromAFastForward(t *testing.T) {
	for _, rotated := range [][]string{{"timestamp"}, {"snapshot"}, {"timestamp", "snapshot"}} {
		w := newWorld(t)
		w.parts["timestamp"].version, w.parts["snapshot"].version, w.parts["targets"].version = 99998, 99998, 99998
		w.publish("targets", "snapshot", "timestamp")
		shelf := newShelf()
		c := New(w.initial, shelf, Limits{})
		w.refresh(c, noon, "good")
		for _, role := range rotated {
			w.parts[role].signers = []signer{newKeyPair()}
		}
		w.parts["timestamp"].version, w.parts["snapshot"].version, w.parts["targets"].version = 1, 1, 1
		w.files["root"] = nil
		w.publishAll()
		changed, err := c.Refresh(context.Background(), w.fetch, noon)
		if err != nil || !changed.Recovered {
			t.Fatalf("after %v were rotated: %+v, %v", rotated, changed, err)
		}
		if got := versions(t, c) + " " + versions(t, New(w.initial, shelf, Limits{})); got != "2 2 2 2 2 2 2 2" {
			t.Errorf("after %v were rotated: %s", rotated, got)
		}
		w.look(c, noon, "app.msi", "good")
	}
}

func TestARevokedKeyOfTargetsVouchesNoMore(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	w.refresh(c, noon, "good")
	w.look(c, noon, "app.msi", "good")
	w.parts["targets"].signers = []signer{newKeyPair()}
	w.publish("root")
	w.refresh(c, noon, Threshold) // the new root is there, and targets of the old key
	w.look(c, noon, "app.msi", Unavailable)
	w.publish("targets", "snapshot", "timestamp")
	w.refresh(c, noon, "good")
	w.look(c, noon, "app.msi", "good")
}

func TestARootWithTheSameKeysInterruptsNothing(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	w.refresh(c, noon, "good")
	w.publish("root", "snapshot", "timestamp")
	delete(w.files, "2.snapshot.json")
	w.refresh(c, noon, Unavailable)
	w.publish("root")
	w.refresh(c, noon, Unavailable)
	if got := chain(w.look(c, noon, "app.msi", "good")); got != "root/3 timestamp/1 snapshot/1 targets/1" {
		t.Errorf("the chain is %s", got)
	}
}

func TestAnExpiredSetIsNotUsed(t *testing.T) {
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		w := newWorld(t)
		w.parts[role].expires = noon.Add(time.Hour)
		w.publishAll()
		c := w.client()
		w.refresh(c, noon, "good")
		w.look(c, noon.Add(time.Hour-time.Second), "app.msi", "good")
		w.look(c, noon.Add(time.Hour), "app.msi", Expired)
		w.refresh(c, noon.Add(time.Hour), Expired)
		w.parts[role].expires = noon.Add(2 * day)
		w.publishAll()
		w.refresh(c, noon.Add(time.Hour), "good")
		w.look(c, noon.Add(time.Hour), "app.msi", "good")
	}
}

func TestAClockThatWasSetBackIsSeen(t *testing.T) {
	w := newWorld(t)
	shelf := newShelf()
	c := New(w.initial, shelf, Limits{})
	w.refresh(c, noon, "good")
	w.refresh(c, noon.Add(time.Hour), "good")
	for _, c := range []*Client{c, New(w.initial, shelf, Limits{})} {
		w.look(c, noon.Add(-4*time.Minute), "app.msi", "good")
		w.look(c, noon.Add(-6*time.Minute), "app.msi", Clock)
		w.refresh(c, noon.Add(-time.Hour), Clock)
		w.offer(c, noon.Add(-time.Hour), "timestamp.json", w.files["timestamp.json"], Clock)
		w.look(c, noon, "app.msi", "good")
	}
}

func TestAClockThatWasAheadForAWhileBlocksNothing(t *testing.T) {
	w := newWorld(t)
	shelf := newShelf()
	c := New(w.initial, shelf, Limits{})
	w.refresh(c, noon.Add(-day), "good")
	w.refresh(c, noon.Add(-2*time.Hour), "good")
	for range 2 { // in one process, and across a restart
		for minutes := range 50 {
			w.refresh(c, noon.Add(8*time.Hour+time.Duration(minutes)*time.Minute), "good")
		}
		w.look(c, noon, "app.msi", "good")
		w.refresh(c, noon, "good")
		w.look(c, noon.Add(-day-6*time.Minute), "app.msi", Clock)
		c = New(w.initial, shelf, Limits{})
	}
	w.refresh(c, noon.Add(time.Hour), "good")
	w.look(c, noon.Add(-6*time.Minute), "app.msi", Clock)
}

func TestManyRootsArePassedAFewAtATime(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		w.publish("root")
	}
	shelf := newShelf()
	c := New(w.initial, shelf, Limits{RootRotations: 8})
	for _, want := range []int64{9, 17, 21} {
		changed, err := c.Refresh(context.Background(), w.fetch, noon)
		if err != nil || changed.RootVersion != want {
			t.Fatalf("%+v, %v, want root %d", changed, err, want)
		}
	}
	// The next process begins where this one stopped: the old roots may be gone.
	for name := range w.files {
		if strings.HasSuffix(name, ".root.json") {
			delete(w.files, name)
		}
	}
	again := New(w.initial, shelf, Limits{})
	w.requests()
	w.refresh(again, noon, "good")
	if got := w.requests(); got != "22.root.json timestamp.json" {
		t.Errorf("asked for %s", got)
	}
}

func TestNeverMoreIsAskedForThanTheLimit(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	endless := func(ctx context.Context, name string, limit int64) ([]byte, error) {
		if limit > 33<<20 || limit <= 0 {
			t.Errorf("%d bytes of %s are asked for", limit, name)
		}
		if name == "timestamp.json" {
			return bytes.Repeat([]byte("a"), int(limit)+1), nil
		}
		return w.fetch(ctx, name, limit)
	}
	if _, err := c.Refresh(context.Background(), endless, noon); code(err) != Oversize {
		t.Error(err)
	}
	if _, err := c.Refresh(context.Background(), func(context.Context, string, int64) ([]byte, error) { return nil, verify.ErrTooLarge }, noon); code(err) != Oversize {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stuck := func(ctx context.Context, _ string, _ int64) ([]byte, error) {
		cancel()
		<-ctx.Done()
		return nil, errors.New("gone")
	}
	if _, err := c.Refresh(ctx, stuck, noon); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
