package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// hashComparer compares the file of tree hashes with those that are computed. It is only a cache, so a difference is
// worth a warning; but where records are not what was signed it helps to say which.
type hashComparer struct {
	f       *os.File
	r       *bufio.Reader
	differs bool
}

func newHashComparer(dir string) (*hashComparer, error) {
	f, err := os.Open(filepath.Join(dir, hashesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &hashComparer{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading tree hashes: %w", err)
	}
	return &hashComparer{f: f, r: bufio.NewReaderSize(f, 64<<10)}, nil
}

// compare is given all hashes in the order of tlog.StoredHashIndex.
func (h *hashComparer) compare(hashes []tlog.Hash) {
	for _, want := range hashes {
		if h.r == nil {
			return
		}
		var is tlog.Hash
		if _, err := readFull(h.r, is[:]); err != nil {
			h.r = nil // a shorter file is what a crash may leave
			return
		}
		if is != want {
			h.differs = true
		}
	}
}

func readFull(r *bufio.Reader, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m, err := r.Read(b[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (h *hashComparer) close() {
	if h.f != nil {
		h.f.Close()
	}
}

// diagnose finds out which of the records since the last good checkpoint are not those that were signed by the next
// one. The stored leaf hashes tell, if they themselves lead to the signed root.
func (w *segmentWalk) diagnose(said tlog.Tree, records []read) error {
	first := w.tree.n
	if said.N <= first {
		w.v.add(Problem{Fault: FaultInserted, Index: first, Last: first + max(int64(len(records))-1, 0), ID: idOf(records, 0),
			Detail: fmt.Sprintf("what follows was signed at an earlier place, as ending with record %d", said.N-1)})
		return nil
	}
	stored, ok := w.storedLeaves(said)
	if !ok {
		w.v.add(unlocated(first, said, records))
		return nil
	}
	i := 0
	for i < len(stored) && i < len(records) && stored[i] == records[i].hash {
		i++
	}
	p := Problem{Index: first + int64(i), Last: first + int64(i), ID: idOf(records, i)}
	switch {
	case i == len(records):
		p.Fault, p.Last, p.Detail = FaultMissing, said.N-1, "not there, although a later checkpoint covers them"
	case i == len(stored) || containsHash(records[i+1:], stored[i]) && len(records) > len(stored):
		p.Fault, p.Detail = FaultInserted, "a record stands here that was not signed here"
	case indexOf(stored[i+1:], records[i].hash) >= 0 && len(records) < len(stored):
		missing := indexOf(stored[i+1:], records[i].hash)
		p.Fault, p.Last, p.Detail = FaultMissing, p.Index+int64(missing), "not there; the record in that place was signed as a later one"
	case containsHash(records[i+1:], stored[i]) || indexOf(stored, records[i].hash) >= 0:
		p.Fault, p.Detail = FaultReordered, "the record in this place was signed at another"
	default:
		p.Fault, p.Detail = FaultEdited, "the record is not the one that was signed"
	}
	if i < len(stored) && (p.Fault == FaultMissing || p.Fault == FaultEdited) {
		later, err := w.standsLater(stored[i])
		if err != nil {
			return err
		}
		if later {
			p.Fault, p.Last, p.Detail = FaultReordered, p.Index, "the record that was signed here stands at a later place"
		}
	}
	w.v.add(p)
	return nil
}

// unlocated is the problem where the stored hashes do not help: they are gone, or were changed as well.
func unlocated(first int64, said tlog.Tree, records []read) Problem {
	p := Problem{Fault: FaultEdited, Index: first, Last: said.N - 1, ID: idOf(records, 0), Detail: "not the records that were signed"}
	switch n, want := int64(len(records)), said.N-first; {
	case n < want:
		p.Fault, p.Detail = FaultMissing, fmt.Sprintf("only %d of the %d records that were signed are there", n, want)
	case n > want:
		p.Fault, p.Detail = FaultInserted, fmt.Sprintf("%d records are there, %d were signed", n, want)
	}
	if p.Last > p.Index {
		p.Detail += "; the stored tree hashes were changed or are gone, so which of these is wrong cannot be told"
	}
	return p
}

// storedLeaves returns the stored leaf hashes of the records that a checkpoint adds, if they are what it was signed
// over.
func (w *segmentWalk) storedLeaves(said tlog.Tree) ([]tlog.Hash, bool) {
	if w.cache.f == nil || said.N-w.tree.n > maxUnsigned {
		return nil, false
	}
	tree := w.tree
	var leaves []tlog.Hash
	for n := tree.n; n < said.N; n++ {
		h, ok := storedHashes{w.cache.f}.leaf(n)
		if !ok {
			return nil, false
		}
		if _, err := tree.add(h); err != nil {
			return nil, false
		}
		leaves = append(leaves, h)
	}
	is, err := tree.tree()
	return leaves, err == nil && is == said
}

// standsLater looks for a record in the rest of the file.
func (w *segmentWalk) standsLater(leaf tlog.Hash) (bool, error) {
	for {
		if err := w.ctx.Err(); err != nil {
			return false, err
		}
		line, err := w.in.next()
		if err != nil {
			return false, nil
		}
		if h := tlog.RecordHash(line); bytes.Equal(h[:], leaf[:]) {
			return true, nil
		}
	}
}

func idOf(records []read, i int) string {
	if i < len(records) {
		return records[i].id
	}
	return ""
}

func indexOf(hashes []tlog.Hash, h tlog.Hash) int {
	for i := range hashes {
		if hashes[i] == h {
			return i
		}
	}
	return -1
}

func containsHash(records []read, h tlog.Hash) bool {
	for i := range records {
		if records[i].hash == h {
			return true
		}
	}
	return false
}
