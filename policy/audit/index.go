package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// indexSchema is the version of the index's tables. An index of another version is made anew.
const indexSchema = 2

// indexTables are the index: for every record where it stands and what it is searched by, and for every artifact what the records
// list as inside it. A record is about the artifact that it names, or, with follows set, about that of the decision it follows.
// Personal values are not in it, so that deleting them from their files deletes them.
const indexTables = `
CREATE TABLE position (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	segment INTEGER NOT NULL, offset INTEGER NOT NULL, personal INTEGER NOT NULL,
	next INTEGER NOT NULL, checkpoint TEXT NOT NULL
);
INSERT INTO position VALUES (1, 0, 0, 0, 0, '');
CREATE TABLE artifacts (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, contents BLOB NOT NULL);
CREATE TABLE inside (
	digest BLOB NOT NULL, artifact INTEGER NOT NULL, path TEXT NOT NULL,
	PRIMARY KEY (digest, artifact, path)
) WITHOUT ROWID;
CREATE TABLE records (
	n INTEGER PRIMARY KEY,
	segment INTEGER NOT NULL, offset INTEGER NOT NULL, personal INTEGER NOT NULL,
	id TEXT NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL, action TEXT NOT NULL, rule TEXT NOT NULL,
	channel TEXT NOT NULL, artifact INTEGER NOT NULL, follows INTEGER NOT NULL, name TEXT NOT NULL
);
CREATE INDEX by_id ON records (id);
CREATE INDEX by_time ON records (time);
CREATE INDEX by_kind ON records (kind, action);
CREATE INDEX by_channel ON records (channel);
CREATE INDEX by_artifact ON records (artifact, n) WHERE artifact <> 0;
`

// errIndex means that the index cannot be used: it is missing, of another version, or not of this log.
var errIndex = errors.New("the index cannot be used")

// openIndex opens the database; mode is "rw" or, to make it, "rwc".
func openIndex(dir, mode string) (*sql.DB, error) {
	db, err := openDatabase(filepath.Join(dir, indexFile), mode)
	if err != nil {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	return db, nil
}

// openDatabase opens a database with one connection.
func openDatabase(file, mode string) (*sql.DB, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	path := filepath.ToSlash(abs)
	if path[0] != '/' {
		path = "/" + path
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"mode": {mode}, "_txlock": {"immediate"},
		"_pragma": {"busy_timeout(3000)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-2000)"},
	}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// queryer is *sql.DB or *sql.Tx.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// indexPosition returns how far the index has come, or errIndex.
func indexPosition(ctx context.Context, q queryer, dir string) (position, error) {
	var version int
	if err := q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return position{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	if version != indexSchema {
		return position{}, fmt.Errorf("%w: it has version %d, not %d", errIndex, version, indexSchema)
	}
	var p position
	row := q.QueryRowContext(ctx, "SELECT segment, offset, personal, next, checkpoint FROM position")
	if err := row.Scan(&p.segment, &p.offset, &p.personal, &p.next, &p.checkpoint); err != nil {
		return position{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	var last sql.NullInt64
	if err := q.QueryRowContext(ctx, "SELECT max(n) FROM records").Scan(&last); err != nil {
		return position{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	if p.next < 0 || p.personal < 0 || last.Int64 >= max(p.next, 1) || !standsAt(dir, p) {
		return position{}, fmt.Errorf("%w: it is not of this log", errIndex)
	}
	return p, nil
}

// makeIndex makes an empty index in place of what is there. The caller holds the index's lock.
func makeIndex(ctx context.Context, dir string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(filepath.Join(dir, indexFile+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("making the index: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, indexFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making the index: %w", err)
	}
	f.Close()
	db, err := openIndex(dir, "rwc")
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("making the index: %w", err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, indexTables+fmt.Sprintf("PRAGMA user_version = %d;", indexSchema)); err != nil {
		return fmt.Errorf("making the index: %w", err)
	}
	return tx.Commit()
}

// damaged reports whether an error of the database says that its file is no good, rather than busy, say.
func damaged(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, errIndex)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT:
		return true
	}
	return false
}
