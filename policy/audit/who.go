package audit

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// Holder is an artifact that has bytes inside, as far as records list what is inside.
type Holder struct {
	SHA256 verify.Digest `json:"sha256"`
	Paths  []string      `json:"paths"` // of the bytes inside, at most 16
	More   int           `json:"more,omitempty"`
}

// Bounds of answers about who has what.
const (
	maxHolders = 1000
	maxPaths   = 16
)

// Who returns the records about the bytes of a digest, newest first: about the artifact that they are, and about those that have them
// inside; decisions, releases, rejects and recalls, and the deliveries that followed them, which say who has received what. A limit of 0
// means 100.
func Who(ctx context.Context, dir string, digest verify.Digest, limit int) ([]Record, error) {
	if digest.IsZero() {
		return nil, errors.New("listing records: no digest is given")
	}
	holders, err := Holders(ctx, dir, digest)
	if err != nil {
		return nil, err
	}
	list := []verify.Digest{digest}
	for _, h := range holders {
		list = append(list, h.SHA256)
	}
	return About(ctx, dir, list, limit)
}

// Holders returns the artifacts whose records list the bytes of a digest among what is inside, those first seen last before the others,
// at most 1000. Records list executables, as far as there is room, and no empty files.
func Holders(ctx context.Context, dir string, digest verify.Digest) ([]Holder, error) {
	h := holding{digest: digest, at: map[verify.Digest]int{}}
	err := search(ctx, dir, h.indexed, h.record)
	if err != nil {
		return nil, fmt.Errorf("finding what holds a file: %w", err)
	}
	return h.list, nil
}

// About returns the records about artifacts, and those that follow decisions about them, newest first. A limit of 0 means 100.
func About(ctx context.Context, dir string, artifacts []verify.Digest, limit int) ([]Record, error) {
	if limit < 0 {
		return nil, fmt.Errorf("listing records: a limit of %d records", limit)
	}
	a := about{dir: dir, limit: cmp.Or(limit, defaultLimit), artifacts: map[verify.Digest]bool{}}
	for _, d := range artifacts {
		a.artifacts[d] = true
	}
	err := search(ctx, dir, a.indexed, a.record)
	if err != nil {
		return nil, fmt.Errorf("listing records: %w", err)
	}
	return a.newest(), nil
}

// search asks the index and then reads the end of the log that is not in it yet. Where the index cannot be used the whole log is read.
// indexed is called first, and with nil where there is no index; it forgets what was found before.
func search(ctx context.Context, dir string, indexed func(context.Context, *sql.Tx) error, see func(entry) error) error {
	err := searchIndex(ctx, dir, indexed, see)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if err := indexed(ctx, nil); err != nil {
		return err
	}
	_, err = walk(ctx, dir, position{}, 0, see)
	return err
}

func searchIndex(ctx context.Context, dir string, indexed func(context.Context, *sql.Tx) error, see func(entry) error) error {
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
	if err := indexed(ctx, tx); err != nil {
		return err
	}
	_, err = walk(ctx, dir, from, 0, see)
	return err
}

// holding is a search for what has a file inside.
type holding struct {
	digest verify.Digest
	list   []Holder
	at     map[verify.Digest]int // places in list
}

