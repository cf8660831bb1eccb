package tufclient

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A role that one delegator vouches for must not be believed under another, whose keys did not sign it.
func TestARoleIsVerifiedUnderTheDelegatorOfEachSearch(t *testing.T) {
	w := newWorld(t)
	other := newKeyPair()
	w.delegate("targets", "alice", nil, "a/*")
	w.delegate("targets", "bob", nil, "b/*")
	shared := w.delegate("alice", "shared", nil, "a/*")
	w.delegate("bob", "shared", object{"signers": []signer{other}}, "b/*")
	shared.files["a/one"], shared.files["b/one"] = []byte("1"), []byte("1")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	for range 2 {
		w.look(c, noon, "a/one", "good")
		w.look(c, noon, "b/one", Threshold)
	}
	again := New(w.initial, c.store, Limits{})
	w.look(again, noon, "b/one", Threshold)
	w.look(again, noon, "a/one", "good")
	// Once both keys sign, both are right.
	shared.signers = append(shared.signers, other)
	w.everything()
	w.refresh(c, noon, "good")
	for range 2 {
		w.look(c, noon, "b/one", "good")
		w.look(c, noon, "a/one", "good")
	}
}

func TestTheSearchIsInPreOrderAndEndsAtATerminatingRole(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "*")
	w.delegate("targets", "B", object{"terminating": true}, "*.x")
	w.delegate("targets", "C", nil, "*")
	w.delegate("A", "A1", nil, "*")
	w.delegate("A", "targets2", nil, "*")
	w.delegate("C", "A", nil, "*") // a cycle
	w.parts["C"].files["f.x"], w.parts["C"].files["f"], w.parts["A1"].files["f"] = []byte("C"), []byte("C"), []byte("A1 is first")
	w.parts["C"].files["g"] = []byte("C")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	w.requests()
	w.look(c, noon, "f.x", NotListed)
	if got := w.requests(); got != "1.A.json 1.A1.json 1.targets2.json 1.B.json" {
		t.Errorf("asked for %s", got)
	}
	if got := chain(w.look(c, noon, "f", "good")); !strings.HasSuffix(got, "targets/2 A/1 A1/1") {
		t.Errorf("the chain is %s", got)
	}
	if got := chain(w.look(c, noon, "g", "good")); !strings.HasSuffix(got, "targets/2 C/1") {
		t.Errorf("the chain is %s", got)
	}
	w.look(c, noon, "h", NotListed)
}

func TestADelegationIsNotFollowedBeyondItsPaths(t *testing.T) {
	w := newWorld(t)
	a := w.delegate("targets", "A", nil, "a/*")
	b := w.delegate("A", "B", nil, "*/*")
	a.files["b/one"], b.files["b/one"], b.files["a/one"] = []byte("1"), []byte("1"), []byte("1")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	w.look(c, noon, "b/one", NotListed)
	w.look(c, noon, "a/one", "good")
}

