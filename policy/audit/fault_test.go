package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

// failingFiles are files whose operations fail on demand, after having done part of them.
type failingFiles struct {
	mu   sync.Mutex
	what string // "write records-", "sync personal-", "open records-", "truncate records-", ...; "" for none
	err  error
}

func (f *failingFiles) set(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.what, f.err = what, err
}

func (f *failingFiles) fails(op, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if verb, prefix, ok := strings.Cut(f.what, " "); ok && verb == op && strings.HasPrefix(filepath.Base(path), prefix) {
		return f.err
	}
	return nil
}

func (f *failingFiles) open(path string) (file, error) {
	if err := f.fails("open", path); err != nil {
		return nil, err
	}
	disk, err := diskFiles{}.open(path)
	if err != nil {
		return nil, err
	}
	return &failingFile{file: disk, files: f, path: path}, nil
}

type failingFile struct {
	file
	files *failingFiles
	path  string
}

func (f *failingFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.files.fails("write", f.path); err != nil {
		n, _ := f.file.WriteAt(p[:len(p)/2], off)
		return n, err
	}
	return f.file.WriteAt(p, off)
}

func (f *failingFile) Sync() error {
	if err := f.files.fails("sync", f.path); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f *failingFile) Truncate(size int64) error {
	if err := f.files.fails("truncate", f.path); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func TestFailedWriteIsNeverAcknowledged(t *testing.T) {
	for _, c := range []struct {
		name, what string
		err        error
		segment    int64
	}{
		{"disk full", "write records-", syscall.ENOSPC, 0},
		{"disk full for personal values", "write personal-", syscall.ENOSPC, 0},
		{"disk full for hashes", "write hashes", syscall.ENOSPC, 0},
		{"failed sync", "sync records-", syscall.EIO, 0},
		{"failed sync of personal values", "sync personal-", syscall.EIO, 0},
		{"next segment cannot be made", "open records-", syscall.EROFS, 1},
		{"next segment cannot be written", "write records-", syscall.ENOSPC, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			fs := &failingFiles{}
			l := openTest(t, dir, Options{files: fs, SegmentSize: c.segment})
			var stored []string
			add := func() {
				stored = append(stored, appendTest(t, l, decision(1, policy.Allow)).ID())
			}
			add()
			add()
			fs.set(c.what, c.err)
			for range 3 {
				r, err := l.Append(decision(2, policy.Allow))
				if !errors.Is(err, c.err) || !r.IsZero() || r.Settles(digest(2), "vendor") != policy.Block {
					t.Fatalf("got %v, %v", r, err)
				}
			}
			wantAcknowledged(t, dir, l, stored)
			fs.set("", nil)
			add()
			add()
			closeTest(t, l)
			wantSound(t, dir, int64(len(stored)))
			wantAcknowledged(t, dir, nil, stored)
			closeTest(t, openTest(t, dir, Options{}))
			wantSound(t, dir, int64(len(stored)))
		})
	}
}

// wantAcknowledged says that the log has exactly these records; where l is open, that its checkpoint covers them.
func wantAcknowledged(t *testing.T, dir string, l *Log, ids []string) {
	t.Helper()
	if l != nil {
		if v := verifyTest(t, dir, VerifyOptions{Checkpoint: l.Checkpoint()}); v.Extends == nil || *v.Extends != int64(len(ids)) {
			t.Fatalf("%+v does not extend the checkpoint of %d records", v, len(ids))
		}
		return
	}
	list, err := List(t.Context(), dir, Filter{})
	if err != nil || len(list) != len(ids) {
		t.Fatalf("%d records, %v, want %d", len(list), err, len(ids))
	}
	for i, r := range list {
		if want := ids[len(ids)-1-i]; r.ID != want {
			t.Errorf("record %d from the end is %s, want %s", i, r.ID, want)
		}
	}
}

func TestLogInDoubtStaysFailedUntilItIsRepaired(t *testing.T) {
	dir := t.TempDir()
	fs := &failingFiles{}
	l := openTest(t, dir, Options{files: fs})
	appendTest(t, l, decision(1, policy.Allow))
	fs.set("sync records-", syscall.EIO)
	if _, err := l.Append(decision(2, policy.Allow)); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	// Now a write would succeed, but the end of the file is not known to be good.
	fs.set("truncate records-", syscall.EROFS)
	for range 3 {
		_, err := l.Append(decision(3, policy.Allow))
		if !errors.Is(err, syscall.EROFS) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("got %v, want both why it is in doubt and why it stays so", err)
		}
	}
	fs.set("", nil)
	appendTest(t, l, decision(4, policy.Allow))
	closeTest(t, l)
	wantSound(t, dir, 2)
}

func TestLogThatLostAcknowledgedRecordsStaysFailed(t *testing.T) {
	dir := t.TempDir()
	fs := &failingFiles{}
	l, err := Open(dir, Options{files: fs})
	if err != nil {
		t.Fatal(err)
	}
	appendTest(t, l, decision(1, policy.Allow))
	fs.set("sync records-", syscall.EIO)
	l.Append(decision(2, policy.Allow))
	fs.set("", nil)
	if err := os.Truncate(filepath.Join(dir, recordsName(0)), 100); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := l.Append(decision(3, policy.Allow)); !errors.Is(err, ErrBroken) {
			t.Fatal(err)
		}
	}
	if err := l.Close(); !errors.Is(err, ErrBroken) {
		t.Errorf("closing: %v", err)
	}
}

func TestClosedLogTakesNothing(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	closeTest(t, l)
	if _, err := l.Append(decision(1, policy.Allow)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
