package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of answers about who has what.
const (
	maxHolders = 10_000 // updates
	maxPaths   = 16     // of one update
)

// Holders returns the updates that were let through, or delivered under observation, and are the bytes that are asked for or have
// them inside: the update itself first, then those first seen last, at most 10,000. Empty files are not found.
func (l *Ledger) Holders(ctx context.Context, digest verify.Digest) ([]Holder, error) {
	s := l.current()
	if s == nil {
		return nil, fmt.Errorf("finding what holds a file: %w", ErrBehind)
	}
	list, at := []Holder{}, map[verify.Digest]int{}
	add := func(sum verify.Digest, name, path string) {
		i, known := at[sum]
		if !known {
			if len(list) >= maxHolders {
				return
			}
			i = len(list)
			at[sum], list = i, append(list, Holder{SHA256: sum, Name: name})
		}
		h := &list[i]
		switch {
		case path == "" || slices.Contains(h.Paths, path):
		case len(h.Paths) < maxPaths:
			h.Paths = append(h.Paths, path)
		default:
			h.More++
		}
	}
	var name string
	is, err := s.get(ctx, "SELECT name FROM artifacts WHERE sha256 = ? AND went_out = 1", []any{digest[:]}, &name)
	if err != nil {
		return nil, err
	}
	if is {
		add(digest, name, "")
	}
	err = s.each(ctx, `SELECT a.sha256, a.name, i.path FROM inside i JOIN artifacts a ON a.id = i.artifact
		WHERE i.digest = ? AND a.went_out = 1 ORDER BY i.artifact DESC, i.path`, []any{digest[:]}, func(rows *sql.Rows) error {
		var sum []byte
		var path string
		if err := rows.Scan(&sum, &name, &path); err != nil {
			return err
		}
		artifact, err := digestOf(sum)
		add(artifact, name, path)
		return err
	})
	l.waiting.each(digest, add)
	return list, err
}

// each calls add for every artifact whose waiting contents have a digest.
func (w *waiting) each(digest verify.Digest, add func(artifact verify.Digest, name, path string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for artifact, c := range w.by {
		for _, f := range c.files {
			if f.digest == digest {
				add(artifact, c.name, f.path)
			}
		}
	}
}

// Each calls f for every digest of an update that was let through, or delivered under observation, and then for every digest of what
// is inside one, each once. It reads as of the moment when it is called, and may take long.
func (l *Ledger) Each(ctx context.Context, f func(Digest) error) error {
	s := l.current()
	if s == nil {
		return fmt.Errorf("listing what was let through: %w", ErrBehind)
	}
	for _, pass := range []struct {
		query string
		inner bool
	}{
		{"SELECT sha256 FROM artifacts WHERE went_out = 1", false},
		{"SELECT DISTINCT digest FROM inside", true},
	} {
		err := s.each(ctx, pass.query, nil, func(rows *sql.Rows) error {
			var sum sql.RawBytes
			if err := rows.Scan(&sum); err != nil {
				return err
			}
			digest, err := digestOf(sum)
			if err != nil {
				return err
			}
			return f(Digest{SHA256: digest, Inner: pass.inner})
		})
		if err != nil {
			return err
		}
	}
	for _, file := range l.waiting.all() {
		if err := f(Digest{SHA256: file, Inner: true}); err != nil {
			return err
		}
	}
	return nil
}

func (w *waiting) all() []verify.Digest {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[verify.Digest]bool{}
	var list []verify.Digest
	for _, c := range w.by {
		for _, f := range c.files {
			if !seen[f.digest] {
				seen[f.digest] = true
				list = append(list, f.digest)
			}
		}
	}
	return list
}

// Decisions returns the ids of the records that let an artifact go, allowed or observed only, the newest first.
func (l *Ledger) Decisions(ctx context.Context, artifact verify.Digest, limit int) ([]string, error) {
	var ids []string
	for before := ""; len(ids) < limit; {
		page, err := audit.List(ctx, l.log, audit.Filter{Kind: audit.KindDecision, SHA256: artifact, Before: before, Limit: max(100, limit)})
		if err != nil {
			return nil, fmt.Errorf("finding decisions: %w", err)
		}
		for _, r := range page {
			if d := r.Decision; d != nil && (d.Action == policy.Allow || d.Observed) && len(ids) < limit {
				ids = append(ids, r.ID)
			}
		}
		if len(page) == 0 {
			break
		}
		before = page[len(page)-1].ID
	}
	return ids, nil
}
