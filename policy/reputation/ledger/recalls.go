package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// maxRecalls is how many recalls are found for one update: one is enough to stop it.
const maxRecalls = 64

// recalls are what the recall records say, the latest for each digest. They are read from the log itself, so that none is missed
// while the database is being made.
type recalls struct {
	mu sync.RWMutex
	by map[verify.Digest]recalled
}

type recalled struct {
	policy.Recall
	lifted bool
}

func standingRecalls(logDir string) (*recalls, error) {
	r := &recalls{by: map[verify.Digest]recalled{}}
	list, err := audit.List(context.Background(), logDir, audit.Filter{Kind: audit.KindRecall, Limit: math.MaxInt32})
	if err != nil {
		return nil, fmt.Errorf("finding standing recalls: %w", err)
	}
	for i := range list {
		r.see(&list[i])
	}
	return r, nil
}

// see takes notice of a record, whatever was seen before or will be.
func (r *recalls) see(rec *audit.Record) {
	if rec.Recall == nil || rec.Recall.SHA256.IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := rec.Recall.SHA256
	if old, there := r.by[sum]; there && old.Record > rec.ID {
		return
	}
	r.by[sum] = recalled{
		Recall: policy.Recall{Record: rec.ID, SHA256: sum, Reason: rec.Recall.Reason, By: rec.Recall.By, At: rec.Time.UTC()},
		lifted: rec.Recall.Lifted,
	}
}

// of returns the standing recall of a digest.
func (r *recalls) of(sum verify.Digest) (policy.Recall, bool) {
	c, there := r.by[sum]
	return c.Recall, there && !c.lifted
}

// standing returns the digests that are recalled.
func (r *recalls) standing() []verify.Digest {
	var list []verify.Digest
	for sum, c := range r.by {
		if !c.lifted {
			list = append(list, sum)
		}
	}
	return slices.SortedFunc(slices.Values(list), func(a, b verify.Digest) int { return slices.Compare(a[:], b[:]) })
}

// Recalls returns the standing recalls that name an update, or anything that its report or the ledger knows to be inside: at most 64,
// the update's own first.
func (l *Ledger) Recalls(sum verify.Digest, report verify.Report) []policy.Recall {
	l.recalls.mu.RLock()
	defer l.recalls.mu.RUnlock()
	standing := l.recalls.standing()
	if len(standing) == 0 {
		return nil
	}
	found := map[string]policy.Recall{}
	add := func(digest verify.Digest, path string) {
		if c, ok := l.recalls.of(digest); ok && len(found) < maxRecalls {
			c.Path = path
			found[path+"\x00"+digest.String()] = c
		}
	}
	add(sum, "")
	if report.Contents != nil {
		for _, f := range report.Contents.Inner {
			add(f.SHA256, f.Path)
		}
	}
	if len(found) == 0 {
		l.recalledInside(sum, standing, add)
	}
	return slices.SortedFunc(maps.Values(found), func(a, b policy.Recall) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Record, b.Record))
	})
}

// recalledInside looks for what is known to be inside an update that was let through before, and may not have been looked into now.
func (l *Ledger) recalledInside(sum verify.Digest, standing []verify.Digest, add func(verify.Digest, string)) {
	if c, ok := l.waiting.get(sum); ok {
		for _, f := range c.files {
			add(f.digest, f.path)
		}
	}
	s, ctx := l.current(), context.Background()
	if s == nil {
		return
	}
	var artifact int64
	known, err := s.get(ctx, "SELECT id FROM artifacts WHERE sha256 = ? AND opened > 0", []any{sum[:]}, &artifact)
	for i := 0; err == nil && known && i < len(standing); i++ {
		digest := standing[i]
		err = s.each(ctx, "SELECT path FROM inside WHERE digest = ? AND artifact = ? LIMIT 1", []any{digest[:], artifact}, func(rows *sql.Rows) error {
			var path string
			err := rows.Scan(&path)
			add(digest, path)
			return err
		})
	}
	if err != nil {
		l.warn(fmt.Errorf("looking for what is recalled: %w", err))
	}
}
