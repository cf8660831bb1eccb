package replay

import (
	"errors"
	"sync"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// maxCached bounds the reports that are kept in memory, in findings and files.
const maxCached = 100_000

// cache remembers reports, which many decisions share: those that were asked for last. It may be used by several goroutines at once;
// reports are not changed.
type cache struct {
	store *audit.Reports

	mu       sync.Mutex
	by       map[verify.Digest]cached
	size     int                      // of by
	outgoing map[verify.Digest]cached // what by was before it became too large
}

type cached struct {
	report verify.Report
	memory *policy.Memory
	size   int
	err    error
}

func newCache(store *audit.Reports) *cache {
	return &cache{store: store, by: map[verify.Digest]cached{}}
}

// load is the store's Load. Memory is what is remembered of the report.
func (c *cache) load(id verify.Digest) (verify.Report, *policy.Memory, error) {
	if id.IsZero() || c.store == nil {
		return verify.Report{}, nil, audit.ErrNoReport
	}
	if got, ok := c.find(id); ok {
		return got.report, got.memory, got.err
	}
	got := cached{size: 4, memory: &policy.Memory{}}
	got.report, got.err = c.store.Load(id)
	if got.err != nil && !errors.Is(got.err, audit.ErrNoReport) {
		return got.report, nil, got.err // another time it may be there
	}
	got.size += len(got.report.Findings)
	if got.report.Contents != nil {
		got.size += len(got.report.Contents.Inner)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(id, got)
	return got.report, got.memory, got.err
}

func (c *cache) find(id verify.Digest) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if got, ok := c.by[id]; ok {
		return got, true
	}
	got, ok := c.outgoing[id]
	if ok {
		c.put(id, got)
	}
	return got, ok
}

// put remembers a report. The caller holds the lock.
func (c *cache) put(id verify.Digest, got cached) {
	if got.size > maxCached/2 {
		return
	}
	if c.size+got.size > maxCached/2 {
		c.outgoing, c.by, c.size = c.by, map[verify.Digest]cached{}, 0
	}
	c.by[id] = got
	c.size += got.size
}
