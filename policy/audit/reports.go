package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/sallyport-project/sallyport/verify"
)

// ErrNoReport means that a report is not in the store, or not as it was: it was never kept, had to make room, or is damaged.
var ErrNoReport = errors.New("the report is not kept (any more)")

// Bounds of the store of reports.
const (
	maxReport      = 64 << 20 // bytes of one report, as JSON
	maxReportsSize = 4 << 30  // bytes of all of them, compressed; then those that were judged by longest ago go
)

// ReportsFile is the file in a directory that a store of reports is in.
const ReportsFile = "reports.db"

// Reports keeps whole reports, each once, under the SHA-256 of its JSON: what records show of them is too little to judge by again.
// Nothing in it is needed to verify the log or to let anything through; what is lost has to be examined again. Its methods may be
// called by several goroutines at once, and another process may read the store meanwhile.
type Reports struct {
	db    *sql.DB
	limit int64 // bytes
	write bool  // else Keep fails

	mu     sync.Mutex // guards what follows, and makes one writer
	size   int64      // bytes that are kept
	encode *zstd.Encoder
	decode *zstd.Decoder // its DecodeAll may be called by many
}

// OpenReports opens the store in a directory and makes it where there is none. A store that is damaged or of another version is put
// aside under its name with ".damaged", and a new one made.
func OpenReports(dir string) (*Reports, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the store of reports: %w", err)
	}
	r, err := openReports(dir, true)
	if err != nil && damaged(err) {
		if err := putAside(filepath.Join(dir, ReportsFile)); err != nil {
			return nil, fmt.Errorf("opening the store of reports: %w", err)
		}
		r, err = openReports(dir, true)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store of reports: %w", err)
	}
	return r, nil
}

// ReadReports opens the store in a directory to load from it only; Keep fails. Where there is none, every report is missing.
func ReadReports(dir string) (*Reports, error) {
	if _, err := os.Stat(filepath.Join(dir, ReportsFile)); errors.Is(err, fs.ErrNotExist) {
		return emptyReports()
	}
	r, err := openReports(dir, false)
	if err != nil && damaged(err) {
		return emptyReports()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store of reports: %w", err)
	}
	return r, nil
}

func emptyReports() (*Reports, error) {
	r := &Reports{}
	return r, r.codecs()
}

func openReports(dir string, write bool) (*Reports, error) {
	mode := "rw" // also to read: beside a writer that needs the file of its lock
	if write {
		mode = "rwc"
	}
	db, err := openDatabase(filepath.Join(dir, ReportsFile), mode)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	r := &Reports{db: db, limit: maxReportsSize, write: write}
	err = r.codecs()
	if err == nil {
		err = r.prepare(write)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reports) codecs() (err error) {
	if r.encode, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1)); err != nil {
		return err
	}
	r.decode, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxReport), zstd.WithDecoderMaxWindow(8<<20))
	return err
}

// reportsSchema is the version of the table.
const reportsSchema = 1

const reportsTable = `
CREATE TABLE IF NOT EXISTS reports (
	sha256 BLOB PRIMARY KEY, size INTEGER NOT NULL, day INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_day ON reports (day, size);
`

func (r *Reports) prepare(write bool) error {
	var version int
	if err := r.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == 0 && write {
		if _, err := r.db.Exec(reportsTable + fmt.Sprintf("PRAGMA user_version = %d;", reportsSchema)); err != nil {
			return err
		}
		version = reportsSchema
	}
	if version != reportsSchema {
		return fmt.Errorf("%w: its version is %d, not %d", errIndex, version, reportsSchema)
	}
	if !write {
		return nil
	}
	var size sql.NullInt64
	if err := r.db.QueryRow("SELECT sum(size) FROM reports").Scan(&size); err != nil {
		return err
	}
	r.size = size.Int64
	return nil
}

func putAside(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(path, path+".damaged")
}

// Keep stores a report and returns what it is found by. An error means that it is not kept; a report of more than 64 MiB, or with
// names that JSON cannot hold exactly, never is.
func (r *Reports) Keep(report verify.Report) (verify.Digest, error) {
	body, err := exactJSON(report)
	if err != nil {
		return verify.Digest{}, fmt.Errorf("keeping a report: %w", err)
	}
	id := verify.Digest(sha256.Sum256(body))
	if err := r.keep(id, body); err != nil {
		return verify.Digest{}, fmt.Errorf("keeping a report: %w", err)
	}
	return id, nil
}

