// Package ledger remembers what the log tells: which bytes were seen, when first, under which addresses and as which versions;
// what was let through, and what that holds. It answers what policy.History asks about one update.
//
//	Ledger   the memory: a SQLite database, made from the log and worth nothing without it
//	Query    one update, as of one moment
//	Edition  what one channel takes an update for (policy.Edition); what came before it is kept by channel and product
//	View     bytes that came under an address, or as a version of a product
//	Holder   an update that was let through and is, or has inside, bytes that are asked for
//
// LEDGER.md in the folder above says what is remembered, for how long, how large it gets, what of it is personal, and how it is made
// again.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

var (
	// ErrBehind means that the ledger does not know all of the log (yet), so that nothing can be said of the past.
	ErrBehind = errors.New("the history is not complete: the log has not been read to its end")
	// ErrLocked means that another process writes the ledger.
	ErrLocked = errors.New("another process writes the history")
)

// Options of Open.
type Options struct {
	// ReadOnly is for whoever does not own the state directory: nothing is written, and CatchUp checks that the database lacks no
	// decision of the log. Key and database have to be there: fs.ErrNotExist if not.
	ReadOnly bool
	// Report returns the whole report of a digest that a record names (audit.Record.Report), so that everything inside an update
	// is known, not only what its record lists. nil, or an error: the record's list counts.
	Report func(verify.Digest) (verify.Report, error)
	// Warn is told of what goes wrong behind Add without harming the log. nil means nobody is.
	Warn func(error)
}

// Query is one update that is about to be judged.
type Query struct {
	SHA256   verify.Digest
	URL      *url.URL // nil: it came under no address
	Began    string   // stands for the address that was asked for first, as Address makes it; empty if it is the same, or not known
	Client   string   // who asks; see ClientName
	Editions []policy.Edition
	Now      time.Time
}

// Holder is an update that was let through and is, or has inside, the bytes that are asked for.
type Holder struct {
	SHA256 verify.Digest // of the update
	Name   string        // of its file, when it was first let through
	Paths  []string      // of the bytes inside, at most 16; none: the update itself is what was asked for
	More   int           // paths that are left out
}

// Digest is one digest of something that was let through.
type Digest struct {
	SHA256 verify.Digest
	Inner  bool // it was inside an update
}

// Ledger is the memory, open. Its methods may be called by several goroutines at once.
type Ledger struct {
	dir, log string
	options  Options
	secret   secret
	unlock   func() error // nil where nothing is written

	recalls *recalls
	waiting waiting
	ahead   ahead

	// publish is held to read while several things are read that have to fit together, and to write while they change.
	publish sync.RWMutex
	store   *store // nil while the database is being made anew
	ready   bool   // the log has been read to its end, and nothing has gone wrong since
	losses  int    // how often something has gone wrong

	follow  sync.Mutex // one at a time follows the log
	reached audit.Position

	added   atomic.Int64  // records since the log was followed last
	reading atomic.Int64  // of the clock, at the last Add
	wake    chan struct{} // holds one token where there is something to do
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the goroutine behind Add has ended
}

// Open opens the ledger in the state directory dir of the log in logDir, making what is missing. A database that is damaged, of
// another version or not of this log is made anew; CatchUp then reads the whole log. Open itself finds only the standing recalls in
// the log. It returns ErrLocked if another process writes the ledger, unless it is opened to read.
func Open(dir, logDir string, o Options) (_ *Ledger, err error) {
	l := &Ledger{dir: dir, log: logDir, options: o, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	if l.recalls, err = standingRecalls(logDir); err != nil {
		return nil, fmt.Errorf("opening the history: %w", err)
	}
	if !o.ReadOnly {
		if l.unlock, err = audit.LockFile(filepath.Join(dir, lockFile)); err != nil {
			if errors.Is(err, audit.ErrLocked) {
				err = ErrLocked
			}
			return nil, fmt.Errorf("opening the history: %w", err)
		}
	}
	if err = l.load(); err != nil {
		if l.unlock != nil {
			l.unlock()
		}
		return nil, fmt.Errorf("opening the history: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	if o.ReadOnly {
		close(l.ended)
	} else {
		go l.run(ctx)
	}
	return l, nil
}

func (l *Ledger) load() (err error) {
	if l.secret, err = loadSecret(l.dir, l.options.ReadOnly); err != nil {
		return err
	}
	err = l.useStore()
	if l.options.ReadOnly || err == nil || !damaged(err) {
		return err
	}
	return l.anew()
}

// anew makes an empty database in place of one that is no good.
func (l *Ledger) anew() error {
	if err := makeStore(l.dir, l.secret.check()); err != nil {
		return err
	}
	return l.useStore()
}

// Close ends what goes on behind Add and closes the database. What it has not come to is in the log.
func (l *Ledger) Close() error {
	l.cancel()
	<-l.ended
	var err error
	if l.unlock != nil && l.isReady() {
		err = l.catchUp(context.Background())
	}
	l.publish.Lock()
	s := l.store
	l.store, l.ready = nil, false
	l.publish.Unlock()
	if s != nil {
		err = errors.Join(err, s.finish(l.unlock != nil))
	}
	if l.unlock != nil {
		err = errors.Join(err, l.unlock())
		l.unlock = nil
	}
	return err
}

func (l *Ledger) warn(err error) {
	if l.options.Warn != nil {
		l.options.Warn(err)
	}
}

func (l *Ledger) isReady() bool {
	l.publish.RLock()
	defer l.publish.RUnlock()
	return l.ready
}
