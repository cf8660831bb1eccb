package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Files in the state directory.
const (
	databaseFile = "history.db"
	keyFile      = "history.key"
	lockFile     = "history.lock"
)

// schemaVersion is the version of the tables. All of them are made from the log, so a database of another version, older or
// newer, is made anew rather than changed.
const schemaVersion = 2

// Times are microseconds since 1970. Records are named by their ids, which sort as the log is ordered. Keys are keyed hashes.
const schemaTables = `
CREATE TABLE state (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	position TEXT NOT NULL, walked TEXT NOT NULL, key BLOB NOT NULL, clean INTEGER NOT NULL
);
CREATE TABLE applied (record TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE clock (start TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE artifacts (
	id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, name TEXT NOT NULL, named TEXT NOT NULL,
	first INTEGER NOT NULL, first_record TEXT NOT NULL, lowest INTEGER NOT NULL, lowest_record TEXT NOT NULL,
	requests INTEGER NOT NULL, allowed INTEGER NOT NULL, went_out INTEGER NOT NULL, opened INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE views (
	id INTEGER PRIMARY KEY, key BLOB NOT NULL, artifact INTEGER NOT NULL,
	first INTEGER NOT NULL, last INTEGER NOT NULL, record TEXT NOT NULL, latest TEXT NOT NULL,
	client BLOB NOT NULL, several INTEGER NOT NULL,
	UNIQUE (key, artifact)
);
CREATE TABLE products (
	id INTEGER PRIMARY KEY, channel TEXT NOT NULL, product TEXT NOT NULL, UNIQUE (channel, product)
);
CREATE TABLE releases (
	id INTEGER PRIMARY KEY, product INTEGER NOT NULL, version TEXT NOT NULL, artifact INTEGER NOT NULL, sha256 BLOB NOT NULL,
	system TEXT NOT NULL, name TEXT NOT NULL, publishers TEXT NOT NULL, proofs TEXT NOT NULL,
	at INTEGER NOT NULL, record TEXT NOT NULL, basis TEXT NOT NULL, by_hand INTEGER NOT NULL,
	UNIQUE (product, version, artifact)
);
CREATE INDEX releases_latest ON releases (product, record);
CREATE INDEX releases_publishers ON releases (product, publishers, by_hand, record);
CREATE TABLE highest (
	product INTEGER NOT NULL, kind TEXT NOT NULL, branch TEXT NOT NULL, by_hand INTEGER NOT NULL, release INTEGER NOT NULL,
	PRIMARY KEY (product, branch, kind, by_hand)
) WITHOUT ROWID;
CREATE TABLE proofs (
	product INTEGER NOT NULL, proof TEXT NOT NULL, at INTEGER NOT NULL, record TEXT NOT NULL,
	PRIMARY KEY (product, proof)
) WITHOUT ROWID;
CREATE TABLE inside (
	digest BLOB NOT NULL, artifact INTEGER NOT NULL, path TEXT NOT NULL,
	PRIMARY KEY (digest, artifact, path)
) WITHOUT ROWID;
`

// errUnusable means that the database cannot be used: it is missing, damaged, of another version, or not of this log.
var errUnusable = errors.New("the history's database cannot be used")

// store is the open database: one connection to write with, several to read with.
type store struct {
	writer, reader *sql.DB // writer is nil where nothing is written

	reads sync.Map // SQL to *sql.Stmt
	clock clock    // guarded by Ledger.publish

	mu     sync.Mutex // guards what follows, and makes one writer at a time
	conn   *sql.Conn
	writes map[string]*sql.Stmt
}

// openStore opens the database in dir as it is.
func openStore(dir string, readOnly bool) (*store, error) {
	file := filepath.Join(dir, databaseFile)
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	s := &store{writes: map[string]*sql.Stmt{}}
	var err error
	if s.reader, err = openFile(file, 4, "query_only(1)"); err != nil {
		return nil, err
	}
	if readOnly {
		return s, nil
	}
	// What a commit leaves in the write-ahead log is moved outside of transactions, so that nobody waits for it.
	if s.writer, err = openFile(file, 1, "synchronous(NORMAL)", "wal_autocheckpoint(0)"); err == nil {
		s.conn, err = s.writer.Conn(context.Background())
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return s, nil
}

func openFile(file string, connections int, pragmas ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	path := filepath.ToSlash(abs)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	pragmas = append([]string{"busy_timeout(5000)", "journal_mode(WAL)", "cache_size(-16000)"}, pragmas...)
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"mode": {"rw"}, "_pragma": pragmas}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("opening the history: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// makeStore makes an empty database in place of what is there. The caller holds the lock.
func makeStore(dir string, check []byte) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(filepath.Join(dir, databaseFile+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("making the history: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, databaseFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making the history: %w", err)
	}
	f.Close()
	db, err := openFile(filepath.Join(dir, databaseFile), 1)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return fmt.Errorf("making the history: %w", err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(schemaTables + fmt.Sprintf("PRAGMA user_version = %d;", schemaVersion)); err != nil {
		return fmt.Errorf("making the history: %w", err)
	}
	if _, err := tx.Exec("INSERT INTO state VALUES (1, '', '', ?, 1)", check); err != nil {
		return fmt.Errorf("making the history: %w", err)
	}
	return tx.Commit()
}

func (s *store) close() error {
	var errs []error
	if s.conn != nil {
		for _, st := range s.writes {
			st.Close()
		}
		errs = append(errs, s.conn.Close())
	}
	s.reads.Range(func(_, st any) bool { st.(*sql.Stmt).Close(); return true })
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// damaged reports whether an error of the database says that its file is no good, rather than busy or out of space, say.
func damaged(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, errUnusable)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT:
		return true
	}
	return false
}
