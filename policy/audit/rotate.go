package audit

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sallyport-project/sallyport/internal/durable"
)

// rotate closes the last segment and begins the next.
func (l *Log) rotate() error {
	if err := l.hashes.Sync(); err != nil {
		return fmt.Errorf("syncing tree hashes: %w", err)
	}
	return l.begin(l.tail.tree.n)
}

// begin makes the segment whose first record has the number first, with the checkpoint of all before it as its first
// line, and makes it the last segment when it is durable.
func (l *Log) begin(first int64) error {
	tree, err := l.tail.tree.tree()
	if err != nil {
		return err
	}
	signed, err := signCheckpoint(tree, l.signer)
	if err != nil {
		return err
	}
	line, err := checkpointLine(signed)
	if err != nil {
		return err
	}
	records, err := l.files.open(filepath.Join(l.dir, recordsName(first)))
	if err != nil {
		return fmt.Errorf("beginning a segment: %w", err)
	}
	values, err := l.files.open(filepath.Join(l.dir, personalName(first)))
	if err != nil {
		records.Close()
		return fmt.Errorf("beginning a segment: %w", err)
	}
	// Both names may be left over from an attempt that failed.
	if err = errors.Join(records.Truncate(0), values.Truncate(0)); err == nil {
		_, err = records.WriteAt(line, 0)
	}
	if err = errors.Join(err, records.Sync(), values.Sync()); err == nil {
		err = durable.SyncDir(l.dir)
	}
	if err != nil {
		records.Close()
		values.Close()
		return fmt.Errorf("beginning a segment: %w", err)
	}
	if l.records != nil {
		l.records.Close()
		l.values.Close()
	}
	l.records, l.values = records, values
	l.tail.closed += l.tail.size + l.tail.personal
	l.tail.segment, l.tail.size, l.tail.personal, l.tail.signed = first, int64(len(line)), 0, signed
	return nil
}

// openSegment opens the files of the last segment.
func (l *Log) openSegment() (err error) {
	if l.records, err = l.files.open(filepath.Join(l.dir, recordsName(l.tail.segment))); err != nil {
		return fmt.Errorf("opening the last segment: %w", err)
	}
	if l.values, err = l.files.open(filepath.Join(l.dir, personalName(l.tail.segment))); err != nil {
		return fmt.Errorf("opening the last segment: %w", err)
	}
	return nil
}
