package quarantine

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// overwrite changes a file in place, keeping its size, and gives it the time it is told.
func overwrite(t *testing.T, path string, data []byte, at time.Time) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// Bytes that changed while nobody looked are never served, nor examined.
func TestCorruptionAtRest(t *testing.T) {
	for name, look := range map[string]func(b *bench, d verify.Digest) bool{
		"released": func(b *bench, d verify.Digest) bool { _, ok := b.vault.Released(d, "a"); return ok },
		"open": func(b *bench, d verify.Digest) bool {
			_, err := b.vault.Open(d)
			if !errors.Is(err, ErrCorrupt) {
				b.Errorf("Open: %v", err)
			}
			return err == nil
		},
		"export": func(b *bench, d verify.Digest) bool {
			var out bytes.Buffer
			err := b.vault.Export(d, &out)
			if !errors.Is(err, ErrCorrupt) || out.Len() > 0 {
				b.Errorf("Export: %d bytes, %v", out.Len(), err)
			}
			return err == nil
		},
		"snapshot": func(b *bench, d verify.Digest) bool {
			found := false
			b.vault.Snapshot(func(string, int64, io.Reader) error { found = true; return nil })
			return found
		},
	} {
		for when, restart := range map[string]bool{"over a restart": true, "while running": false} {
			t.Run(name+" "+when, func(t *testing.T) {
				b := newBench(t, Options{})
				d := b.release([]byte("verified"), "a")
				c, err := b.settle(b.hold([]byte("verified")), "b", policy.Quarantine)
				if c != nil || err != nil {
					t.Fatal(err)
				}
				if restart {
					b.vault.Close()
				}
				at := time.Now().Add(time.Second)
				if restart {
					info, err := os.Stat(layout(b.dir).blob(d))
					if err != nil {
						t.Fatal(err)
					}
					at = info.ModTime() // nothing but the hash tells
				}
				overwrite(t, layout(b.dir).blob(d), []byte("poisoned"), at)
				if restart {
					b.open(Options{})
				}
				if look(b, d) {
					t.Error("corrupt bytes came out")
				}
				if _, err := b.vault.Open(d); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("still there: %v", err)
				}
				if s := b.vault.Stats(); s.Broken != 1 || len(b.lost) != 1 || b.lost[0].Cause != Corrupt {
					t.Errorf("%+v %v", s, b.lost)
				}
				if again := b.release([]byte("verified"), "a"); again != d {
					t.Error("not the same")
				}
				if data, ok := b.served(d, "a"); !ok || string(data) != "verified" {
					t.Errorf("fetched again: %q, %v", data, ok)
				}
				checkLedger(t, b.vault)
			})
		}
	}
}

// A response under way ends with an error once its bytes are found to have changed.
func TestCorruptionWhileReading(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("verified"), "a")
	c, _ := b.vault.Released(d, "a")
	r, err := c.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	overwrite(t, b.vault.paths.blob(d), []byte("poisoned"), time.Now().Add(time.Second))
	if _, ok := b.vault.Released(d, "a"); ok {
		t.Error("corrupt bytes are released")
	}
	if n, err := r.Read(make([]byte, 2)); n != 0 || !errors.Is(err, ErrCorrupt) {
		t.Errorf("read %d, %v", n, err)
	}
	fresh := b.release([]byte("verified"), "a") // beside the old one, which is still open
	r.Close()
	c.Close()
	if data, ok := b.served(fresh, "a"); !ok || string(data) != "verified" {
		t.Errorf("fetched again: %q, %v", data, ok)
	}
	checkLedger(t, b.vault)
}

// An item that changes between its examination and its receipt is not released.
func TestCorruptionBeforeSettling(t *testing.T) {
	b := newBench(t, Options{})
	item := b.hold([]byte("verified"))
	receipt := b.decision(item.SHA256, "a", policy.Allow, false)
	overwrite(t, item.blob.incoming, []byte("poisoned"), time.Now().Add(time.Second))
	if c, err := b.vault.Settle(item, "a", receipt, Origin{}); c != nil || !errors.Is(err, ErrCorrupt) {
		t.Errorf("settled: %v, %v", c, err)
	}
	if _, err := item.Content().ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrCorrupt) {
		t.Errorf("examined: %v", err)
	}
	item.Close()
	nothingLeft(t, b)
}

