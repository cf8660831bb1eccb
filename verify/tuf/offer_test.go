package tuf

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// walk offers what a client fetches that knows the first root.
func (w *world) walk() []string {
	names := []string{"metadata/1.root.json", "metadata/timestamp.json", w.repo.FileName(w.repo.Snapshot), w.repo.FileName(w.repo.Targets)}
	for _, role := range w.repo.Delegated {
		names = append(names, w.repo.FileName(role))
	}
	return names
}

func TestMetadataInPassing(t *testing.T) {
	for name, o := range map[string]tuftest.Options{"consistent": {}, "plain": {Plain: true}, "hashes": {MetaHashes: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, o)
			if _, _, err := w.repo.Delegate(w.repo.Targets, "odd name/ü", "odd/*"); err != nil {
				t.Fatal(err)
			}
			w.publish()
			for range 2 {
				for _, ref := range w.walk() {
					w.valid(ref)
				}
			}
			// What clients bring along advances the state: nobody is asked any more.
			w.repo.Add(w.repo.Targets, "app/2.0/setup.exe", []byte("MZ two"))
			w.publish()
			w.server.Forget()
			for _, ref := range w.walk()[1:4] {
				w.valid(ref)
			}
			w.valid("targets/app/2.0/setup.exe")
			if n := w.server.Asked(""); n != 0 {
				t.Errorf("%d files were asked for, although a client had just fetched them", n)
			}
		})
	}
}

func TestBadMetadataIsRefusedToClients(t *testing.T) {
	for _, a := range tuftest.Attacks() {
		if a.Listed || a.Name == "endless" {
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			w := newWorld(t, tuftest.Options{Keys: 2, Threshold: 2})
			w.valid("metadata/timestamp.json")
			good := w.server.State()
			state, err := a.On(w.repo, tool)
			if err != nil {
				t.Fatal(err)
			}
			// What the client gets is not what we get: it is attacked, and we are not.
			refused := 0
			for _, ref := range w.walk() {
				body, ok := state.Files[ref]
				if !ok || bytes.Equal(body, good.Files[ref]) {
					continue
				}
				if f := w.offer(ref, body); f.Status != verify.Valid {
					refused++
					w.want(ref, f, verify.Invalid, a.Code)
				}
			}
			if refused == 0 {
				for ref, body := range state.Files { // the versions that only the attack has
					if strings.HasPrefix(ref, "metadata/") && good.Files[ref] == nil {
						if f := w.offer(ref, body); f.Status == verify.Invalid && f.Code == a.Code {
							refused++
						}
					}
				}
			}
			if refused == 0 {
				t.Error("nothing of it was refused")
			}
		})
	}
}

func TestMetadataOfNobodyKnown(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("metadata/timestamp.json")
	w.want("a role that nobody delegates to", w.offer("metadata/1.nobody.json", w.server.State().Files["metadata/2.targets.json"]), verify.Inconclusive, "tuf/unknown-role")
	w.want("no metadata", w.offer("metadata/timestamp.json", []byte("<html>")), verify.Invalid, "tuf/malformed")
	w.want("oversize", w.offer("metadata/timestamp.json", make([]byte, maxMetadata+1)), verify.Invalid, "tuf/oversize")
}

// TestTargetsAndMetadataInOneDirectory tells the two apart by content.
func TestTargetsAndMetadataInOneDirectory(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.repo.Add(w.repo.Targets, "latest.json", []byte(`{"version": 1}`))
	w.publish()
	w.env.Trust.TUF[0].Targets = base + "metadata/"
	w.valid("metadata/timestamp.json")
	w.want("a target among metadata", w.offer("metadata/latest.json", []byte(`{"version": 1}`)), verify.Valid, "tuf/listed")
	w.want("another", w.offer("metadata/latest.json", []byte(`{"version": 2}`)), verify.Invalid, "tuf/digest-mismatch")
}