func (h *holding) indexed(ctx context.Context, tx *sql.Tx) error {
	h.list = nil
	clear(h.at)
	if tx == nil {
		return nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT a.sha256, i.path FROM inside i JOIN artifacts a ON a.id = i.artifact
		WHERE i.digest = ? ORDER BY i.artifact DESC, i.path`, h.digest[:])
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var sum []byte
		var path string
		if err := rows.Scan(&sum, &path); err != nil {
			return err
		}
		if len(sum) != len(verify.Digest{}) {
			return fmt.Errorf("%w: a digest has %d bytes", errIndex, len(sum))
		}
		if !h.add(verify.Digest(sum), path) {
			break
		}
	}
	return rows.Err()
}

// record looks into a record that the index does not have.
func (h *holding) record(e entry) error {
	r := &e.record
	if r.Artifact == nil || r.Contents == nil {
		return nil
	}
	for _, f := range r.Contents.Inner {
		if f.SHA256 == h.digest && f.Size != 0 {
			h.add(r.Artifact.SHA256, f.Path)
		}
	}
	return nil
}

// add reports whether there is room for more.
func (h *holding) add(artifact verify.Digest, path string) bool {
	i, known := h.at[artifact]
	if !known {
		if len(h.list) >= maxHolders {
			return false
		}
		i = len(h.list)
		h.at[artifact], h.list = i, append(h.list, Holder{SHA256: artifact})
	}
	o := &h.list[i]
	switch {
	case slices.Contains(o.Paths, path):
	case len(o.Paths) < maxPaths:
		o.Paths = append(o.Paths, path)
	default:
		o.More++
	}
	return true
}

// about is a search for records about artifacts.
type about struct {
	dir       string
	limit     int
	artifacts map[verify.Digest]bool
	places    []entry         // in the index, newest first
	old       []Record        // those of places
	tail      []Record        // what the index does not have, oldest first
	ids       map[string]bool // of records about the artifacts that the index does not have
	tx        *sql.Tx
}

func (a *about) indexed(ctx context.Context, tx *sql.Tx) error {
	a.places, a.old, a.tail, a.ids, a.tx = nil, nil, nil, map[string]bool{}, tx
	if tx == nil {
		return nil
	}
	for d := range a.artifacts {
		if err := a.find(ctx, d); err != nil {
			return err
		}
	}
	in := &recordReader{dir: a.dir}
	defer in.close()
	for _, e := range a.places {
		r, err := in.read(e)
		if err != nil {
			return err
		}
		if r.ID != e.record.ID {
			return fmt.Errorf("%w: record %d is not where it says", errIndex, e.n)
		}
		a.old = append(a.old, r)
	}
	return nil
}

// find adds the newest records about one artifact to places.
func (a *about) find(ctx context.Context, d verify.Digest) error {
	after := int64(math.MinInt64)
	if len(a.places) >= a.limit {
		after = a.places[a.limit-1].n
	}
	rows, err := a.tx.QueryContext(ctx, `SELECT n, segment, offset, personal, id FROM records
		WHERE artifact = (SELECT id FROM artifacts WHERE sha256 = ?) AND artifact <> 0 AND n > ? ORDER BY n DESC LIMIT ?`, d[:], after, a.limit)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.n, &e.segment, &e.offset, &e.personal, &e.record.ID); err != nil {
			return err
		}
		a.places = append(a.places, e)
	}
	slices.SortFunc(a.places, func(x, y entry) int { return cmp.Compare(y.n, x.n) })
	a.places = a.places[:min(len(a.places), a.limit)]
	return rows.Err()
}

// record looks at a record that the index does not have.
func (a *about) record(e entry) error {
	r := &e.record
	is := a.artifacts[r.digest()] && !r.digest().IsZero()
	if !is && r.Decides != "" {
		is = a.ids[r.Decides]
		if !is && a.tx != nil {
			var sum []byte
			err := a.tx.QueryRow(`SELECT a.sha256 FROM records r JOIN artifacts a ON a.id = r.artifact WHERE r.id = ?`, r.Decides).Scan(&sum)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			is = len(sum) == len(verify.Digest{}) && a.artifacts[verify.Digest(sum)]
		}
	}
	if !is {
		return nil
	}
	a.ids[r.ID] = true
	a.tail = append(a.tail, *r)
	if len(a.tail) >= 2*a.limit {
		a.tail = append(a.tail[:0], a.tail[len(a.tail)-a.limit:]...)
	}
	return nil
}

// newest returns what was found, newest first.
func (a *about) newest() []Record {
	list := slices.Clone(a.tail)
	slices.Reverse(list)
	list = append(list, a.old...)
	return list[:min(len(list), a.limit)]
}
