package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// recovery finds the tail of a log that was left behind, in whatever way, and cuts off what was being written.
//
// Only one batch is ever on its way: a batch is written when the one before it is synced. So behind the last batch
// that is whole there may be the torn rest of one more, and nothing else; more than that was changed by somebody.
type recovery struct {
	dir      string
	verifier note.Verifier
	hashes   *os.File
	notes    []string
}

// report says in words what was repaired.
func (r *recovery) report() string { return strings.Join(r.notes, "; ") }

func (r *recovery) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// run returns the tail. Its size is 0 where no segment is left: the log is new.
func (r *recovery) run(segments []segment) (tail, error) {
	segments, err := r.dropTornSegment(segments)
	if err != nil {
		return tail{}, err
	}
	published, err := r.published()
	if err != nil {
		return tail{}, err
	}
	if len(segments) == 0 {
		if published.N > 0 {
			return tail{}, fmt.Errorf("%w: its records are gone, %d were published", ErrBroken, published.N)
		}
		return tail{tree: &peaks{}}, nil
	}
	if r.hashes, err = os.OpenFile(filepath.Join(r.dir, hashesFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return tail{}, fmt.Errorf("opening tree hashes: %w", err)
	}
	defer r.hashes.Close()
	t, err := r.last(segments)
	if err != nil {
		return tail{}, err
	}
	if err := r.compare(t, published); err != nil {
		return tail{}, err
	}
	if err := r.cut(&t, segments[len(segments)-1]); err != nil {
		return tail{}, err
	}
	for _, s := range segments[:len(segments)-1] {
		personal, err := fileSize(r.dir, personalName(s.first))
		if err != nil {
			return tail{}, err
		}
		t.closed += s.size + personal
	}
	return t, nil
}

// dropTornSegment removes a last segment of which not even the first line was written.
func (r *recovery) dropTornSegment(segments []segment) ([]segment, error) {
	if len(segments) == 0 {
		return nil, nil
	}
	s := segments[len(segments)-1]
	path := filepath.Join(r.dir, recordsName(s.first))
	if s.size >= 2*maxCheckpoint {
		return segments, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the last segment: %w", err)
	}
	if bytes.IndexByte(b, '\n') >= 0 {
		return segments, nil
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("removing a segment that was not begun: %w", err)
	}
	r.note("%s had only begun and was removed (%d bytes, no record)", filepath.Base(path), len(b))
	return segments[:len(segments)-1], nil
}

// published reads the newest checkpoint's file. One that cannot be read counts as none: it may have been torn.
func (r *recovery) published() (tlog.Tree, error) {
	b, err := os.ReadFile(filepath.Join(r.dir, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return tlog.Tree{}, nil
	}
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	tree, err := openCheckpoint(b, r.verifier)
	if err != nil {
		r.note("the newest checkpoint's file was not readable and was made again (%v)", err)
		return tlog.Tree{}, nil
	}
	return tree, nil
}

// last reads the last segment to the end of its last whole batch.
func (r *recovery) last(segments []segment) (tail, error) {
	s := segments[len(segments)-1]
	p, err := storedHashes{r.hashes}.peaks(s.first)
	if err == nil {
		t, err := r.scan(s, p)
		if err == nil || !errors.Is(err, errStart) {
			return t, err
		}
	}
	// The stored hashes are not those that the segment began with: make them again, from the first record on.
	r.note("the tree hashes were made again from the records")
	p = &peaks{}
	for i, s := range segments {
		if s.first != p.n {
			return tail{}, fmt.Errorf("%w: records %d to %d are missing, with their file", ErrBroken, p.n, s.first-1)
		}
		t, err := r.scan(s, p)
		if err != nil {
			if errors.Is(err, errStart) {
				err = fmt.Errorf("%w: record %d or one before it was changed", ErrBroken, s.first)
			}
			return tail{}, err
		}
		if i == len(segments)-1 {
			return t, nil
		}
		if t.size != s.size {
			return tail{}, fmt.Errorf("%w: record %d or one soon after it was changed", ErrBroken, t.tree.n)
		}
		p = t.tree
	}
	return tail{}, fmt.Errorf("%w: it has no segment", ErrBroken)
}

// errStart means that a segment does not begin with the checkpoint of the tree that it was to be added to.
var errStart = errors.New("the segment begins with another tree")

// scan reads a segment that goes on from the tree p, and stores the hashes of each batch that is what was signed.
func (r *recovery) scan(s segment, p *peaks) (tail, error) {
	f, err := os.Open(filepath.Join(r.dir, recordsName(s.first)))
	if err != nil {
		return tail{}, fmt.Errorf("reading records: %w", err)
	}
	defer f.Close()
	t := tail{segment: s.first}
	tree := *p
	in := newLines(f, 0)
	var hashes, record []byte
	for {
		line, err := in.next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, errTorn) || errors.Is(err, errTooLong):
			return r.begun(t)
		case err != nil:
			return tail{}, fmt.Errorf("reading records: %w", err)
		case !isCheckpointLine(line):
			added, err := tree.add(tlog.RecordHash(line))
			if err != nil {
				return tail{}, err
			}
			for _, h := range added {
				hashes = append(hashes, h[:]...)
			}
			if t.size == 0 || len(hashes) > maxUnsigned*2*tlog.HashSize {
				return r.begun(t)
			}
			record = append(record[:0], line...)
			continue
		}
		signed, ok := checkLine(line, r.verifier, &tree)
		if !ok {
			return r.begun(t)
		}
		if t.tree != nil {
			if _, err := r.hashes.WriteAt(hashes, tlog.StoredHashCount(t.tree.n)*tlog.HashSize); err != nil {
				return tail{}, fmt.Errorf("writing tree hashes: %w", err)
			}
		}
		whole := tree
		t.size, t.tree, t.signed = in.end, &whole, signed
		hashes = hashes[:0]
		if l, err := decodeLeaf(record); err == nil {
			t.lastID = l.ID
		}
	}
}

