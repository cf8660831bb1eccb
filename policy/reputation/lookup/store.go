package lookup

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/sallyport-project/sallyport/verify"
)

// maxKept is how many answers the file keeps; the oldest go first.
const maxKept = 100_000

const schema = `
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS answers (
	service BLOB NOT NULL, sha256 BLOB NOT NULL, at INTEGER NOT NULL, said TEXT,
	PRIMARY KEY (service, sha256)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_at ON answers (at);
`

// store keeps answers in a file. A nil store keeps none. What goes wrong with it costs a question more, and nothing else.
type store struct {
	db       *sql.DB
	readOnly bool
	saved    atomic.Int64
}

// pruneEvery is after how many answers it is looked whether there are too many.
const pruneEvery = 1000

func openStore(path string, readOnly bool) (*store, error) {
	if path == "" {
		return nil, nil
	}
	if _, err := os.Stat(path); readOnly && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s, err := openDatabase(path, readOnly)
	if err == nil || readOnly {
		return s, nil // what cannot be read is not known
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("making the file of look-ups anew: %w", err)
		}
	}
	return openDatabase(path, false)
}

func openDatabase(path string, readOnly bool) (*store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if abs = filepath.ToSlash(abs); abs[0] != '/' {
		abs = "/" + abs
	}
	mode := "rwc"
	if readOnly {
		mode = "ro"
	} else if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		f.Close()
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"mode": {mode}, "_pragma": {"busy_timeout(2000)", "journal_mode(WAL)", "synchronous(OFF)", "cache_size(-2000)"},
	}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("opening the file of look-ups: %w", err)
	}
	db.SetMaxOpenConns(1)
	if readOnly {
		return &store{db: db, readOnly: true}, nil
	}
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening the file of look-ups: %w", err)
	}
	return &store{db: db}, nil
}

func (s *store) load(service, d verify.Digest) (answer, bool) {
	if s == nil {
		return answer{}, false
	}
	var at int64
	var text sql.NullString
	err := s.db.QueryRow("SELECT at, said FROM answers WHERE service = ? AND sha256 = ?", service[:], d[:]).Scan(&at, &text)
	if err != nil {
		return answer{}, false
	}
	a := answer{asked: true, known: text.Valid, at: time.UnixMilli(at)}
	if text.Valid && json.Unmarshal([]byte(text.String), &a.said) != nil {
		return answer{}, false
	}
	return a, true
}

func (s *store) save(service, d verify.Digest, a answer) {
	if s == nil || s.readOnly {
		return
	}
	var text sql.NullString
	if a.known {
		if b, err := json.Marshal(a.said); err == nil {
			text = sql.NullString{String: string(b), Valid: true}
		}
	}
	if a.known && !text.Valid {
		return
	}
	s.db.Exec("INSERT OR REPLACE INTO answers (service, sha256, at, said) VALUES (?, ?, ?, ?)", service[:], d[:], a.at.UnixMilli(), text)
	if s.saved.Add(1)%pruneEvery != 0 {
		return
	}
	s.db.Exec("DELETE FROM answers WHERE at < (SELECT at FROM answers ORDER BY at DESC LIMIT 1 OFFSET ?)", maxKept)
}

func (s *store) close() error {
	if s == nil {
		return nil
	}
	return s.db.Close()
}