func TestBrokenDelegatedRoles(t *testing.T) {
	for _, a := range []struct {
		name string
		do   func(*world)
		want string
	}{
		{"unsigned", func(w *world) {
			w.parts["A"].granted, w.parts["A"].signers = w.parts["A"].signers, []signer{newKeyPair()}
			w.everything()
		}, Threshold},
		{"expired", func(w *world) { w.parts["A"].expires = noon; w.everything() }, Expired},
		{"not in the snapshot", func(w *world) {
			w.parts["snapshot"].extra["meta"] = object{"targets.json": object{"version": 2}}
			w.everything()
		}, MixAndMatch},
		{"of another version", func(w *world) { w.parts["A"].extra["version"] = 7; w.everything() }, MixAndMatch},
		{"with another hash", func(w *world) {
			w.hashes = true
			w.everything()
			w.files["1.A.json"][0] = ' '
		}, DigestMismatch},
		{"gone", func(w *world) { w.everything(); delete(w.files, "1.A.json") }, Unavailable},
		{"no JSON", func(w *world) { w.everything(); w.files["1.A.json"] = []byte("<html>") }, Malformed},
		{"of a top-level name", func(w *world) {
			w.parts["A"].delegations = []object{{"name": "snapshot", "paths": []string{"*"}, "threshold": 1, "keyids": []string{}}}
			w.everything()
		}, Malformed},
		{"threshold 0", func(w *world) { w.delegate("A", "B", object{"threshold": 0}, "*"); w.everything() }, Malformed},
		{"paths and prefixes", func(w *world) {
			w.delegate("A", "B", object{"path_hash_prefixes": []string{"0"}}, "*")
			w.everything()
		}, Malformed},
		{"no hash that is known", func(w *world) {
			w.parts["A"].extra["targets"] = object{"a/one": object{"length": 1, "hashes": object{"md5": "00"}}}
			w.everything()
		}, Unsupported},
		{"no hash", func(w *world) {
			w.parts["A"].extra["targets"] = object{"a/one": object{"length": 1, "hashes": object{}}}
			w.everything()
		}, Malformed},
		{"a negative length", func(w *world) {
			w.parts["A"].extra["targets"] = object{"a/one": object{"length": -1, "hashes": object{"sha256": strings.Repeat("0", 64)}}}
			w.everything()
		}, Malformed},
	} {
		t.Run(a.name, func(t *testing.T) {
			w := newWorld(t)
			w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
			a.do(w)
			c := w.client()
			w.refresh(c, noon, "good")
			w.look(c, noon, "a/one", a.want)
			w.look(c, noon, "app.msi", "good")
		})
	}
}

func TestASearchIsBounded(t *testing.T) {
	w := newWorld(t)
	parent := "targets"
	for i := range 10 {
		name := fmt.Sprint("r", i)
		w.delegate(parent, name, nil, "*")
		parent = name
	}
	w.parts[parent].files["deep"] = []byte("1")
	w.everything()
	for limit, want := range map[int]string{11: "good", 10: Oversize} {
		c := New(w.initial, newShelf(), Limits{Roles: limit})
		w.refresh(c, noon, "good")
		w.look(c, noon, "deep", want)
	}
	c := New(w.initial, newShelf(), Limits{LookupBytes: 2000})
	w.refresh(c, noon, "good")
	w.look(c, noon, "deep", Oversize)
	c = New(w.initial, newShelf(), Limits{Delegations: 1, Loaded: 3})
	w.refresh(c, noon, "good")
	w.look(c, noon, "deep", "good")
	w.look(c, noon, strings.Repeat("x", maxPath+1), NotListed)

	w = newWorld(t)
	w.delegate("targets", "A", nil, strings.Repeat("*a", 4000)+"b")
	w.everything()
	c = w.client()
	w.refresh(c, noon, "good")
	w.look(c, noon, strings.Repeat("a", maxPath), NotListed)
	patterns := []string{}
	for range 2000 {
		patterns = append(patterns, "*"+strings.Repeat("a", 400)+"b")
	}
	w.parts["targets"].delegations[0]["paths"] = patterns
	w.everything()
	w.refresh(c, noon, "good")
	w.look(c, noon, strings.Repeat("a", maxPath), Oversize)
}

func TestHashBins(t *testing.T) {
	w := newWorld(t)
	key := newKeyPair()
	path := "some/file"
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(path)))
	bin := "bin-" + hash[:1]
	w.parts["targets"].bins = object{"keyids": []signer{key}, "threshold": 1, "bit_length": 4, "name_prefix": "bin"}
	for i := range 16 {
		w.role(fmt.Sprintf("bin-%x", i)).signers = []signer{key}
	}
	w.parts[bin].files[path] = []byte("1")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	w.requests()
	if got := chain(w.look(c, noon, path, "good")); !strings.HasSuffix(got, " "+bin+"/1") {
		t.Errorf("the chain is %s", got)
	}
	if got := w.requests(); got != "1."+bin+".json" {
		t.Errorf("asked for %s", got)
	}
	w.offer(c, noon, "1."+bin+".json", w.files["1."+bin+".json"], "good")

	w = newWorld(t)
	w.delegate("targets", "low", object{"path_hash_prefixes": []string{"0", "1", "2", "3", "4", "5", "6", "7"}, "paths": nil})
	w.delegate("targets", "high", object{"path_hash_prefixes": []string{"8", "9", "a", "b", "c", "d", "e", "f"}, "paths": nil})
	for _, d := range w.parts["targets"].delegations {
		delete(d, "paths")
	}
	w.parts["low"].files[path], w.parts["high"].files[path] = []byte("low"), []byte("high")
	w.everything()
	c = w.client()
	w.refresh(c, noon, "good")
	want := "low"
	if hash[0] >= '8' {
		want = "high"
	}
	if got := chain(w.look(c, noon, path, "good")); !strings.HasSuffix(got, " "+want+"/1") {
		t.Errorf("the chain is %s, want %s", got, want)
	}
}