// maxUnsigned is how many records may follow each other without a checkpoint; Append signs one with every 1,024.
const maxUnsigned = 1 << 16

func (r *recovery) begun(t tail) (tail, error) {
	if t.tree == nil {
		return tail{}, errStart
	}
	return t, nil
}

// compare holds what was found against the newest checkpoint that was published, and against what follows it.
func (r *recovery) compare(t tail, published tlog.Tree) error {
	if published.N > t.tree.n {
		return fmt.Errorf("%w: only %d records are whole, %d were published", ErrBroken, t.tree.n, published.N)
	}
	root, err := tlog.TreeHash(published.N, storedHashes{r.hashes})
	if err != nil {
		return err
	}
	if published.N > 0 && root != published.Hash {
		return fmt.Errorf("%w: its first %d records are not those that were published", ErrBroken, published.N)
	}
	return nil
}

// cut removes what follows the last whole batch, if it can be one torn batch.
func (r *recovery) cut(t *tail, s segment) error {
	name := recordsName(s.first)
	if t.size < s.size {
		if err := r.examineTorn(name, t.size, s.size, t.tree.n); err != nil {
			return err
		}
		if err := truncate(filepath.Join(r.dir, name), t.size); err != nil {
			return err
		}
	}
	var err error
	if t.personal, err = r.cutPersonal(t.segment, t.tree.n); err != nil {
		return err
	}
	if err := r.hashes.Truncate(tlog.StoredHashCount(t.tree.n) * tlog.HashSize); err != nil {
		return fmt.Errorf("repairing tree hashes: %w", err)
	}
	return nil
}

// examineTorn makes sure that the rest of a segment can be one torn batch, and notes what it holds.
func (r *recovery) examineTorn(name string, from, size, first int64) error {
	f, err := os.Open(filepath.Join(r.dir, name))
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	defer f.Close()
	in := newLines(io.NewSectionReader(f, from, size-from), from)
	var records []string
	for {
		line, err := in.next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, errTorn) && !errors.Is(err, errTooLong) {
				return fmt.Errorf("reading records: %w", err)
			}
			break
		}
		if isCheckpointLine(line) && in.end < size {
			return fmt.Errorf("%w: record %d or one soon after it was changed (%s, from byte %d)", ErrBroken, first, name, from)
		}
		if l, err := decodeLeaf(line); err == nil && len(records) < 8 && validID(l.ID) {
			records = append(records, l.ID)
		}
	}
	what := "no whole record"
	if len(records) > 0 {
		what = "unacknowledged records " + strings.Join(records, ", ")
	}
	r.note("the torn end of %s was cut off (%d bytes from byte %d: %s)", name, size-from, from, what)
	return nil
}

// cutPersonal removes the personal values of records that the log does not have, and a torn end.
func (r *recovery) cutPersonal(first, records int64) (int64, error) {
	path := filepath.Join(r.dir, personalName(first))
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading personal values: %w", err)
	}
	defer f.Close()
	in := newLines(f, 0)
	var whole int64 // behind the last line that can be read
	for {
		line, err := in.next()
		if err == nil {
			p, err := decodePersonal(line)
			if err != nil {
				continue
			}
			if p == nil || p.N < records {
				whole = in.end
				continue
			}
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, errTorn) && !errors.Is(err, errTooLong) {
			return 0, fmt.Errorf("reading personal values: %w", err)
		}
		break
	}
	info, err := f.Stat()
	if err != nil || info.Size() == whole {
		return whole, err
	}
	return whole, truncate(path, whole)
}

func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("repairing the log: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("repairing the log: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("repairing the log: %w", err)
	}
	return f.Close()
}
