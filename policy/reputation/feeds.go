package reputation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how Feeds works.
type Options struct {
	// Dir is where lists are kept, a directory for each. Without one nothing outlives the process, everything is in memory,
	// and a list may have at most 2 million entries.
	Dir string
	// ReadOnly uses what another process keeps in Dir, and writes nothing; there is no Run.
	ReadOnly bool
	// Transport makes the requests for lists at URLs; nil: there are none.
	Transport http.RoundTripper
	// Tell is told of whatever becomes of a list, by one goroutine at a time. It may call View and nothing else here. A Changed notice has been dealt with when Tell
	// returns: if the process ends before, it comes again. nil: nobody is told.
	Tell func(Notice)
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Feeds keeps lists up to date. Its methods may be called by several goroutines.
type Feeds struct {
	o       Options
	view    atomic.Pointer[View]
	loading chan struct{} // held by whoever reads a large list: one at a time
	telling sync.Mutex

	mu      sync.Mutex // guards workers and the making of views
	workers map[string]*worker
	changed chan struct{} // workers have come or gone
}

// Open takes over what is kept of the feeds and reads those that are files. It fails if a definition is wrong or a directory
// cannot be used, but not because of what is in a list: View().State tells. Lists at URLs are asked for by Run.
func Open(ctx context.Context, feeds []Feed, o Options) (*Feeds, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tell == nil {
		o.Tell = func(Notice) {}
	}
	f := &Feeds{o: o, loading: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	f.view.Store(&View{})
	return f, f.Configure(ctx, feeds)
}

// View returns what all lists say now.
func (f *Feeds) View() *View { return f.view.Load() }

// Configure replaces the definitions. Lists whose source and reading stay the same stay as they are; new ones are loaded as
// by Open. If a definition is wrong, nothing is changed.
func (f *Feeds) Configure(ctx context.Context, feeds []Feed) error {
	if err := checkAll(feeds); err != nil {
		return err
	}
	fresh, err := f.replace(feeds)
	if err != nil {
		return err
	}
	for _, w := range fresh {
		w.start(ctx)
	}
	f.publish()
	select {
	case f.changed <- struct{}{}:
	default:
	}
	return ctx.Err()
}

func checkAll(feeds []Feed) error {
	var all []error
	seen := map[string]bool{}
	for i := range feeds {
		all = append(all, feeds[i].Check())
		if seen[feeds[i].Name] {
			all = append(all, fmt.Errorf("there are two feeds %s", feeds[i].Name))
		}
		seen[feeds[i].Name] = true
	}
	return errors.Join(all...)
}

// replace makes workers for new definitions, and returns those that have nothing yet.
func (f *Feeds) replace(feeds []Feed) (fresh []*worker, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := map[string]*worker{}
	for _, def := range feeds {
		if w := f.workers[def.Name]; w != nil && w.feed.Load().definition() == def.definition() {
			w.feed.Store(&def)
			next[def.Name] = w
			continue
		}
		w := &worker{feeds: f, poke: make(chan struct{}, 1)}
		w.feed.Store(&def)
		w.list.Store(&list{feed: &def})
		if f.o.Dir != "" {
			// Another definition is kept elsewhere: whoever still works on it does no harm.
			w.store = store{filepath.Join(f.o.Dir, def.Name, def.definition().String()[:16]), f.o.ReadOnly}
		}
		if err := w.store.prepare(f.workers == nil); err != nil {
			return nil, err
		}
		next[def.Name] = w
		fresh = append(fresh, w)
	}
	for name, w := range f.workers {
		w.retired.Store(next[name] != w)
	}
	f.workers = next
	return fresh, nil
}

// publish puts a new view in force.
func (f *Feeds) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := &View{}
	for _, w := range f.workers {
		l := *w.list.Load()
		l.feed = w.feed.Load()
		v.lists = append(v.lists, &l)
	}
	slices.SortFunc(v.lists, func(a, b *list) int { return cmp.Compare(a.feed.Name, b.feed.Name) })
	f.view.Store(v)
}

func (f *Feeds) tell(n Notice) {
	f.telling.Lock()
	defer f.telling.Unlock()
	n.At = f.o.Now().UTC()
	f.o.Tell(n)
}

// Refresh asks for a list now, and returns what came of it.
func (f *Feeds) Refresh(ctx context.Context, feed string) error {
	f.mu.Lock()
	w := f.workers[feed]
	f.mu.Unlock()
	if w == nil {
		return fmt.Errorf("there is no feed %s", feed)
	}
	err := w.refresh(ctx)
	select {
	case w.poke <- struct{}{}:
	default:
	}
	return err
}

// Run keeps the lists up to date until ctx is done, and returns when everything has come to rest.
func (f *Feeds) Run(ctx context.Context) {
	if f.o.ReadOnly {
		return
	}
	running := map[*worker]context.CancelFunc{}
	var all sync.WaitGroup
	defer all.Wait()
	for {
		f.mu.Lock()
		now := map[*worker]bool{}
		for _, w := range f.workers {
			now[w] = true
		}
		f.mu.Unlock()
		for w, cancel := range running {
			if !now[w] {
				cancel()
				delete(running, w)
			}
		}
		for w := range now {
			if running[w] == nil {
				inner, cancel := context.WithCancel(ctx)
				running[w] = cancel
				all.Go(func() { defer cancel(); w.run(inner) })
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
		}
	}
}

// Check reads a feed's file and says what came of it, without keeping anything: for checking a policy before it is in
// force. A list at a URL is not asked for.
func Check(ctx context.Context, feed Feed, at time.Time) (Summary, error) {
	if err := feed.Check(); err != nil || feed.File == "" {
		return Summary{}, err
	}
	got, _, err := feed.open(fileMark{}, at)
	if err != nil {
		return Summary{}, fmt.Errorf("feed %s: %w", feed.Name, err)
	}
	defer got.close()
	dir, err := os.MkdirTemp("", "sallyport-feed-")
	if err != nil {
		return Summary{}, fmt.Errorf("feed %s: %w", feed.Name, err)
	}
	defer os.RemoveAll(dir)
	_, summary, err := build(ctx, got.content, feed.Reading, dir, at)
	if err != nil {
		err = fmt.Errorf("feed %s: %w", feed.Name, err)
	}
	return summary, err
}
