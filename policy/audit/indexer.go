package audit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// How the index follows the log: this many records behind, or this long after the last look, whichever is first.
const (
	indexBehind = 512
	indexDelay  = 2 * time.Second
)

// indexer brings the index up to the log from time to time, behind the back of Append. Between two times it holds
// nothing open.
type indexer struct {
	dir     string
	told    func(error)
	batches chan struct{}
	pending atomic.Int64
	cancel  context.CancelFunc
	done    chan struct{}
}

func startIndexer(dir string, warn func(error)) *indexer {
	ctx, cancel := context.WithCancel(context.Background())
	x := &indexer{dir: dir, told: warn, batches: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go x.run(ctx)
	return x
}

func (x *indexer) warn(err error) {
	if x.told != nil {
		x.told(err)
	}
}

// wake says that records were appended. It never waits.
func (x *indexer) wake(records int) {
	x.pending.Add(int64(records))
	select {
	case x.batches <- struct{}{}:
	default:
	}
}

func (x *indexer) run(ctx context.Context) {
	defer close(x.done)
	timer := time.NewTimer(indexDelay)
	timer.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.batches:
			if x.pending.Load() < indexBehind {
				if !waiting {
					timer.Reset(indexDelay)
					waiting = true
				}
				continue
			}
		case <-timer.C:
		}
		timer.Stop()
		waiting = false
		x.pending.Store(0)
		if err := catchUp(ctx, x.dir); err != nil && ctx.Err() == nil && !errors.Is(err, ErrLocked) {
			x.warn(err)
		}
	}
}

// stop ends the indexer. What it has not come to, readers find in the log.
func (x *indexer) stop() {
	x.cancel()
	<-x.done
}
