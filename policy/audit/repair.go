package audit

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-project/sallyport/internal/durable"
)

// repair brings the files back to the tail after a write that failed. Everything before the tail was synced without
// an error, so cutting the rest off and syncing again is enough; handles are opened anew, since what an old one says
// about its file after a failed sync means nothing.
func (l *Log) repair() error {
	l.closeFiles()
	if err := l.openSegment(); err != nil {
		return err
	}
	var err error
	if l.hashes, err = l.files.open(filepath.Join(l.dir, hashesFile)); err != nil {
		return fmt.Errorf("opening tree hashes: %w", err)
	}
	if l.latest, err = l.files.open(filepath.Join(l.dir, checkpointFile)); err != nil {
		return fmt.Errorf("opening the newest checkpoint: %w", err)
	}
	next := filepath.Join(l.dir, recordsName(l.tail.tree.n))
	if l.tail.tree.n != l.tail.segment {
		if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("removing a segment that was not begun: %w", err)
		}
	}
	if err := cutBack(l.values, l.tail.personal); err != nil {
		return fmt.Errorf("repairing personal values: %w", err)
	}
	if err := cutBack(l.records, l.tail.size); err != nil {
		return fmt.Errorf("repairing records: %w", err)
	}
	if err := durable.SyncDir(l.dir); err != nil {
		return err
	}
	l.doubt = nil
	return nil
}

// cutBack makes a file end where it is known to be good.
func cutBack(f file, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < size {
		return fmt.Errorf("%w: the file has %d bytes, %d were stored", ErrBroken, info.Size(), size)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}
