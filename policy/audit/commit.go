package audit

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// commitLoop writes one batch after the other until the log is closed. While it writes one, the next one fills.
func (l *Log) commitLoop() {
	defer close(l.done)
	for range l.wake {
		for {
			b, closed := l.take()
			if b == nil {
				if closed {
					return
				}
				break
			}
			b.err = l.commit(b)
			close(b.done)
		}
	}
}

func (l *Log) take() (b *batch, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil, l.closed
	}
	b, l.queue = l.queue[0], l.queue[1:]
	return b, l.closed
}

// commit makes a batch durable. If it fails, nothing is known about what the files hold behind the tail until repair
// has cut it off, and nothing more is written before that.
func (l *Log) commit(b *batch) error {
	if l.doubt != nil {
		if err := l.repair(); err != nil {
			return fmt.Errorf("%w (the log does not accept records since: %w)", err, l.doubt)
		}
	}
	if l.tail.size >= l.limit && l.tail.tree.n > l.tail.segment {
		if err := l.rotate(); err != nil {
			l.doubt = err
			return err
		}
	}
	w, err := l.encode(b)
	if err != nil {
		return err
	}
	if err := l.write(w); err != nil {
		l.doubt = err
		return err
	}
	l.tail.tree, l.tail.signed = w.tree, w.signed
	l.tail.size += int64(len(w.records))
	l.tail.personal += int64(len(w.personal))
	// Whoever sees this file sees what is acknowledged, so it comes before the waiters are told. It is a copy of what
	// the records' file holds: failing to write it takes nothing away.
	if _, err := l.latest.WriteAt(w.signed, 0); err != nil {
		l.index.warn(fmt.Errorf("writing the newest checkpoint: %w", err))
	}
	l.show()
	l.index.wake(len(b.items))
	return nil
}

// written is a batch as it goes to the files.
type written struct {
	records, personal, hashes []byte
	tree                      *peaks
	signed                    []byte
}

// encode computes everything that a batch adds to the files. It changes nothing.
func (l *Log) encode(b *batch) (written, error) {
	tree := *l.tail.tree
	w := written{tree: &tree, records: make([]byte, 0, b.bytes+len(b.items)+512)}
	for _, it := range b.items {
		if it.personal != nil {
			it.personal.N = tree.n
			line, err := encodeLine(it.personal)
			if err != nil {
				return written{}, fmt.Errorf("encoding personal values: %w", err)
			}
			w.personal = append(append(w.personal, line...), '\n')
		}
		hashes, err := tree.add(tlog.RecordHash(it.line))
		if err != nil {
			return written{}, err
		}
		for _, h := range hashes {
			w.hashes = append(w.hashes, h[:]...)
		}
		w.records = append(append(w.records, it.line...), '\n')
	}
	root, err := tree.tree()
	if err != nil {
		return written{}, err
	}
	if w.signed, err = signCheckpoint(root, l.signer); err != nil {
		return written{}, err
	}
	line, err := checkpointLine(w.signed)
	if err != nil {
		return written{}, err
	}
	w.records = append(w.records, line...)
	return w, nil
}

// write puts a batch behind the tail. The records' file is written last: a reader that sees a checkpoint in it finds
// everything else in place. Records and personal values are synced side by side, which costs one wait; the hashes can
// be made again.
func (l *Log) write(w written) error {
	synced := make(chan error, 1)
	if len(w.personal) > 0 {
		if _, err := l.values.WriteAt(w.personal, l.tail.personal); err != nil {
			return fmt.Errorf("writing personal values: %w", err)
		}
	}
	if _, err := l.hashes.WriteAt(w.hashes, tlog.StoredHashCount(l.tail.tree.n)*tlog.HashSize); err != nil {
		return fmt.Errorf("writing tree hashes: %w", err)
	}
	if _, err := l.records.WriteAt(w.records, l.tail.size); err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	if len(w.personal) > 0 {
		go func() { synced <- l.values.Sync() }()
	} else {
		synced <- nil
	}
	if err := errors.Join(l.records.Sync(), <-synced); err != nil {
		return fmt.Errorf("syncing records: %w", err)
	}
	return nil
}
