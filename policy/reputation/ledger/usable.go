package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// smallDatabase is up to which size a database is checked whenever it is opened, in bytes; a larger one only after it was not closed
// well.
const smallDatabase = 256 << 20

// useStore opens the database that is there, if it can be used, and takes up what is kept of it in memory.
func (l *Ledger) useStore() error {
	s, err := openStore(l.dir, l.options.ReadOnly)
	if err != nil {
		return err
	}
	position, stretches, walked, err := l.usable(s)
	if err != nil {
		s.close()
		return err
	}
	s.clock = clock{stretches, walked}
	if n := len(stretches); n > 0 {
		l.reading.Store(stretches[n-1].last)
	}
	l.publish.Lock()
	defer l.publish.Unlock()
	l.store, l.reached, l.ready = s, position, false
	return nil
}

// usable checks that the database is sound, and of this program, this key and this log.
func (l *Ledger) usable(s *store) (position audit.Position, stretches []stretch, walked string, err error) {
	ctx := context.Background()
	var version int
	if _, err = s.get(ctx, "PRAGMA user_version", nil, &version); err != nil {
		return position, nil, "", fmt.Errorf("%w: %w", errUnusable, err)
	}
	if version != schemaVersion {
		return position, nil, "", fmt.Errorf("%w: it has version %d, not %d", errUnusable, version, schemaVersion)
	}
	var check []byte
	var clean bool
	if position, walked, check, clean, err = s.state(ctx); err != nil {
		return position, nil, "", fmt.Errorf("%w: %w", errUnusable, err)
	}
	if !bytes.Equal(check, l.secret.check()) {
		return position, nil, "", fmt.Errorf("%w: it was made with another key", errUnusable)
	}
	if !position.StandsIn(l.log) {
		return position, nil, "", fmt.Errorf("%w: it is not of this log", errUnusable)
	}
	if err = s.sound(ctx, filepath.Join(l.dir, databaseFile), clean); err != nil {
		return position, nil, "", err
	}
	err = s.each(ctx, "SELECT start, first, last FROM clock ORDER BY start", nil, func(rows *sql.Rows) error {
		var c stretch
		err := rows.Scan(&c.start, &c.first, &c.last)
		stretches = append(stretches, c)
		return err
	})
	if err == nil && !l.options.ReadOnly {
		err = s.write(&l.publish, func(w *writing) error { return w.exec("UPDATE state SET clean = 0") })
	}
	return position, stretches, walked, err
}

// sound looks for damage in the file.
func (s *store) sound(ctx context.Context, file string, clean bool) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	if clean && info.Size() > smallDatabase {
		return nil
	}
	var said string
	if _, err := s.get(ctx, "PRAGMA quick_check(1)", nil, &said); err != nil || said != "ok" {
		return fmt.Errorf("%w: %q, %w", errUnusable, said, err)
	}
	return nil
}

// state reads how far the database has come.
func (s *store) state(ctx context.Context) (p audit.Position, walked string, check []byte, clean bool, err error) {
	var text string
	found, err := s.get(ctx, "SELECT position, walked, key, clean FROM state", nil, &text, &walked, &check, &clean)
	if err == nil && !found {
		err = errUnusable
	}
	if err == nil && text != "" {
		err = p.UnmarshalText([]byte(text))
	}
	return p, walked, check, clean, err
}

// finish closes the database, and marks it as closed well where it was written.
func (s *store) finish(writes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if writes {
		err = (&writing{s: s}).exec("UPDATE state SET clean = 1")
	}
	return errors.Join(err, s.close())
}