// A file that was touched but not changed is hashed once more and goes on.
func TestTouchedFile(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("verified"), "a")
	overwrite(t, b.vault.paths.blob(d), []byte("verified"), time.Now().Add(time.Second))
	if _, ok := b.served(d, "a"); !ok {
		t.Error("gone")
	}
	os.Remove(b.vault.paths.blob(d))
	if err := os.WriteFile(b.vault.paths.blob(d), []byte("verified"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.served(d, "a"); !ok {
		t.Error("gone after its file was replaced by an equal one")
	}
	os.Remove(b.vault.paths.blob(d))
	if _, ok := b.vault.Released(d, "a"); ok {
		t.Error("released without its file")
	}
	if len(b.lost) != 1 || b.lost[0].Cause != Unreadable {
		t.Errorf("lost: %v", b.lost)
	}
	checkLedger(t, b.vault)
}

// What is fetched again while the stored copy has not been checked yet takes its place, states and all.
func TestFreshBytesReplaceUncheckedOnes(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("verified"), "a")
	b.vault.Close()
	overwrite(t, layout(b.dir).blob(d), []byte("poisoned"), time.Now())
	b.open(Options{})
	item := b.hold([]byte("verified"))
	if data, ok := b.served(d, "a"); !ok || string(data) != "verified" {
		t.Errorf("%q, %v", data, ok)
	}
	item.Close()
	if len(b.lost) != 0 {
		t.Errorf("lost: %v", b.lost)
	}
	checkLedger(t, b.vault)
	b.reopen(Options{})
	if data, ok := b.served(d, "a"); !ok || string(data) != "verified" {
		t.Errorf("after a restart: %q, %v", data, ok)
	}
}

// Whoever still reads bytes of which nobody knows any more whether they are right stops, while new ones are served.
func TestFreshBytesReplaceChangedOnes(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("verified"), "a")
	old, _ := b.vault.Released(d, "a")
	overwrite(t, b.vault.paths.blob(d), []byte("poisoned"), time.Now().Add(time.Second))
	held := b.hold([]byte("verified"))
	r, err := old.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); len(data) > 0 || !errors.Is(err, ErrCorrupt) {
		t.Errorf("an old reader got %q, %v", data, err)
	}
	r.Close()
	old.Close()
	if data, ok := b.served(d, "a"); !ok || string(data) != "verified" {
		t.Errorf("%q, %v", data, ok)
	}
	held.Close()
	undecided := b.hold([]byte("undecided"))
	overwrite(t, undecided.blob.incoming, []byte("poisoned!"), time.Now().Add(time.Second))
	again := b.hold([]byte("undecided"))
	if got, err := io.ReadAll(io.NewSectionReader(again.Content(), 0, 9)); err != nil || string(got) != "undecided" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.settle(undecided, "a", policy.Allow); !errors.Is(err, ErrCorrupt) {
		t.Errorf("settling the old one: %v", err)
	}
	c, err := b.settle(again, "a", policy.Allow)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	checkLedger(t, b.vault)
}

// After a restart an item is hashed once, however many ask for it at once.
func TestHashedOnceAfterRestart(t *testing.T) {
	b := newBench(t, Options{})
	data := random(3 << 20)
	d := b.release(data, "a")
	b.reopen(Options{})
	before := time.Unix(1e9, 0)
	if err := os.Chtimes(b.vault.paths.blob(d), before, before); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if got, ok := b.served(d, "a"); !ok || !bytes.Equal(got, data) {
				t.Error("not served")
			}
		})
	}
	group.Wait()
	b.vault.lock()
	seen := b.vault.blobs[d].seen
	b.vault.unlock()
	for range 3 {
		b.served(d, "a")
	}
	b.vault.lock()
	defer b.vault.unlock()
	if again := b.vault.blobs[d].seen; seen == nil || again != seen {
		t.Error("hashed again")
	}
}