// exactJSON encodes a report so that decoding gives the same again, byte for byte: two inner files whose names differ in bytes that
// are no UTF-8 must not become one.
func exactJSON(report verify.Report) ([]byte, error) {
	body, err := json.Marshal(report)
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxReport:
		return nil, fmt.Errorf("it has %d bytes, and %d at most are kept", len(body), maxReport)
	case bytes.Contains(body, []byte(`\ufffd`)): // what encoding/json makes of bytes that are no UTF-8; U+FFFD itself it writes as it is
		return nil, errors.New("it holds names that are no UTF-8")
	}
	return body, nil
}

func (r *Reports) keep(id verify.Digest, body []byte) error {
	if !r.write {
		return errors.New("the store is only read")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	today := time.Now().Unix() / 86400
	var day int64
	switch err := r.db.QueryRow("SELECT day FROM reports WHERE sha256 = ?", id[:]).Scan(&day); {
	case err == nil && day >= today:
		return nil
	case err == nil:
		_, err := r.db.Exec("UPDATE reports SET day = ? WHERE sha256 = ?", today, id[:])
		return err
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	packed := r.encode.EncodeAll(body, nil)
	if err := r.makeRoom(int64(len(packed))); err != nil {
		return err
	}
	if _, err := r.db.Exec("INSERT INTO reports VALUES (?, ?, ?, ?)", id[:], len(packed), today, packed); err != nil {
		return err
	}
	r.size += int64(len(packed))
	return nil
}

// What is removed at a time where room is needed: little, since whoever keeps a report waits for it.
const (
	roomAtLeast = 1 << 20 // bytes
	roomRows    = 64      // reports of one statement
)

// makeRoom removes the reports that no decision has rested on for longest, by days. The caller holds the lock.
func (r *Reports) makeRoom(size int64) error {
	if size > r.limit/4 {
		return fmt.Errorf("it has %d bytes, compressed, too much for the store", size)
	}
	if r.size+size <= r.limit {
		return nil
	}
	tx, err := r.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	freed := int64(0)
	for want := r.size + size - r.limit + min(roomAtLeast, r.limit/8); freed < want; {
		n, err := removeOldest(tx)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		freed += n
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	r.size -= freed
	return nil
}

// removeOldest removes some reports and returns how many bytes they had. The order is that of the index, so that nothing is sorted.
func removeOldest(tx *sql.Tx) (freed int64, err error) {
	rows, err := tx.Query("DELETE FROM reports WHERE rowid IN (SELECT rowid FROM reports ORDER BY day, size LIMIT ?) RETURNING size", roomRows)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var size int64
		if err := rows.Scan(&size); err != nil {
			return 0, err
		}
		freed += size
	}
	return freed, rows.Err()
}

// Load returns a report that was kept: exactly that, or an error, which is ErrNoReport wrapped unless the store cannot be read now. Its
// findings and files share what they have in common, so that what they point to is not to be changed.
func (r *Reports) Load(id verify.Digest) (verify.Report, error) {
	if r.db == nil || id.IsZero() {
		return verify.Report{}, ErrNoReport
	}
	var packed []byte
	switch err := r.db.QueryRow("SELECT body FROM reports WHERE sha256 = ?", id[:]).Scan(&packed); {
	case errors.Is(err, sql.ErrNoRows):
		return verify.Report{}, ErrNoReport
	case err != nil && damaged(err):
		return verify.Report{}, fmt.Errorf("%w: %w", ErrNoReport, err)
	case err != nil:
		return verify.Report{}, fmt.Errorf("loading a report: %w", err)
	}
	body, err := r.decode.DecodeAll(packed, nil)
	if err != nil {
		return verify.Report{}, fmt.Errorf("%w: %w", ErrNoReport, err)
	}
	if verify.Digest(sha256.Sum256(body)) != id {
		return verify.Report{}, fmt.Errorf("%w: its content is not what it was", ErrNoReport)
	}
	report, err := decodeReport(body)
	if err != nil {
		return verify.Report{}, fmt.Errorf("%w: %w", ErrNoReport, err)
	}
	return report, nil
}

// SnapshotReports writes a copy of the store in dir, whole and as of one moment, to a file that must not exist yet, also while
// another process has it open; false if there is no store.
func SnapshotReports(ctx context.Context, dir, file string) (bool, error) {
	if _, err := os.Stat(filepath.Join(dir, ReportsFile)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	db, err := openDatabase(filepath.Join(dir, ReportsFile), "rw")
	if err != nil {
		return false, fmt.Errorf("copying the store of reports: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return false, fmt.Errorf("copying the store of reports: %w", err)
	}
	return true, nil
}

// Close closes the store.
func (r *Reports) Close() error {
	r.decode.Close()
	if r.db == nil {
		return nil
	}
	return r.db.Close()
}
