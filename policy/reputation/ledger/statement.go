package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// Statements are prepared once and named by their text. Nothing that a stranger wrote is ever part of one.

// write runs f in a transaction. Commit is held up by readers of publish, so that whoever reads several things reads them as of one
// moment.
func (s *store) write(publish *sync.RWMutex, f func(*writing) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &writing{s: s}
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := f(w); err != nil {
		s.rollback()
		return err
	}
	publish.Lock()
	defer publish.Unlock()
	if err := w.exec("COMMIT"); err != nil {
		s.rollback()
		return err
	}
	return nil
}

func (s *store) rollback() {
	s.conn.ExecContext(context.Background(), "ROLLBACK") // fails where the failure has rolled back already
}

// tidy moves what was committed from the write-ahead log into the database.
func (s *store) tidy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
	return err
}

// writing is an open transaction.
type writing struct{ s *store }

func (w *writing) statement(query string) (*sql.Stmt, error) {
	st := w.s.writes[query]
	if st == nil {
		var err error
		if st, err = w.s.conn.PrepareContext(context.Background(), query); err != nil {
			return nil, fmt.Errorf("writing the history: %w", err)
		}
		w.s.writes[query] = st
	}
	return st, nil
}

func (w *writing) exec(query string, args ...any) error {
	_, err := w.changes(query, args...)
	return err
}

// changes is exec that returns how many rows were changed.
func (w *writing) changes(query string, args ...any) (int64, error) {
	st, err := w.statement(query)
	if err != nil {
		return 0, err
	}
	result, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, fmt.Errorf("writing the history: %w", err)
	}
	return result.RowsAffected()
}

// get reads one row into out; found is false where there is none.
func (w *writing) get(query string, args []any, out ...any) (found bool, err error) {
	st, err := w.statement(query)
	if err != nil {
		return false, err
	}
	return scanned(st.QueryRowContext(context.Background(), args...).Scan(out...))
}

func scanned(err error) (bool, error) {
	switch err {
	case nil:
		return true, nil
	case sql.ErrNoRows:
		return false, nil
	}
	return false, fmt.Errorf("reading the history: %w", err)
}

func (s *store) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.reads.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.reader.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	if old, loaded := s.reads.LoadOrStore(query, st); loaded {
		st.Close()
		return old.(*sql.Stmt), nil
	}
	return st, nil
}

// get reads one row into out; found is false where there is none.
func (s *store) get(ctx context.Context, query string, args []any, out ...any) (found bool, err error) {
	st, err := s.prepared(ctx, query)
	if err != nil {
		return false, err
	}
	return scanned(st.QueryRowContext(ctx, args...).Scan(out...))
}

// each calls f for every row.
func (s *store) each(ctx context.Context, query string, args []any, f func(*sql.Rows) error) error {
	st, err := s.prepared(ctx, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	return nil
}

// digestOf reads a digest from the database.
func digestOf(b []byte) (d verify.Digest, err error) {
	if len(b) != len(d) {
		return d, fmt.Errorf("reading the history: %w: a digest has %d bytes", errUnusable, len(b))
	}
	return verify.Digest(b), nil
}
