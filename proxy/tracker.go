package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// flow is a pair of connections that bytes are passed between unseen: a tunnel, or what an upgrade has become.
type flow struct {
	last atomic.Int64 // when a byte last moved, in Unix nanoseconds
	over atomic.Bool  // cut was called because the proxy shuts down
	cut  func()       // closes both connections
}

// moved notes that bytes have just moved.
func (f *flow) moved() { f.last.Store(time.Now().UnixNano()) }

// quiet returns for how long no byte has moved.
func (f *flow) quiet() time.Duration { return time.Since(time.Unix(0, f.last.Load())) }

// tracker knows every flow, for the shutdown: http.Server forgets connections once they are hijacked.
type tracker struct {
	mu       sync.Mutex
	open     map[*flow]struct{}
	draining bool
}

func newTracker() *tracker { return &tracker{open: map[*flow]struct{}{}} }

// add enters a flow, unless no more are wanted.
func (t *tracker) add(f *flow) bool {
	f.moved()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return false
	}
	t.open[f] = struct{}{}
	return true
}

// remove takes a flow out, when it has ended and its record is written.
func (t *tracker) remove(f *flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, f)
}

// drain lets no more in.
func (t *tracker) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
}

// end waits until no flow is left. It cuts those that have been quiet for that long, and when ctx ends all of them.
func (t *tracker) end(ctx context.Context, quiet time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for t.cutQuiet(ctx.Err() != nil, quiet) > 0 {
		<-tick.C
	}
}

// cutQuiet returns how many flows were left.
func (t *tracker) cutQuiet(all bool, quiet time.Duration) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.open {
		if all || f.quiet() > quiet {
			f.over.Store(true)
			f.cut()
		}
	}
	return len(t.open)
}
