package audit

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
)

// Through calls see with the records about the bytes of a digest, and those that follow decisions about them, one after the other, the
// newest first, until it returns false: decisions, and the deliveries that say who has received what. What has the bytes inside is not
// among them. Records are not kept in memory, but for those that the index does not know yet.
func Through(ctx context.Context, dir string, artifact verify.Digest, see func(*Record) bool) error {
	seen := false
	err := throughIndex(ctx, dir, artifact, func(r *Record) bool {
		seen = true
		return see(r)
	})
	if err != nil && !seen && ctx.Err() == nil { // without the index the whole log is read
		a := about{limit: maxUnindexed, artifacts: map[verify.Digest]bool{artifact: true}, ids: map[string]bool{}}
		if _, err = walk(ctx, dir, position{}, 0, a.record); err == nil {
			a.through(see)
		}
	}
	if err != nil {
		return fmt.Errorf("reading what the log has about a file: %w", err)
	}
	return nil
}

// maxUnindexed is how many records about one artifact are read at most where there is no index.
const maxUnindexed = 20_000

// through calls see with what was found outside of the index, the newest first; false if see has returned it.
func (a *about) through(see func(*Record) bool) bool {
	for i := len(a.tail) - 1; i >= 0; i-- {
		if !see(&a.tail[i]) {
			return false
		}
	}
	return true
}

func throughIndex(ctx context.Context, dir string, artifact verify.Digest, see func(*Record) bool) error {
	return withIndex(ctx, dir, func(tx *sql.Tx, from position) error {
		a := about{limit: maxUnindexed, artifacts: map[verify.Digest]bool{artifact: true}, ids: map[string]bool{}, tx: tx}
		if _, err := walk(ctx, dir, from, 0, a.record); err != nil {
			return err
		}
		if !a.through(see) {
			return nil
		}
		rows, err := tx.QueryContext(ctx, `SELECT n, segment, offset, personal, id FROM records
			WHERE artifact = (SELECT id FROM artifacts WHERE sha256 = ?) AND artifact <> 0 ORDER BY n DESC`, artifact[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		in := &recordReader{dir: dir}
		defer in.close()
		for rows.Next() {
			var e entry
			var id string
			if err := rows.Scan(&e.n, &e.segment, &e.offset, &e.personal, &id); err != nil {
				return err
			}
			r, err := in.read(e)
			if err == nil && r.ID != id {
				err = fmt.Errorf("%w: record %d is not where it says", errIndex, e.n)
			}
			if err != nil || !see(&r) {
				return err
			}
		}
		return rows.Err()
	})
}

// CountAllowed returns how many decisions have allowed the bytes of a digest; those that were observed only are among them as far as
// they would have allowed it, too.
func CountAllowed(ctx context.Context, dir string, artifact verify.Digest) (n int, err error) {
	f := Filter{Kind: KindDecision, Action: "allow", SHA256: artifact}
	take := func(e entry) error {
		if f.matches(&e.record) {
			n++
		}
		return nil
	}
	err = withIndex(ctx, dir, func(tx *sql.Tx, from position) error {
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM records
			WHERE artifact = (SELECT id FROM artifacts WHERE sha256 = ?) AND artifact <> 0 AND follows = 0 AND +kind = ? AND +action = 'allow'`,
			artifact[:], string(KindDecision)).Scan(&n)
		if err != nil {
			return err
		}
		_, err = walk(ctx, dir, from, 0, take)
		return err
	})
	if err != nil && ctx.Err() == nil { // without the index the whole log is read
		n = 0
		_, err = walk(ctx, dir, position{}, 0, take)
	}
	if err != nil {
		return 0, fmt.Errorf("counting what was let through: %w", err)
	}
	return n, nil
}

// withIndex calls do with a view of the index, brought up if it is far behind, and where in the log it ends.
func withIndex(ctx context.Context, dir string, do func(*sql.Tx, position) error) error {
	if err := (query{ctx: ctx, dir: dir}).freshen(); err != nil {
		return err
	}
	db, err := openIndex(dir, "rw")
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	from, err := indexPosition(ctx, tx, dir)
	if err != nil {
		return err
	}
	return do(tx, from)
}
