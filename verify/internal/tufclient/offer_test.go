package tufclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// walkOffers offers a client's whole walk.
func (w *world) walkOffers(c *Client, at time.Time, names ...string) {
	w.tb.Helper()
	for _, name := range names {
		w.offer(c, at, name, w.files[name], "good")
	}
}

func TestAClientsWholeWalkAdvancesTheState(t *testing.T) {
	for _, consistent := range []bool{true, false} {
		w := newWorld(t)
		w.consistent = consistent
		w.delegate("targets", "A", nil, "a/*")
		w.delegate("A", "B", nil, "a/*").files["a/one"] = []byte("1")
		w.publish("root", "B", "A", "targets", "snapshot", "timestamp")
		c := w.client()
		names := []string{"1.root.json", "2.root.json", "timestamp.json", "snapshot.json", "targets.json", "A.json", "B.json"}
		if consistent {
			names = []string{"1.root.json", "2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "1.A.json", "1.B.json"}
		}
		w.walkOffers(c, noon, names...)
		if target, err := c.Lookup(context.Background(), nil, noon, "a/one"); err != nil || !strings.HasSuffix(chain(target), "A/1 B/1") {
			t.Errorf("%s, %v", chain(target), err)
		}
		w.walkOffers(c, noon, names...) // the next client
		if _, err := c.Lookup(context.Background(), nil, noon, "a/one"); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatCannotBeJudgedIsToldApart(t *testing.T) {
	w := newWorld(t)
	first := w.files["timestamp.json"]
	w.delegate("targets", "A", nil, "a/*")
	w.publish("root", "A", "targets", "snapshot", "timestamp")
	w.publish("root", "A", "targets", "snapshot")
	later := newWorld(t)
	later.publishAll()

	c := w.client()
	w.offer(c, noon, "2.snapshot.json", w.files["2.snapshot.json"], UnknownVersion)
	w.offer(c, noon, "2.targets.json", w.files["2.targets.json"], UnknownVersion)
	w.offer(c, noon, "1.A.json", w.files["1.A.json"], UnknownRole)
	w.offer(c, noon, "3.root.json", w.files["3.root.json"], UnknownVersion)
	w.walkOffers(c, noon, "2.root.json", "timestamp.json")
	w.offer(c, noon, "2.targets.json", w.files["2.targets.json"], UnknownVersion)
	w.offer(c, noon, "3.snapshot.json", w.files["3.snapshot.json"], UnknownVersion)
	w.walkOffers(c, noon, "2.snapshot.json")
	w.offer(c, noon, "1.A.json", w.files["1.A.json"], UnknownRole)
	w.walkOffers(c, noon, "2.targets.json", "1.A.json")
	w.offer(c, noon, "3.targets.json", w.files["3.targets.json"], UnknownVersion)
	w.offer(c, noon, "2.A.json", w.files["2.A.json"], UnknownVersion)
	w.offer(c, noon, "1.B.json", w.files["1.A.json"], UnknownRole)
	w.offer(c, noon, "index.html", []byte("<html>"), UnknownRole)
	w.offer(c, noon, "A.json", w.files["1.A.json"], UnknownRole) // consistent snapshots number it

	for _, bad := range []struct {
		name, want string
		data       []byte
	}{
		{"timestamp.json", Rollback, first},
		{"1.snapshot.json", Rollback, w.files["1.snapshot.json"]},
		{"1.targets.json", Rollback, w.files["1.targets.json"]},
		{"2.snapshot.json", MixAndMatch, w.files["1.snapshot.json"]},
		{"2.root.json", MixAndMatch, w.files["1.root.json"]},
		{"1.root.json", MixAndMatch, later.files["1.root.json"]},
		{"2.root.json", MixAndMatch, later.files["2.root.json"]},
		{"3.root.json", MixAndMatch, w.files["2.root.json"]},
		{"timestamp.json", Threshold, later.files["timestamp.json"]},
		{"2.snapshot.json", Threshold, later.files["2.snapshot.json"]},
		{"2.targets.json", Threshold, later.files["2.targets.json"]},
		{"1.A.json", Threshold, later.files["2.targets.json"]},
		{"timestamp.json", Malformed, []byte("<html>")},
		{"timestamp.json", Malformed, w.files["2.snapshot.json"]},
		{"timestamp.json", Oversize, bytes.Repeat([]byte(" "), 65<<10)},
	} {
		w.offer(c, noon, bad.name, bad.data, bad.want)
	}
	w.offer(c, noon.Add(31*day), "timestamp.json", w.files["timestamp.json"], Expired)
	w.offer(c, noon.Add(31*day), "2.snapshot.json", w.files["2.snapshot.json"], Expired)
	if got := versions(t, c); got != "2 2 2 2" {
		t.Errorf("the versions are %s", got)
	}
}

func TestTamperedFilesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.publish("root", "A", "targets", "snapshot", "timestamp")
	c := w.client()
	names := []string{"2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "1.A.json"}
	for _, name := range names {
		good := w.files[name]
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1
			role, err := c.Offer(context.Background(), noon, name, bad)
			if err == nil && (role.Advanced || !sameSigned(bad, good)) {
				t.Fatalf("%s with byte %d changed is good: %s", name, i, bad[max(0, i-20):min(len(bad), i+20)])
			}
		}
		w.walkOffers(c, noon, name)
	}
}

// sameSigned reports whether two files have the same signed part.
func sameSigned(a, b []byte) bool {
	l := Limits{}.withDefaults()
	for _, kind := range []string{"root", "timestamp", "snapshot", "targets"} {
		x, err := readDocument(a, kind, kind, 1<<20, &l)
		if err != nil {
			continue
		}
		y, err := readDocument(b, kind, kind, 1<<20, &l)
		return err == nil && x.meaning == y.meaning
	}
	return false
}

func TestNoVersionOfATimestampMeansTwoThings(t *testing.T) {
	w := newWorld(t)
	w.publish("snapshot")
	c := w.client()
	w.walkOffers(c, noon, "timestamp.json")
	w.parts["snapshot"].version = 2
	w.write("timestamp") // version 1 again, of snapshot 2
	w.offer(c, noon, "timestamp.json", w.files["timestamp.json"], MixAndMatch)
	w.parts["snapshot"].version = 1
	w.parts["timestamp"].expires = noon.Add(40 * day)
	w.write("timestamp")
	w.offer(c, noon, "timestamp.json", w.files["timestamp.json"], "good")
	w.refresh(c, noon, "good")
}

func TestAClientInTheMiddleOfItsWalkMayFinishIt(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "A", nil, "a/*")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	w.look(c, noon, "a/x", NotListed)
	w.everything()
	w.refresh(c, noon, "good")
	soon, late := noon.Add(9*time.Minute), noon.Add(11*time.Minute)
	for _, name := range []string{"2.snapshot.json", "2.targets.json", "1.A.json"} {
		if r := w.offer(c, soon, name, w.files[name], "good"); r.Advanced {
			t.Errorf("%s advanced the state", name)
		}
		w.offer(c, late, name, w.files[name], Rollback)
	}
	w.offer(c, soon, "2.targets.json", w.files["3.targets.json"], MixAndMatch)
	w.walkOffers(c, soon, "3.snapshot.json", "3.targets.json", "2.A.json")
}

func TestNamesOfFiles(t *testing.T) {
	for name, want := range map[string]string{
		"1.root.json": "root 1 true", "01.root.json": " 0 false", "0.root.json": " 0 false", "-1.root.json": " 0 false", "root.json": "root 0 true",
		"timestamp.json": "timestamp 0 true", "7.snapshot.json": "snapshot 7 true", "snapshot.json": " 0 false", "3.a%2Fb.json": "a/b 3 true",
		"3.4.r.json": "4.r 3 true", "99999999999999999999.root.json": " 0 false", "1.json": " 0 false", "1..json": " 0 false", ".json": " 0 false", "1.%zz.json": " 0 false", "1.root": " 0 false",
	} {
		role, version, ok := splitName(name, true)
		if got := fmt.Sprint(role, " ", version, " ", ok); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"3.r.json": "3.r 0 true", "2.root.json": "root 2 true", "snapshot.json": "snapshot 0 true"} {
		role, version, ok := splitName(name, false)
		if got := fmt.Sprint(role, " ", version, " ", ok); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestACancelledOfferSaysSo(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.client().Offer(ctx, noon, "timestamp.json", w.files["timestamp.json"]); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A role's signatures are not tried again and again because very many delegations lead to it.
func TestManyDelegationsToOneRoleAreBounded(t *testing.T) {
	w := newWorld(t)
	a := w.delegate("targets", "A", nil, "a/*")
	a.granted = []signer{newKeyPair()}
	a.signers = nil
	for range 256 {
		k := newKeyPair()
		k.sign = func([]byte) []byte { return make([]byte, 64) }
		a.signers = append(a.signers, k)
	}
	for n := range 20 {
		w.delegate("targets", "A", object{"signers": append([]signer{newKeyPair()}, a.signers...), "threshold": 200 + n}, "a/*")
	}
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	w.offer(c, noon, "1.A.json", w.files["1.A.json"], Oversize)
}
