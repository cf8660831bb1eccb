package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrNotFound means that the log has no record of that id.
var ErrNotFound = errors.New("no such record")

// staleBytes is how far behind the log a reader lets the index be before it brings it up itself, in bytes.
const staleBytes = 1 << 20

// List returns the records of the log in dir that a filter chooses, newest first. It may be called while another
// process writes the log. The index finds them where it can be used; else the whole log is read. Nothing is verified.
func List(ctx context.Context, dir string, f Filter) ([]Record, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("listing records: %w", err)
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	q := query{ctx: ctx, dir: dir, f: f}
	list, err := q.indexed()
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotFound) {
		list, err = q.scanned()
	}
	if err != nil {
		return nil, fmt.Errorf("listing records: %w", err)
	}
	return list, nil
}

// Show returns the record of an id, which may be in lower case and have hyphens in it, or ErrNotFound.
func Show(ctx context.Context, dir, id string) (Record, error) {
	id = normalID(id)
	if id == "" {
		return Record{}, fmt.Errorf("record without an id: %w", ErrNotFound)
	}
	list, err := List(ctx, dir, Filter{id: id, Limit: 1})
	if err != nil {
		return Record{}, err
	}
	if len(list) == 0 {
		return Record{}, fmt.Errorf("record %q: %w", id, ErrNotFound)
	}
	return list[0], nil
}

// query is one search.
type query struct {
	ctx context.Context
	dir string
	f   Filter
}

// indexed searches with the index, and reads the end of the log that is not in it yet.
func (q query) indexed() ([]Record, error) {
	if err := q.freshen(); err != nil {
		return nil, err
	}
	db, err := openIndex(q.dir, "rw")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	tx, err := db.BeginTx(q.ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	from, err := indexPosition(q.ctx, tx, q.dir)
	if err != nil {
		return nil, err
	}
	list, found, err := q.tail(from)
	if err != nil {
		return nil, err
	}
	before := int64(math.MaxInt64)
	if q.f.Before != "" && !found {
		err := tx.QueryRowContext(q.ctx, "SELECT n FROM records WHERE id = ?", normalID(q.f.Before)).Scan(&before)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("record %q: %w", q.f.Before, ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		list = nil
	}
	return q.older(tx, before, list)
}

// freshen brings the index up to the log if it is missing or far behind, and nobody else is at it.
func (q query) freshen() error {
	behind, err := q.behind()
	if err == nil && behind < staleBytes {
		return nil
	}
	if err := catchUp(q.ctx, q.dir); err != nil && !errors.Is(err, ErrLocked) {
		return err
	}
	return nil
}

// behind returns how many bytes of records the index does not know yet.
func (q query) behind() (int64, error) {
	db, err := openIndex(q.dir, "rw")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	from, err := indexPosition(q.ctx, db, q.dir)
	if err != nil {
		return 0, err
	}
	segments, err := listSegments(q.dir)
	if err != nil {
		return 0, err
	}
	bytes := -from.offset
	for _, s := range segments {
		if s.first >= from.segment {
			bytes += s.size
		}
	}
	return bytes, nil
}

// tail reads the log from a position on. It reports whether the record that Filter.Before names was found there.
func (q query) tail(from position) (newestFirst []Record, found bool, err error) {
	var list []Record
	_, err = walk(q.ctx, q.dir, from, 0, func(e entry) error {
		if found || q.f.Before != "" && e.record.ID == normalID(q.f.Before) {
			found = true
			return nil
		}
		if !q.f.matches(&e.record) {
			return nil
		}
		list = append(list, e.record)
		if len(list) >= 2*q.f.Limit {
			list = append(list[:0], list[len(list)-q.f.Limit:]...)
		}
		return nil
	})
	if n := len(list); n > q.f.Limit {
		list = list[n-q.f.Limit:]
	}
	slices.Reverse(list)
	return list, found, err
}

// older adds records that the index knows to those of the tail.
func (q query) older(tx *sql.Tx, before int64, list []Record) ([]Record, error) {
	where, args := q.f.where(before)
	rows, err := tx.QueryContext(q.ctx, "SELECT n, segment, offset, personal, id FROM records WHERE "+where+" ORDER BY n DESC", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	in := &recordReader{dir: q.dir}
	defer in.close()
	for len(list) < q.f.Limit && rows.Next() {
		var e entry
		var id string
		if err := rows.Scan(&e.n, &e.segment, &e.offset, &e.personal, &id); err != nil {
			return nil, err
		}
		r, err := in.read(e)
		if err != nil {
			return nil, err
		}
		if r.ID != id {
			return nil, fmt.Errorf("%w: record %d is not where it says", errIndex, e.n)
		}
		if q.f.matches(&r) {
			list = append(list, r)
		}
	}
	return list, rows.Err()
}

// scanned searches by reading the whole log.
func (q query) scanned() ([]Record, error) {
	list, found, err := q.tail(position{})
	if err == nil && q.f.Before != "" && !found {
		err = fmt.Errorf("record %q: %w", q.f.Before, ErrNotFound)
	}
	return list, err
}
