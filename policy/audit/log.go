// Package audit is the log: append-only files, a Merkle tree over them, and checkpoints signed by a key of its own.
//
//	Record      what happened; one line of a file, and one leaf of the tree
//	Batch       the records that one write and one sync made durable together, closed by a checkpoint
//	Checkpoint  the size and the root of the tree, as a signed note
//	Receipt     the proof that a record is stored, which is what releases an artifact
//	Index       a database that finds records; made from the log and worth nothing without it
//
// FORMAT.md beside this file specifies the files, so that others can write a verifier. The tree is that of RFC 6962
// section 2.1, a checkpoint is C2SP tlog-checkpoint in a C2SP signed-note.
package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-project/sallyport/internal/durable"
)

var (
	// ErrLocked means that another process writes the log.
	ErrLocked = errors.New("another process has the log open for writing")
	// ErrClosed means that the log was closed.
	ErrClosed = errors.New("the log is closed")
	// ErrBroken means that the log is not what its key has signed, and that nothing is added to it: somebody changed
	// its files, or the disk lost what it had called stored. Verify says where.
	ErrBroken = errors.New("the log is not what was signed")
)

// Log is an open log. One process at a time writes it. Its methods may be called by several goroutines at once.
type Log struct {
	dir      string
	now      func() time.Time
	signer   note.Signer
	verifier note.Verifier
	public   string
	limit    int64 // bytes of a segment
	files    files
	unlock   func() error
	repaired string
	index    *indexer

	// mu guards the queue. Whoever appends holds it only to encode the record and to queue it.
	mu     sync.Mutex
	ids    ids
	queue  []*batch
	closed bool

	wake chan struct{} // holds one token where the queue may have something
	done chan struct{} // closed when the committer has ended

	// Only the committer goroutine touches these; before it starts, Open does, and after it has ended, Close.
	tail    tail
	records file
	values  file
	hashes  file
	latest  file  // the file of the newest checkpoint
	doubt   error // why it is not known what the last write left behind; nil where it is

	// What readers of the Log may see of the tail.
	size       atomic.Int64
	bytes      atomic.Int64
	checkpoint atomic.Pointer[[]byte]
}

// tail is where the log goes on: everything before it is durable and signed.
type tail struct {
	segment  int64  // number of the first record of the last segment
	size     int64  // bytes of it
	personal int64  // bytes of its file of personal values
	closed   int64  // bytes of all earlier segments and their personal values
	tree     *peaks // of all records
	signed   []byte // the checkpoint of that tree
	lastID   string // of the last record, "" where that is not known
}

// Options of Open.
type Options struct {
	// Origin is the log's name in its checkpoints, without spaces and "+". It is fixed when the log is made; "" means
	// the host name then, and whatever it is called afterwards.
	Origin string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// SegmentSize is how many bytes of records a file holds before the next one is begun; 0 means 64 MiB.
	SegmentSize int64
	// Warn is told of what goes wrong behind Append without harming the log: the index cannot be written, the newest
	// checkpoint cannot be exported. nil means nobody is.
	Warn func(error)

	files files // nil means the operating system's
}

// Open opens the log in dir for writing, making it where there is none, and repairs a torn tail: what was being
// written when the process or the machine died, and what nobody was told is stored. A log that is not what its key
// has signed is ErrBroken, and left as it is.
func Open(dir string, o Options) (_ *Log, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the log's directory: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, fmt.Errorf("locking the log in %s: %w", dir, err)
	}
	l := &Log{
		dir: dir, now: o.Now, limit: o.SegmentSize, files: o.files, unlock: unlock,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.limit <= 0 {
		l.limit = defaultSegmentSize
	}
	if l.files == nil {
		l.files = diskFiles{}
	}
	defer func() {
		if err != nil {
			l.closeFiles()
			unlock()
		}
	}()
	if err := l.load(o.Origin); err != nil {
		return nil, err
	}
	l.ids.after(l.tail.lastID)
	l.index = startIndexer(dir, o.Warn)
	go l.commitLoop()
	return l, nil
}

// load reads or makes everything that is on disk.
func (l *Log) load(origin string) error {
	if err := removeTemporary(l.dir); err != nil {
		return err
	}
	segments, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	key, err := loadKey(l.dir, origin, len(segments) == 0)
	if err != nil {
		return err
	}
	l.signer, l.verifier, l.public = key.signer, key.verifier, key.public
	r := recovery{dir: l.dir, verifier: l.verifier}
	if l.tail, err = r.run(segments); err != nil {
		return err
	}
	l.repaired = r.report()
	if l.tail.size == 0 {
		if err := l.begin(0); err != nil {
			return err
		}
	} else if err := l.openSegment(); err != nil {
		return err
	}
	if l.hashes == nil {
		if l.hashes, err = l.files.open(filepath.Join(l.dir, hashesFile)); err != nil {
			return err
		}
	}
	return l.publish()
}

// publish writes the newest checkpoint to its file, durably, and opens the file for those to come.
func (l *Log) publish() error {
	path := filepath.Join(l.dir, checkpointFile)
	if err := durable.WriteFile(path, l.tail.signed, 0o644); err != nil {
		return err
	}
	f, err := l.files.open(path)
	if err != nil {
		return err
	}
	if l.latest != nil {
		l.latest.Close()
	}
	l.latest = f
	l.show()
	return nil
}

// show lets Size and Checkpoint see the tail.
func (l *Log) show() {
	l.size.Store(l.tail.tree.n)
	l.bytes.Store(l.tail.closed + l.tail.size + l.tail.personal)
	signed := l.tail.signed
	l.checkpoint.Store(&signed)
}

// Close waits for the records being appended, makes the newest checkpoint's file durable and closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.closed = true
	l.mu.Unlock()
	l.signal()
	<-l.done
	l.index.stop()
	err := errors.Join(l.settle(), l.closeFiles())
	return errors.Join(err, l.unlock())
}

// settle makes durable what Append leaves to the operating system.
func (l *Log) settle() error {
	if l.doubt != nil {
		if err := l.repair(); err != nil {
			return err
		}
	}
	if err := l.hashes.Sync(); err != nil {
		return fmt.Errorf("syncing tree hashes: %w", err)
	}
	err := l.latest.Close() // some systems do not replace a file that is open
	l.latest = nil
	if err != nil {
		return fmt.Errorf("closing the newest checkpoint: %w", err)
	}
	return durable.WriteFile(filepath.Join(l.dir, checkpointFile), l.tail.signed, 0o644)
}

func (l *Log) closeFiles() error {
	var err error
	for _, f := range []*file{&l.records, &l.values, &l.hashes, &l.latest} {
		if *f != nil {
			err = errors.Join(err, (*f).Close())
			*f = nil
		}
	}
	return err
}

// Size returns how many records the log holds, and how many bytes they and their personal values take.
func (l *Log) Size() (records uint64, bytes int64) { return uint64(l.size.Load()), l.bytes.Load() }

// Checkpoint returns the newest signed checkpoint, which covers every record that was acknowledged. Whoever keeps it
// elsewhere can prove later that the log has only grown.
func (l *Log) Checkpoint() []byte { return append([]byte(nil), *l.checkpoint.Load()...) }

// Verifier returns the public key of the log's checkpoints, as key.pub holds it.
func (l *Log) Verifier() string { return l.public }

// Repaired says in words what Open found torn and cut off, "" where there was nothing. It is meant for the message of
// the start record.
func (l *Log) Repaired() string { return l.repaired }
