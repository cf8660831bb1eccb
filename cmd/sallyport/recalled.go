package main

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// standingRecalls returns the records of the recalls in force.
func standingRecalls(ctx context.Context, dir stateDir) ([]audit.Record, error) {
	list, err := audit.List(ctx, dir.log(), audit.Filter{Kind: audit.KindRecall, Limit: math.MaxInt32})
	if err != nil {
		return nil, fmt.Errorf("finding the recalls in force: %w", err)
	}
	var standing []audit.Record
	latest := map[verify.Digest]bool{}
	for _, r := range list { // the newest first
		if r.Recall == nil || latest[r.Recall.SHA256] {
			continue
		}
		latest[r.Recall.SHA256] = true
		if !r.Recall.Lifted {
			standing = append(standing, r)
		}
	}
	return standing, nil
}

// recalledDigests are what is recalled. As long as anything is, every update is opened, since it may be inside.
type recalledDigests struct {
	mu sync.RWMutex
	in map[verify.Digest]bool
}

func (d *recalledDigests) load(ctx context.Context, dir stateDir) error {
	standing, err := standingRecalls(ctx, dir)
	if err != nil {
		return err
	}
	for i := range standing {
		d.see(&standing[i])
	}
	return nil
}

// see takes a recall record into account.
func (d *recalledDigests) see(rec *audit.Record) {
	if rec.Recall == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.in == nil {
		d.in = map[verify.Digest]bool{}
	}
	if rec.Recall.Lifted {
		delete(d.in, rec.Recall.SHA256)
	} else {
		d.in[rec.Recall.SHA256] = true
	}
}

// any reports whether anything is recalled.
func (d *recalledDigests) any() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.in) > 0
}

// recalls reports whether anything is recalled by the log of a state directory; false where there is no log.
func recalls(ctx context.Context, dir stateDir) bool {
	standing, err := standingRecalls(ctx, dir)
	return err == nil && len(standing) > 0
}