func TestIsMetadata(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	stamp := w.server.State().Files["metadata/timestamp.json"]
	spaced := append([]byte(" {\n"), stamp[1:]...)
	for _, c := range []struct {
		name, ref string
		body      []byte
		want      bool
	}{
		{"timestamp", base + "metadata/timestamp.json", stamp, true},
		{"indented", base + "metadata/timestamp.json", spaced, true},
		{"root", base + "1.root.json", w.repo.TrustedRoot(1), true},
		{"other name", base + "metadata/timestamp.exe", stamp, false},
		{"other JSON", base + "metadata/timestamp.json", []byte(`{"version": 1}`), false},
		{"program", base + "metadata/timestamp.json", appBytes, false},
		{"script", base + "metadata/timestamp.json", append([]byte("#!/bin/sh\n"), stamp...), false},
		{"more behind", base + "metadata/timestamp.json", append(bytes.Clone(stamp), "\nrm -rf /"...), false},
		{"another member", base + "metadata/timestamp.json", append([]byte(`{"signed":{},"run":1,`), stamp[1:]...), false},
		{"other type", base + "metadata/timestamp.json", bytes.Replace(stamp, []byte(`"timestamp"`), []byte(`"mirrors"`), 1), false},
		{"empty", base + "metadata/timestamp.json", nil, false},
	} {
		if got := w.v.IsMetadata(artifact(t, c.ref, c.body)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	local := artifact(t, base+"timestamp.json", stamp)
	local.URL = nil
	if w.v.IsMetadata(local) {
		t.Error("a local file is metadata")
	}
}

// TestStaleStateIsRefreshedFirst has a client be offered a timestamp that was current when we asked last.
func TestStaleStateIsRefreshedFirst(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("metadata/timestamp.json")
	old := w.server.State().Files["metadata/timestamp.json"]
	w.publish()
	w.want("as current as we know", w.offer("metadata/timestamp.json", old), verify.Valid, "tuf/metadata")
	w.later(defaultRefresh + time.Minute)
	w.want("once we know better", w.offer("metadata/timestamp.json", old), verify.Invalid, "tuf/rollback")
}

// TestFlippedMetadata flips two bits of each byte of every kind of metadata. What is still Valid says the same: the hexadecimal digits
// of a signature may be in upper case.
func TestFlippedMetadata(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	for _, ref := range w.walk() {
		w.valid(ref)
		genuine := w.server.State().Files[ref]
		means, still := signedPart(t, genuine), 0
		for i := range genuine {
			for _, bit := range []int{0, 5} {
				body := bytes.Clone(genuine)
				body[i] ^= 1 << bit
				f := w.offer(ref, body)
				if f.Status != verify.Valid {
					continue
				}
				still++
				if bit != 5 || !bytes.Equal(signedPart(t, body), means) {
					t.Errorf("%s: bit %d of byte %d flipped, and it is still valid", ref, bit, i)
				}
			}
		}
		if still > 128 {
			t.Errorf("%s: still valid after %d flips", ref, still)
		}
	}
}

// TestHalfAnUpdate has a client fetch the timestamp only: what is known then is known to be old.
func TestHalfAnUpdate(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("targets/" + app)
	w.clock.advance(pause)
	w.repo.Targets.Remove(app)
	w.publish()
	w.valid("metadata/timestamp.json")
	w.want("withdrawn", w.offer("targets/"+app, appBytes), verify.Absent, "tuf/not-listed")
}

// TestShorterLifeInPassing has a client fetch a timestamp that ends sooner than the one before it: it is in force at once.
func TestShorterLifeInPassing(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	w.valid("targets/" + app)
	w.repo.Timestamp.Expires = now.Add(20 * time.Second)
	w.publish()
	w.valid("metadata/timestamp.json")
	w.server.Set(tuftest.State{Gone: true})
	w.want("still in force", w.offer("targets/"+app, appBytes), verify.Valid, "tuf/listed")
	w.later(30 * time.Second)
	w.want("ended", w.offer("targets/"+app, appBytes), verify.Invalid, "tuf/expired")
}
