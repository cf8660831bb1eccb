package quarantine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	b := newBench(t, Options{Quota: 1000, ClientShare: 1000})
	var d [4]verify.Digest
	for i := range 3 {
		d[i] = b.release(random(300), "a")
	}
	b.served(d[0], "a")
	reading, _ := b.vault.Released(d[1], "a")
	b.served(d[2], "a")
	b.served(d[0], "a")
	d[3] = b.release(random(300), "a")
	want := []bool{true, true, false, true} // 1 is the oldest and being read, 2 the next
	for i := range d {
		if _, ok := b.served(d[i], "a"); ok != want[i] {
			t.Errorf("item %d is there: %v", i, ok)
		}
	}
	b.read(reading)
	reading.Close()
	if s := b.vault.Stats(); s.Evicted != 1 || s.Released != (Tally{3, 900}) {
		t.Errorf("%+v", s)
	}
	checkLedger(t, b.vault)
}

// The order of use survives a restart.
func TestUseIsRemembered(t *testing.T) {
	now := time.Now().Add(-time.Hour)
	o := Options{Quota: 1000, ClientShare: 1000, Now: func() time.Time { now = now.Add(time.Minute); return now }}
	b := newBench(t, o)
	first, second := b.release(random(400), "a"), b.release(random(400), "a")
	b.served(first, "a")
	b.reopen(o)
	b.release(random(400), "a")
	if _, ok := b.served(second, "a"); ok {
		t.Error("what was used last but one is still there")
	}
	if _, ok := b.served(first, "a"); !ok {
		t.Error("what was used last is gone")
	}
}

// A vault that is given less room keeps to it.
func TestSmallerQuotaAfterRestart(t *testing.T) {
	b := newBench(t, Options{Quota: 10_000, QuarantineQuota: 5000})
	for range 8 {
		b.release(random(500), "a")
		b.quarantine(random(500), "a")
	}
	b.reopen(Options{Quota: 2000, QuarantineQuota: 1000})
	if s := b.vault.Stats(); s.Quarantined != (Tally{2, 1000}) || s.Released != (Tally{2, 1000}) {
		t.Errorf("%+v", s)
	}
	checkLedger(t, b.vault)
}

// Any number of tiny items must not fill memory and file system.
func TestNumberOfItemsIsBounded(t *testing.T) {
	b := newBench(t, Options{Items: 8})
	for range 20 {
		b.release(random(9), "a")
	}
	for range 10 {
		b.quarantine(random(9), "a")
	}
	if s := b.vault.Stats(); s.Released.Items+s.Quarantined.Items > 8 || s.Quarantined.Items != 2 || s.Released.Items < 5 {
		t.Errorf("%+v", s)
	}
	b.reopen(Options{Items: 4})
	if s := b.vault.Stats(); s.Released.Items != 3 || s.Quarantined.Items != 1 {
		t.Errorf("after a restart with less: %+v", s)
	}
}

// forbidden is a body that must not be asked for.
type forbidden struct{ testing.TB }

func (f forbidden) Read([]byte) (int, error) {
	f.Error("a byte was read")
	return 0, io.EOF
}

// Room for an announced length is taken before a byte is read, and where there is none nothing is evicted in vain.
func TestAnnouncedLengthIsReserved(t *testing.T) {
	b := newBench(t, Options{Quota: 1000, ClientShare: 600})
	released := b.release(random(300), "a")
	reading, release := make(chan bool), make(chan bool)
	var group sync.WaitGroup
	group.Go(func() {
		body := readerFunc(func([]byte) (int, error) {
			close(reading)
			<-release
			return 0, errors.New("reset")
		})
		b.vault.Hold(context.Background(), body, Intake{Client: "first", Length: 500})
	})
	<-reading
	if s := b.vault.Stats(); s.Held != (Tally{1, 500}) {
		t.Errorf("held: %+v", s.Held)
	}
	for _, c := range []struct {
		client string
		length int64
		want   error
	}{{"first", 101, ErrShare}, {"second", 501, ErrFull}, {"third", 601, ErrShare}, {"third", 1001, ErrTooLarge}} {
		if _, err := b.vault.Hold(context.Background(), forbidden{t}, Intake{Client: c.client, Length: c.length}); !errors.Is(err, c.want) {
			t.Errorf("%s %d: %v", c.client, c.length, err)
		}
	}
	if _, ok := b.served(released, "a"); !ok {
		t.Error("evicted for a download that did not fit")
	}
	close(release)
	group.Wait()
	checkLedger(t, b.vault)
}

