package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// How long a reader waits for the process that writes to come to a record that the log has.
const (
	comparePatience = time.Second
	comparePause    = 50 * time.Millisecond
)

// compare checks that the database has every decision of the log. It says ErrBehind if not: nobody writes it, or whoever does is
// reading the log.
func (l *Ledger) compare(ctx context.Context) error {
	s := l.current()
	if s == nil {
		return ErrBehind
	}
	from, _, _, _, err := s.state(ctx)
	if err != nil {
		return err
	}
	missing := map[string]int64{}
	_, err = audit.Follow(ctx, l.log, from, 0, func(n int64, r audit.Record) error {
		if e := eventOf(&r); !e.sha256.IsZero() {
			missing[e.id] = n
		}
		if len(missing) > 8*followBehind {
			return ErrBehind
		}
		return nil
	})
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(comparePatience); ; {
		if err := s.present(ctx, missing); err != nil || len(missing) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %d decisions are missing in it", ErrBehind, len(missing))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(comparePause):
		}
	}
}

// present removes those records that the database has from missing, a map of ids to numbers.
func (s *store) present(ctx context.Context, missing map[string]int64) error {
	// A record that is marked while the position passes it is found in one of the two if marks are looked at first.
	err := s.each(ctx, "SELECT record FROM applied", nil, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		delete(missing, id)
		return err
	})
	if err != nil {
		return err
	}
	p, _, _, _, err := s.state(ctx)
	if err != nil {
		return err
	}
	for id, n := range missing {
		if n < p.Records() {
			delete(missing, id)
		}
	}
	return nil
}
