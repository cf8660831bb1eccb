// Package quarantine keeps custody of bytes: every download is held, and leaves only with a receipt from the log.
//
// An Item is a complete download in custody. Settle compares it with the receipt of the record that judges it, and makes
// it released or quarantined on one scope (the channels that judged it; see policy.Plan), or discards it. Content is
// what is released, and the only thing that can be served. Items are named by their SHA-256; equal bytes are kept once.
//
// The directory of a vault:
//
//	lock                     held while a process has the vault open
//	incoming/<random>        bytes that are not settled: emptied by Open
//	blobs/<ab>/<sha256>      settled bytes
//	state/<ab>/<sha256>      on which scopes they are released or quarantined, since when and by which record;
//	                         its modification time is when the item was last used
//	objects/<ab>/<sha256>    what a URL last gave, under the SHA-256 of its key
//
// Bytes get their final name before a state file says anything about them, and a state file is durable before anybody
// gets Content by it. So whatever instant a process ends at, what is found again is an item with its state, or
// bytes that nothing speaks of, which Open removes. The bytes themselves are not synced, since they can be fetched
// again: they are hashed once more after a restart before anybody sees them, and dropped where they are torn.
package quarantine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Vault is a directory of held, released and quarantined items. One process at a time has it open. Its methods may be
// called by several goroutines at once.
type Vault struct {
	paths   layout
	options Options
	lockf   io.Closer
	objects *objects
	free    func() (int64, bool) // free bytes of the file system, and whether that is known

	ending   chan struct{}  // closed by Close
	flusher  sync.WaitGroup // the goroutine of keepTimes
	settling sync.WaitGroup // what writes state files; added to under mu while not closed

	unwritten atomic.Int64 // bytes that are reserved and not yet on disk

	mu     sync.Mutex // guards all below, and the fields of blobs that say so; never held over an fsync or a read of content
	closed bool
	blobs  map[verify.Digest]*blob
	line   [3]line          // blobs by category, in the order in which they are evicted
	total  int64            // bytes of all blobs and of all that is reserved
	coming tally            // downloads under way, and what is reserved for them
	shares map[string]int64 // bytes that are unfinished or undecided, by client
	moving tally            // what is on its way into quarantine
	serial uint64           // names removed files
	after  chores           // what is to be done once mu is released
	counts Stats            // the counters of it
}

// Options of Open. Sizes are in bytes.
type Options struct {
	Quota           int64            // for everything; 0 means 50 GiB
	QuarantineQuota int64            // of it, for quarantined items at most; 0 means a quarter of Quota
	ClientShare     int64            // of it, for what one client's unfinished and undecided downloads hold; 0 means a quarter of Quota
	MinFree         int64            // what is left free on the file system; 0 means 256 MiB, less than 0 nothing
	Items           int              // how many items are kept, a quarter of them quarantined at most; 0 means 100,000
	Objects         int              // how many URLs are remembered; 0 means 100,000
	Now             func() time.Time // nil means time.Now
	// Lost is told of every item that leaves the vault without anybody having asked for it. It is called without
	// locks, by whichever goroutine caused the loss, Open's included; nil means that nobody is.
	Lost func(Loss)
}

const (
	defaultQuota   = 50 << 30
	defaultMinFree = 256 << 20
	defaultItems   = 100_000
	defaultObjects = 100_000
	maxQuota       = 1 << 60 // so that sums of sizes cannot overflow
)

func (o Options) withDefaults() Options {
	if o.Quota <= 0 {
		o.Quota = defaultQuota
	}
	o.Quota = min(o.Quota, maxQuota)
	if o.QuarantineQuota <= 0 {
		o.QuarantineQuota = o.Quota / 4
	}
	if o.ClientShare <= 0 {
		o.ClientShare = o.Quota / 4
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Items <= 0 {
		o.Items = defaultItems
	}
	if o.Objects <= 0 {
		o.Objects = defaultObjects
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) maxQuarantined() int { return max(1, o.Items/4) }

// ErrClosed is returned once the vault, or the reference that was used, is closed.
var ErrClosed = fmt.Errorf("closed: %w", fs.ErrClosed)

// ErrBusy is returned by Open where another process has the vault open.
var ErrBusy = errors.New("in use by another process")

// Open opens the vault in dir, making it where there is none, and removes what a crash left behind.
func Open(dir string, o Options) (*Vault, error) {
	o = o.withDefaults()
	v := &Vault{
		paths:   layout(dir),
		options: o,
		ending:  make(chan struct{}),
		blobs:   map[verify.Digest]*blob{},
		shares:  map[string]int64{},
	}
	v.free = func() (int64, bool) { return freeSpace(dir) }
	if err := v.paths.make(); err != nil {
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	lock, err := lockFile(v.paths.lock())
	if err != nil {
		return nil, fmt.Errorf("opening vault %s: %w", dir, err)
	}
	v.lockf = lock
	if err := v.load(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	v.flusher.Go(v.keepTimes)
	return v, nil
}

// Close closes the vault once everything that is being settled is on disk. Items still held are gone, downloads under
// way fail with ErrClosed; readers of Content that are open may go on.
func (v *Vault) Close() error {
	v.lock()
	if v.closed {
		v.unlock()
		return nil
	}
	v.closed = true
	v.unlock()
	close(v.ending)
	v.settling.Wait()
	v.flusher.Wait()
	v.flushTimes()
	v.removeHeld()
	err := v.paths.sweepIncoming()
	if e := v.lockf.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("closing vault: %w", err)
	}
	return nil
}

// removeHeld removes bytes that have their final name although nothing speaks of them: settling them failed, or they
// were discarded while somebody held them.
func (v *Vault) removeHeld() {
	v.lock()
	defer v.unlock()
	for e := v.line[Held].Front(); e != nil; e = e.Next() {
		if b := e.Value.(*blob); b.incoming == "" {
			v.after.remove = append(v.after.remove, v.path(b))
		}
	}
}

// enter begins something that writes to the directory; Close waits until v.settling.Done is called.
func (v *Vault) enter() error {
	v.lock()
	defer v.unlock()
	if v.closed {
		return ErrClosed
	}
	v.settling.Add(1)
	return nil
}

func (v *Vault) lock() { v.mu.Lock() }

// chores are what a critical section leaves to be done without the lock.
type chores struct {
	remove []string        // files that no name in use leads to any more
	forget []verify.Digest // digests whose objects are to be forgotten
	losses []Loss
}

// unlock releases mu and does what was left to be done.
func (v *Vault) unlock() {
	todo := v.after
	v.after = chores{}
	v.mu.Unlock()
	for _, path := range todo.remove {
		os.Remove(path) // what cannot be removed now is swept by the next Open
	}
	for _, d := range todo.forget {
		v.objects.forgetDigest(d)
	}
	if v.options.Lost != nil {
		for _, l := range todo.losses {
			v.options.Lost(l)
		}
	}
}
