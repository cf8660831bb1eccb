package quarantine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sallyport-project/sallyport/policy"
)

// smallDisk mounts a file system of 4 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: a file system that is really full is left out; quotas and error numbers are tested elsewhere")
	}
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a file system that is really full is left out, since none can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A disk that runs full in the middle of a download is ErrFull, takes nothing of what is there, and recovers.
func TestDiskRunsFull(t *testing.T) {
	disk := smallDisk(t)
	b := newBench(t, Options{})
	b.vault.Close()
	b.dir = filepath.Join(disk, "vault")
	b.open(Options{MinFree: -1})
	data := random(1 << 20)
	d := b.release(data, "a")
	for _, length := range []int64{8 << 20, -1} {
		item, err := b.vault.Hold(context.Background(), &zeros{8 << 20}, Intake{Client: "c", Length: length})
		if item != nil || !errors.Is(err, ErrFull) {
			t.Errorf("announced %d: %v", length, err)
		}
	}
	if got, ok := b.served(d, "a"); !ok || !bytes.Equal(got, data) {
		t.Error("what was there is gone")
	}
	// No room for a state file: no Content, and a refusal is still one.
	fill := filepath.Join(disk, "fill")
	held := b.hold(random(1000))
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadFrom(&zeros{8 << 20}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("filling the disk: %v", err)
	}
	f.Close()
	if c, err := b.vault.Settle(held, "a", b.decision(held.SHA256, "a", policy.Allow, false), Origin{}); c != nil || !errors.Is(err, ErrFull) {
		t.Errorf("released without room for its state: %v, %v", c, err)
	}
	item, err := b.vault.Open(d)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := b.settle(item, "a", policy.Quarantine); c != nil || !errors.Is(err, ErrFull) {
		t.Errorf("%v, %v", c, err)
	}
	if _, ok := b.vault.Released(d, "a"); ok {
		t.Error("refused and still released")
	}
	os.Remove(fill)
	if c, err := b.settle(held, "a", policy.Allow); err != nil {
		t.Errorf("with room again: %v", err)
	} else {
		c.Close()
	}
	checkLedger(t, b.vault)
}

// MinFree looks at the real file system.
func TestReserveOfTheDisk(t *testing.T) {
	disk := smallDisk(t)
	b := newBench(t, Options{})
	b.vault.Close()
	b.dir = filepath.Join(disk, "vault")
	b.open(Options{MinFree: 2 << 20})
	for range 10 {
		b.release(random(1<<20), "a")
	}
	if s := b.vault.Stats(); s.Evicted < 8 {
		t.Errorf("%+v", s)
	}
	if _, err := b.vault.Hold(context.Background(), forbidden{t}, Intake{Client: "c", Length: 3 << 20}); !errors.Is(err, ErrFull) {
		t.Errorf("into the reserve: %v", err)
	}
	checkLedger(t, b.vault)
}
