package ledger

import (
	"context"
	"sync"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// How much is known of what is inside an artifact.
const (
	openedNot    = iota // nothing
	openedListed        // what a record lists: executables, as far as a record has room
	openedWhole         // every file that is not empty
)

// Bounds of what is kept of what is inside.
const (
	maxInside    = 250_000   // files of one artifact; executables first
	maxPending   = 1_000_000 // files that wait to be written
	insideChunk  = 2000      // files written in one transaction
	maxInnerPath = 1024      // runes
)

// contents are the files inside an artifact.
type contents struct {
	level int // openedNot, ...
	files []innerFile
}

type innerFile struct {
	digest verify.Digest
	path   string
}

func recordedContents(c *audit.Contents) contents {
	if c == nil {
		return contents{}
	}
	out := contents{level: openedListed}
	for _, f := range c.Inner {
		out.add(f.SHA256, f.Path, f.Size)
	}
	return out
}

func reportedContents(c *verify.Contents) contents {
	if c == nil {
		return contents{}
	}
	out := contents{level: openedWhole}
	for _, executables := range []bool{true, false} {
		for _, f := range c.Inner {
			if f.Format.Executable() == executables {
				out.add(f.SHA256, f.Path, f.Size)
			}
		}
	}
	return out
}

// add leaves out empty files, which are in everything and mean nothing.
func (c *contents) add(digest verify.Digest, path string, size int64) {
	if !digest.IsZero() && size != 0 && len(c.files) < maxInside {
		c.files = append(c.files, innerFile{digest, printable.Text(path, maxInnerPath)})
	}
}

// waiting are contents of artifacts that were just let through and are not in the database yet.
type waiting struct {
	mu    sync.Mutex
	files int
	by    map[verify.Digest]waitingContents
}

type waitingContents struct {
	name string
	contents
}

// put keeps contents until they are written. Where too many wait, those of the report's store or of the record will do.
func (w *waiting) put(artifact verify.Digest, name string, c contents) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, there := w.by[artifact]; there || len(c.files) == 0 || w.files+len(c.files) > maxPending {
		return
	}
	if w.by == nil {
		w.by = map[verify.Digest]waitingContents{}
	}
	w.by[artifact] = waitingContents{name, c}
	w.files += len(c.files)
}

func (w *waiting) get(artifact verify.Digest) (contents, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.by[artifact]
	return c.contents, ok
}

func (w *waiting) drop(artifact verify.Digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files -= len(w.by[artifact].files)
	delete(w.by, artifact)
}

// open writes what is known of the inside of an event's artifact, unless as much is known already. The artifact is in the database.
func (l *Ledger) open(s *store, e event) (err error) {
	if !e.wentOut {
		return nil
	}
	defer func() {
		if err == nil {
			l.waiting.drop(e.sha256)
		}
	}()
	var artifact int64
	var opened int
	_, err = s.get(context.Background(), `SELECT id, opened FROM artifacts WHERE sha256 = ?`, []any{e.sha256[:]}, &artifact, &opened)
	if err != nil || opened == openedWhole || artifact == 0 {
		return err
	}
	c, whole := l.waiting.get(e.sha256)
	if !whole {
		if c = l.reported(e); c.level < e.contents.level {
			c = e.contents
		}
	}
	if c.level <= opened {
		return nil
	}
	for start := 0; start < len(c.files); start += insideChunk {
		err = s.write(&l.publish, func(w *writing) error {
			for _, f := range c.files[start:min(start+insideChunk, len(c.files))] {
				if err := w.exec(`INSERT OR IGNORE INTO inside VALUES (?, ?, ?)`, f.digest[:], artifact, f.path); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.write(&l.publish, func(w *writing) error {
		return w.exec(`UPDATE artifacts SET opened = max(opened, ?) WHERE id = ?`, c.level, artifact)
	})
}

// reported returns what the whole report that a record names says is inside.
func (l *Ledger) reported(e event) contents {
	if l.options.Report == nil || e.report.IsZero() {
		return contents{}
	}
	report, err := l.options.Report(e.report)
	if err != nil {
		return contents{} // it had to make room: the record's list counts
	}
	return reportedContents(report.Contents)
}
