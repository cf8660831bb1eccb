package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
)

// indexing puts records into the index.
type indexing struct {
	ctx context.Context

	insert, artifact, addArtifact, decided, contents, setContents, inside *sql.Stmt
}

func newIndexing(ctx context.Context, tx *sql.Tx) (*indexing, error) {
	x := &indexing{ctx: ctx}
	for _, s := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&x.insert, `INSERT INTO records
			(n, segment, offset, personal, id, time, kind, action, rule, channel, artifact, follows, name)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&x.artifact, `SELECT id FROM artifacts WHERE sha256 = ?`},
		{&x.addArtifact, `INSERT INTO artifacts (sha256, contents) VALUES (?, x'') RETURNING id`},
		{&x.decided, `SELECT artifact FROM records WHERE id = ?`},
		{&x.contents, `SELECT contents FROM artifacts WHERE id = ?`},
		{&x.setContents, `UPDATE artifacts SET contents = ? WHERE id = ?`},
		{&x.inside, `INSERT OR IGNORE INTO inside (digest, artifact, path) VALUES (?, ?, ?)`},
	} {
		st, err := tx.PrepareContext(ctx, s.query)
		if err != nil {
			x.close()
			return nil, err
		}
		*s.to = st
	}
	return x, nil
}

func (x *indexing) close() {
	for _, st := range []*sql.Stmt{x.insert, x.artifact, x.addArtifact, x.decided, x.contents, x.setContents, x.inside} {
		if st != nil {
			st.Close()
		}
	}
}

// record puts one record into the index.
func (x *indexing) record(e entry) error {
	r := &e.record
	artifact, follows, err := x.about(r)
	if err != nil {
		return err
	}
	_, err = x.insert.ExecContext(x.ctx, e.n, e.segment, e.offset, e.personal, r.ID, r.Time.UnixMicro(), string(r.Kind),
		r.action(), r.rule(), r.scope(), artifact, follows, r.name())
	if err != nil || follows || r.Artifact == nil || r.Contents == nil || len(r.Contents.Inner) == 0 {
		return err
	}
	return x.list(artifact, r.Contents.Inner)
}

// about returns the number of the artifact that a record is about, 0 for none, and whether only because of the decision that the
// record follows.
func (x *indexing) about(r *Record) (id int64, follows bool, err error) {
	if d := r.digest(); !d.IsZero() {
		err := x.artifact.QueryRowContext(x.ctx, d[:]).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			err = x.addArtifact.QueryRowContext(x.ctx, d[:]).Scan(&id)
		}
		return id, false, err
	}
	if r.Decides == "" {
		return 0, false, nil
	}
	err = x.decided.QueryRowContext(x.ctx, r.Decides).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return id, id != 0, err
}

// list puts the files inside an artifact into the index, unless the same list is there.
func (x *indexing) list(artifact int64, inner []InnerFile) error {
	h := sha256.New()
	for _, f := range inner {
		fmt.Fprintf(h, "%x %d %s\n", f.SHA256, len(f.Path), f.Path)
	}
	var known sql.RawBytes
	rows, err := x.contents.QueryContext(x.ctx, artifact)
	if err != nil {
		return err
	}
	defer rows.Close()
	sum := h.Sum(nil)
	for rows.Next() {
		if err := rows.Scan(&known); err != nil || string(known) == string(sum) {
			return err
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, f := range inner {
		if f.SHA256.IsZero() || f.Size == 0 {
			continue // empty files are in everything and mean nothing
		}
		if _, err := x.inside.ExecContext(x.ctx, f.SHA256[:], artifact, f.Path); err != nil {
			return err
		}
	}
	_, err = x.setContents.ExecContext(x.ctx, sum, artifact)
	return err
}
