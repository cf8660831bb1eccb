package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// VerifyOptions of Verify. The zero value is good.
type VerifyOptions struct {
	// Key is the log's verifier key from a place that whoever can change the log cannot; "" means key.pub beside it.
	Key string
	// Checkpoint is a signed checkpoint of this log that was kept elsewhere; nil means there is none.
	Checkpoint []byte
	// Progress is called now and then with the bytes of records read and how many there are; nil means it is not.
	Progress func(done, total int64)
}

// Verify reads a whole log and compares it with everything that its key has signed: FORMAT.md, "Verifying". It may
// run while another process writes the log; what that writes meanwhile may be left out. It stops at the first place
// where the records are not what was signed, and names it. The error is about reading, not about the log.
func Verify(ctx context.Context, dir string, o VerifyOptions) (Verification, error) {
	key, err := readVerifier(dir, o.Key)
	if err != nil {
		return Verification{}, err
	}
	c := &checker{ctx: ctx, dir: dir, o: o, key: key}
	c.v.Origin, c.v.Key = key.Name(), fmt.Sprintf("%s+%08x", key.Name(), key.KeyHash())
	if err := c.readMarks(); err != nil {
		return Verification{}, err
	}
	segments, err := listSegments(dir)
	if err != nil {
		return Verification{}, err
	}
	if len(segments) == 0 && len(c.marks) == 0 {
		return Verification{}, fmt.Errorf("verifying the log: no records in %s: %w", dir, fs.ErrNotExist)
	}
	if err := c.run(segments); err != nil {
		return Verification{}, fmt.Errorf("verifying the log: %w", err)
	}
	return c.v, nil
}

// checker verifies one log.
type checker struct {
	ctx   context.Context
	dir   string
	o     VerifyOptions
	key   note.Verifier
	v     Verification
	tree  peaks // of the records that are what was signed
	marks []mark
	cache *hashComparer
	total int64 // bytes of all segments

	reported int64 // bytes that Progress was last told
}

// progressStep is how many bytes lie between two calls of VerifyOptions.Progress.
const progressStep = 1 << 20

// mark is a checkpoint from outside the records' files, to be met on the way.
type mark struct {
	name  string
	tree  tlog.Tree
	given bool // by the caller, not found beside the log
	met   bool
}

// readMarks reads the checkpoint that was kept elsewhere, and the newest one beside the log. That one is read before
// anything else, so that a log being written is never found shorter than it.
func (c *checker) readMarks() error {
	if c.o.Checkpoint != nil {
		c.addMark("the given checkpoint", c.o.Checkpoint, true)
	}
	b, err := c.readNewest()
	if errors.Is(err, fs.ErrNotExist) {
		c.warn("there is no file with the newest checkpoint: a cut end would not be seen")
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	c.addMark("the newest checkpoint beside the log", b, false)
	return nil
}

// readNewest reads the newest checkpoint's file, again where it may have been read while it was replaced in place.
func (c *checker) readNewest() (b []byte, err error) {
	for range 5 {
		if b, err = os.ReadFile(filepath.Join(c.dir, checkpointFile)); err != nil {
			return nil, err
		}
		if _, err := openCheckpoint(b, c.key); err == nil {
			break
		}
	}
	return b, nil
}

func (c *checker) addMark(name string, signed []byte, given bool) {
	tree, err := openCheckpoint(signed, c.key)
	if err != nil {
		c.v.add(Problem{Fault: FaultSignature, Index: -1, Last: -1, Detail: fmt.Sprintf(
			"%s is not one that the key %s has signed (%s)", name, c.v.Key, printable.Text(err.Error(), maxWord))})
		return
	}
	c.marks = append(c.marks, mark{name: name, tree: tree, given: given})
}

func (c *checker) warn(format string, args ...any) {
	c.v.Warnings = append(c.v.Warnings, fmt.Sprintf(format, args...))
}

func (c *checker) run(segments []segment) error {
	var err error
	if c.cache, err = newHashComparer(c.dir); err != nil {
		return err
	}
	defer c.cache.close()
	for _, s := range segments {
		c.total += s.size
	}
	if err := c.meet(c.tree); err != nil {
		return err
	}
	sound := true
	for i, s := range segments {
		if s.first != c.tree.n {
			c.gap(s.first)
			sound = false
			break
		}
		if sound, err = c.segment(s, i == len(segments)-1); err != nil || !sound {
			break
		}
	}
	if err != nil {
		return err
	}
	root, err := c.tree.tree()
	if err != nil {
		return err
	}
	c.v.Records, c.v.Root = root.N, root.Hash
	c.finish(sound)
	return nil
}

func (c *checker) gap(first int64) {
	n := c.tree.n
	p := Problem{Fault: FaultMissing, Index: n, Last: first - 1, Detail: "the file that held them is gone"}
	if first < n {
		p = Problem{Fault: FaultInserted, Index: first, Last: n - 1, Detail: "two files hold records of these numbers"}
	}
	c.v.add(p)
}

// meet compares the checkpoints from outside with the tree when it has their size.
func (c *checker) meet(tree peaks) error {
	for i := range c.marks {
		m := &c.marks[i]
		if m.tree.N != tree.n {
			continue
		}
		is, err := tree.tree()
		if err != nil {
			return err
		}
		m.met = true
		switch {
		case is != m.tree:
			c.v.add(Problem{Fault: FaultFork, Index: 0, Last: max(m.tree.N-1, 0), Detail: fmt.Sprintf(
				"%s was signed over %d other records: the log's past was rewritten by somebody who has its key", m.name, m.tree.N)})
		case m.given:
			n := m.tree.N
			c.v.Extends = &n
		}
	}
	return nil
}

// finish reports the checkpoints that were not met, and what the file of hashes was like.
func (c *checker) finish(sound bool) {
	for _, m := range c.marks {
		if !m.met && sound {
			c.v.add(Problem{Fault: FaultCut, Index: c.tree.n, Last: m.tree.N - 1, Detail: fmt.Sprintf(
				"%s was signed over %d records, but only %d are there", m.name, m.tree.N, c.tree.n)})
		}
	}
	if sound && c.cache.differs {
		c.warn("the file of tree hashes is damaged; without it the next start makes it again")
	}
}

// segment verifies one file of records. It reports false where nothing behind it can be verified any more.
func (c *checker) segment(s segment, last bool) (bool, error) {
	f, err := os.Open(filepath.Join(c.dir, recordsName(s.first)))
	if err != nil {
		return false, err
	}
	defer f.Close()
	values, err := openPersonal(c.dir, s.first, 0)
	if err != nil {
		return false, err
	}
	defer values.close()
	w := segmentWalk{checker: c, in: newLines(f, 0), values: values, last: last}
	for {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		done, sound, err := w.batch()
		if done || err != nil {
			c.v.Bytes += w.in.end
			return sound, err
		}
		if at := c.v.Bytes + w.in.end; c.o.Progress != nil && at >= c.reported+progressStep {
			c.reported = at
			c.o.Progress(at, c.total)
		}
	}
}
