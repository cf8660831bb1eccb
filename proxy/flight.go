package proxy

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// flightKind is what became of a fetch once its response has begun.
type flightKind uint8

const (
	flightHeld    flightKind = iota // held and examined, for all who ride along
	flightPrivate                   // held and examined, for its leader alone
	flightPasses                    // no update: the response goes to one rider as it comes
)

// flight is one fetch with its examination. Clients that want the same ride on the same flight; it goes on without
// them, on its own time.
type flight struct {
	key    string
	leader *transit
	shared bool // could be anybody's, by the request
	cancel context.CancelFunc
	budget *time.Timer // cancels what is held for too long

	classified chan struct{} // closed when kind is known
	done       chan struct{} // closed when the flight has landed
	kind       flightKind
	failure    *refusal // landed without an item

	// Of a held response; fixed when done is closed (header, status and begins: when classified is).
	cached   bool // the bytes were in the vault already
	endless  bool // the response does not tell where it ends
	status   int
	header   http.Header   // by allow-list
	begins   verify.Format // what the first bytes alone say
	item     *quarantine.Item
	artifact *verify.Artifact
	private  bool               // the answer was for its leader alone, by the request or by the response
	again    *again             // it is no fetch: an update in quarantine is judged again
	object   *quarantine.Object // to remember once it is settled; nil if there is nothing to revalidate it by
	reports  flightReports
	judged   atomic.Bool
	remember sync.Once

	mu       sync.Mutex
	moved    sync.Cond      // got or partial has changed, or the flight has landed
	response *http.Response // of a flight that passes, until somebody claims it
	riders   int
	expected bool // somebody was told to come back
	landed   bool
	gaveUp   bool        // cancelled because nobody waited
	got      int64       // bytes held so far
	total    int64       // bytes announced; -1 if none were
	partial  io.ReaderAt // the first got bytes
	onEmpty  func()      // called once, when the last rider leaves a landed flight
}

func newFlight(key string, leader *transit, shared bool, cancel context.CancelFunc) *flight {
	f := &flight{
		key: key, leader: leader, shared: shared, cancel: cancel, riders: 1, total: -1,
		classified: make(chan struct{}), done: make(chan struct{}),
	}
	f.moved.L = &f.mu
	return f
}

// classify makes the kind known to all riders.
func (f *flight) classify(kind flightKind) {
	f.kind = kind
	close(f.classified)
}

// claim gives the response of a flight that passes to its leader, and to nobody else.
func (f *flight) claim(x *transit) *http.Response {
	if f.leader != x {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := f.response
	f.response = nil
	return resp
}

// leave is called once by each rider.
func (f *flight) leave() {
	f.mu.Lock()
	f.riders--
	last := f.riders == 0
	landed := f.landed
	onEmpty := f.onEmpty
	classified := isClosed(f.classified)
	personal := !f.shared || classified && f.kind == flightPrivate
	abandoned := last && !landed && (!classified || personal && !f.expected)
	if last && landed {
		f.onEmpty = nil
	}
	f.gaveUp = f.gaveUp || abandoned
	f.mu.Unlock()
	if abandoned {
		f.cancel() // nobody waits, and nobody else could use it
	}
	if last && landed && onEmpty != nil {
		onEmpty()
	}
}

// land closes done. Once no rider is left, now or later, onEmpty is called.
func (f *flight) land(onEmpty func()) {
	f.mu.Lock()
	f.landed = true
	empty := f.riders == 0
	if !empty {
		f.onEmpty = onEmpty
	}
	f.moved.Broadcast()
	f.mu.Unlock()
	close(f.done)
	if empty {
		onEmpty()
	}
}

// expectReturn notes that a rider leaves but will ask again. Nobody can come back to a flight without a key.
func (f *flight) expectReturn() {
	f.mu.Lock()
	f.expected = f.key != ""
	f.mu.Unlock()
}

func (f *flight) isExpected() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.expected
}

// advance is the vault's Progress.
func (f *flight) advance(partial io.ReaderAt, n int64) {
	f.mu.Lock()
	f.got, f.partial = n, partial
	f.moved.Broadcast()
	f.mu.Unlock()
}

// progress returns how many bytes are held, and how many are announced (-1: not known).
func (f *flight) progress() (got, total int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got, f.total
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// flights are those that others may join.
type flights struct {
	mu   sync.Mutex
	by   map[string]*flight
	held map[string]int // of those that hold bytes, how many a client leads, by shareKey
}

// heldEach is how many flights one client may lead that hold or examine at once, with it or without it.
const heldEach = 256

func newFlights() *flights { return &flights{by: map[string]*flight{}, held: map[string]int{}} }

// take counts a flight that begins to hold, unless its client has too many of them.
func (fs *flights) take(share string) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.held[share] >= heldEach {
		return false
	}
	fs.held[share]++
	return true
}

// give ends what take has begun.
func (fs *flights) give(share string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.held[share]--; fs.held[share] <= 0 {
		delete(fs.held, share)
	}
}

// join returns the flight with the first of the keys that has one, or launches one with the last key. The caller
// rides on it and must leave it.
func (fs *flights) join(launch func(key string) *flight, keys ...string) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, key := range keys {
		if f := fs.by[key]; f != nil && f.board() {
			return f
		}
	}
	f := launch(keys[len(keys)-1])
	fs.by[f.key] = f
	return f
}

// board counts one more rider, unless the flight has been given up.
func (f *flight) board() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gaveUp {
		return false
	}
	f.riders++
	return true
}

// reserve keeps f for its leader: its response is for nobody else.
func (fs *flights) reserve(f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.by[f.key] == f {
		delete(fs.by, f.key)
		f.key += "|" + clientKey(f.leader.ask.Client)
		fs.by[f.key] = f
	}
}

// drop lets nobody join f any more.
func (fs *flights) drop(f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.by[f.key] == f {
		delete(fs.by, f.key)
	}
}

// dropAfter drops f when some time has passed or the gate closes.
func (g *Gate) dropAfter(f *flight, d time.Duration) {
	g.work.Add(1)
	go func() {
		defer g.work.Done()
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-g.closing.Done():
		}
		g.flights.drop(f)
		f.leave()
	}()
}