func TestOddRoleNames(t *testing.T) {
	for _, role := range []string{"?", "#", "/r", "../r", "a b", "ä", "%2e", "state", "3.r", ".", "..", "r.json", "a\nb"} {
		w := newWorld(t)
		w.delegate("targets", role, nil, "*").files["one"] = []byte("1")
		w.everything()
		c := w.client()
		w.refresh(c, noon, "good")
		w.look(c, noon, "one", "good")
		w.offer(c, noon, "1."+escaped(role)+".json", w.files["1."+escaped(role)+".json"], "good")
		w.fails["1."+escaped(role)+".json"] = context.DeadlineExceeded
		again := New(w.initial, c.store, Limits{})
		w.look(again, noon, "one", "good") // from the store
	}
}

func TestUnchangedRolesAreKeptAcrossSnapshots(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.delegate("targets", "B", nil, "b/*").files["b/one"] = []byte("1")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	w.look(c, noon, "a/one", "good")
	w.look(c, noon, "b/one", "good")
	w.publish("A", "snapshot", "timestamp")
	w.refresh(c, noon, "good")
	w.requests()
	w.look(c, noon, "a/one", "good")
	w.look(c, noon, "b/one", "good")
	if got := w.requests(); got != "2.A.json" {
		t.Errorf("asked for %s", got)
	}
	// A delegation that is gone ends the trust, though the role's file is still there.
	w.parts["targets"].delegations = w.parts["targets"].delegations[1:]
	w.publish("targets", "snapshot", "timestamp")
	w.refresh(c, noon, "good")
	w.look(c, noon, "a/one", NotListed)
	w.look(c, noon, "b/one", "good")
	w.offer(c, noon, "2.A.json", w.files["2.A.json"], UnknownRole)
	// So do keys that the delegator no longer names.
	w.parts["targets"].delegations[0]["signers"] = []signer{newKeyPair()}
	w.publish("targets", "snapshot", "timestamp")
	w.refresh(c, noon, "good")
	w.look(c, noon, "b/one", Threshold)
}

func TestOneOfManyLooksARoleUp(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	w.requests()
	gate, started := make(chan struct{}), make(chan struct{}, 100)
	slow := func(ctx context.Context, name string, limit int64) ([]byte, error) {
		started <- struct{}{}
		<-gate
		return w.fetch(ctx, name, limit)
	}
	var done sync.WaitGroup
	for range 50 {
		done.Go(func() {
			if _, err := c.Lookup(context.Background(), slow, noon, "a/one"); err != nil {
				t.Error(err)
			}
		})
	}
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Lookup(ctx, slow, noon, "a/one"); err != context.Canceled {
		t.Errorf("who gives up gets %v", err)
	}
	close(gate)
	done.Wait()
	if got := w.requests(); got != "1.A.json" {
		t.Errorf("asked for %s", got)
	}
}

// Look-ups go on while the repository moves; run with -race.
func TestLookUpsBesideRefreshes(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	stop := make(chan struct{})
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, path := range []string{"app.msi", "a/one"} {
					if got, err := c.Lookup(context.Background(), w.fetch, noon, path); err != nil || got.Length == 0 {
						t.Errorf("%s: %v", path, err)
						return
					}
				}
			}
		})
	}
	for range 20 {
		w.mu.Lock()
		w.publish("A", "targets", "snapshot", "timestamp")
		w.mu.Unlock()
		w.refresh(c, noon, "good")
		w.mu.Lock()
		data := w.files["timestamp.json"]
		w.mu.Unlock()
		w.offer(c, noon, "timestamp.json", data, "good")
	}
	close(stop)
	done.Wait()
}
