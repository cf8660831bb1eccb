package audit

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
)

// indexLock is the file that is locked by whoever writes the index, so that nobody else replaces it meanwhile.
const indexLock = "index.lock"

// indexChunk is how many records enter the index in one transaction.
const indexChunk = 2000

// catchUp brings the index up to the log, and makes it anew where it is missing or cannot be used. It returns
// ErrLocked if another goroutine or process is doing so.
func catchUp(ctx context.Context, dir string) error {
	unlock, err := lock(filepath.Join(dir, indexLock))
	if err != nil {
		return fmt.Errorf("locking the index: %w", err)
	}
	defer unlock()
	err = extendIndex(ctx, dir)
	if err == nil || !damaged(err) {
		return err
	}
	if err := makeIndex(ctx, dir); err != nil {
		return err
	}
	return extendIndex(ctx, dir)
}

func extendIndex(ctx context.Context, dir string) error {
	db, err := openIndex(dir, "rw")
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		more, err := extendOnce(ctx, dir, db)
		if err != nil || !more {
			return err
		}
	}
}

// extendOnce puts the next records into the index, and reports whether there are more.
func extendOnce(ctx context.Context, dir string, db *sql.DB) (more bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("writing the index: %w", err)
	}
	defer tx.Rollback()
	from, err := indexPosition(ctx, tx, dir)
	if err != nil {
		return false, err
	}
	in, err := newIndexing(ctx, tx)
	if err != nil {
		return false, fmt.Errorf("writing the index: %w", err)
	}
	defer in.close()
	to, err := walk(ctx, dir, from, indexChunk, in.record)
	if err != nil {
		return false, fmt.Errorf("writing the index: %w", err)
	}
	if to == from {
		return false, nil
	}
	_, err = tx.ExecContext(ctx, "UPDATE position SET segment = ?, offset = ?, personal = ?, next = ?, checkpoint = ?",
		to.segment, to.offset, to.personal, to.next, to.checkpoint)
	if err != nil {
		return false, fmt.Errorf("writing the index: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("writing the index: %w", err)
	}
	return to.next-from.next >= indexChunk, nil
}