// Undecided items count against the client that fetched them until they are settled or given up.
func TestOneClientFillingItsShare(t *testing.T) {
	b := newBench(t, Options{Quota: 4 << 20, ClientShare: 1 << 20})
	var held []*Item
	for {
		data := random(100 << 10)
		item, err := b.vault.Hold(context.Background(), bytes.NewReader(data), Intake{Client: "greedy", Length: -1})
		if err != nil {
			if !errors.Is(err, ErrShare) {
				t.Fatal(err)
			}
			break
		}
		held = append(held, item)
	}
	if len(held) != 10 {
		t.Errorf("%d items of 100 KiB fit 1 MiB", len(held))
	}
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for range 10 {
				item, err := b.vault.Hold(context.Background(), bytes.NewReader(random(200<<10)), Intake{Client: fmt.Sprint("client ", i), Length: -1})
				if err != nil {
					t.Errorf("another client: %v", err)
					return
				}
				if c, err := b.settle(item, "a", policy.Allow); err != nil {
					t.Errorf("another client: %v", err)
				} else {
					c.Close()
				}
			}
		})
	}
	group.Wait()
	// A decision frees the share, even while the item is still held; what is fetched again costs nothing.
	if _, err := b.vault.Settle(held[0], "a", b.decision(held[0].SHA256, "a", policy.Block, false), Origin{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.settle(held[1], "a", policy.Quarantine); err != nil {
		t.Fatal(err)
	}
	again := b.holdFor("greedy", random(100<<10))
	again.Close()
	for _, item := range held {
		item.Close()
	}
	checkLedger(t, b.vault)
	b.vault.lock()
	defer b.vault.unlock()
	if len(b.vault.shares) != 0 {
		t.Errorf("shares: %v", b.vault.shares)
	}
}

// MinFree keeps the file system from running full: released items go first, then nothing more comes in.
func TestFreeSpaceIsKept(t *testing.T) {
	b := newBench(t, Options{MinFree: 1000})
	free := int64(5000)
	b.vault.free = func() (int64, bool) { return free, true }
	d := b.release(random(300), "a")
	free = 1700
	if _, err := b.vault.Hold(context.Background(), forbidden{t}, Intake{Client: "c", Length: 1001}); !errors.Is(err, ErrFull) {
		t.Errorf("more than could be made room for: %v", err)
	}
	if _, ok := b.served(d, "a"); !ok {
		t.Error("evicted in vain")
	}
	b.hold(random(800)).Close()
	if _, ok := b.served(d, "a"); ok {
		t.Error("nothing was evicted")
	}
	b.vault.free = func() (int64, bool) { return 0, false }
	b.hold(random(800)).Close()
}

// Whatever many do at once, the vault keeps to its quotas and counts right.
func TestQuotasUnderContention(t *testing.T) {
	b := newBench(t, Options{Quota: 1 << 20, QuarantineQuota: 200 << 10, ClientShare: 300 << 10})
	var group sync.WaitGroup
	stop := make(chan bool)
	watched := make(chan bool)
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
			}
			b.vault.lock()
			if b.vault.total > 1<<20 || b.vault.line[Quarantined].bytes > 200<<10 {
				t.Errorf("%d bytes, %d quarantined", b.vault.total, b.vault.line[Quarantined].bytes)
			}
			for client, n := range b.vault.shares {
				if n > 300<<10 || n < 0 {
					t.Errorf("%s holds %d", client, n)
				}
			}
			b.vault.unlock()
		}
	}()
	pool := make([][]byte, 40)
	for i := range pool {
		pool[i] = random(1000 + i*2000)
	}
	for worker := range 8 {
		group.Go(func() {
			for range 25 {
				data := pool[rand.IntN(len(pool))]
				in := Intake{Client: fmt.Sprint(worker % 3), Length: int64(len(data))}
				if rand.IntN(2) == 0 {
					in.Length = -1
				}
				item, err := b.vault.Hold(context.Background(), bytes.NewReader(data), in)
				if err != nil {
					if !errors.Is(err, ErrFull) && !errors.Is(err, ErrShare) {
						t.Error(err)
					}
					continue
				}
				c, err := b.settle(item, fmt.Sprint(rand.IntN(3)), policy.Action(rand.IntN(3)))
				if err != nil && !errors.Is(err, ErrNotKept) {
					t.Error(err)
				}
				if c != nil {
					b.read(c)
					c.Close()
				}
			}
		})
	}
	group.Wait()
	close(stop)
	<-watched
	checkLedger(t, b.vault)
}
