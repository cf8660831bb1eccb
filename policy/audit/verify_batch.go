package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// segmentWalk verifies the batches of one file of records.
type segmentWalk struct {
	*checker
	in     *lines
	values *personalReader
	last   bool // no segment follows
	begun  bool // its first checkpoint has been seen
}

// read is a record that was read and not yet compared with a checkpoint.
type read struct {
	hash    tlog.Hash
	id      string
	client  *leafClient
	request *leafRequest
}

// batch verifies the records up to the next checkpoint. It reports done at the end of the file, and sound where all
// before was what was signed.
func (w *segmentWalk) batch() (done, sound bool, err error) {
	var records []read
	next := w.tree
	start := w.in.end
	for {
		line, err := w.in.next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, errTorn) || errors.Is(err, errTooLong):
			return true, w.end(start, records, err), nil
		case err != nil:
			return true, false, err
		case isCheckpointLine(line):
			sound, err := w.checkpoint(line, &next, records)
			return !sound, sound, err
		case len(records) >= maxUnsigned:
			w.v.add(Problem{Fault: FaultSignature, Index: w.tree.n, Last: next.n, Detail: fmt.Sprintf(
				"there is no checkpoint in over %d records", maxUnsigned)})
			return true, false, nil
		}
		if !w.begun {
			w.v.add(Problem{Fault: FaultSignature, Index: next.n, Last: next.n, Detail: "the file does not begin with a checkpoint"})
			return true, false, nil
		}
		r := readLeaf(line)
		records = append(records, r)
		if _, err := next.add(r.hash); err != nil {
			return true, false, err
		}
	}
}

func readLeaf(line []byte) read {
	r := read{hash: tlog.RecordHash(line)}
	var l struct {
		ID      string       `json:"id"`
		Client  *leafClient  `json:"client"`
		Request *leafRequest `json:"request"`
	}
	if err := json.Unmarshal(line, &l); err == nil {
		r.id, r.client, r.request = printable.Text(l.ID, 64), l.Client, l.Request
	}
	return r
}

// end judges what follows the last checkpoint of a file: in the last file it is being written, or torn, and that file
// may have no whole line yet.
func (w *segmentWalk) end(start int64, records []read, err error) bool {
	rest := w.in.start + int64(len(w.in.buf)) - start
	if w.last && (w.begun || w.in.end == 0) && !errors.Is(err, errTooLong) {
		w.v.Pending = rest
		return true
	}
	if !w.begun || rest > 0 || !errors.Is(err, io.EOF) {
		w.v.add(Problem{Fault: FaultSignature, Index: w.tree.n, Last: w.tree.n + max(int64(len(records))-1, 0),
			Detail: "the file does not end with a checkpoint"})
		return false
	}
	return true
}

// checkpoint compares the records since the last checkpoint with the one that closes them.
func (w *segmentWalk) checkpoint(line []byte, next *peaks, records []read) (sound bool, err error) {
	is, err := next.tree()
	if err != nil {
		return false, err
	}
	signed, err := parseCheckpointLine(line)
	var said tlog.Tree
	if err == nil {
		said, err = openCheckpoint(signed, w.key)
	}
	if err != nil {
		p := Problem{Fault: FaultSignature, Index: w.tree.n, Last: max(next.n-1, w.tree.n), Detail: fmt.Sprintf(
			"the checkpoint behind them is not one that the key %s has signed (%s)", w.v.Key, printable.Text(err.Error(), maxWord))}
		if len(records) > 0 {
			p.ID = records[0].id
		}
		w.v.add(p)
		return false, nil
	}
	w.v.Checkpoints++
	if said != is {
		return false, w.diagnose(said, records)
	}
	w.begun = true
	return true, w.accept(records)
}

// accept takes records into the tree that are what was signed, and looks at their personal values.
func (w *segmentWalk) accept(records []read) error {
	for _, r := range records {
		n := w.tree.n
		hashes, err := w.tree.add(r.hash)
		if err != nil {
			return err
		}
		w.cache.compare(hashes)
		if err := w.checkPersonal(n, r); err != nil {
			return err
		}
		if err := w.meet(w.tree); err != nil {
			return err
		}
	}
	return nil
}

// checkPersonal compares the personal values of record n with their commitments.
func (w *segmentWalk) checkPersonal(n int64, r read) error {
	p, err := w.values.find(n)
	if errors.Is(err, errPersonal) {
		w.v.add(Problem{Fault: FaultPersonal, Index: -1, Last: -1, Detail: fmt.Sprintf(
			"%s cannot be read at byte %d", w.values.name, w.values.in.start)})
		w.values.close()
	} else if err != nil {
		return err
	}
	joined := leaf{Client: r.client, Request: r.request}.join(p)
	w.v.Deleted += int64(len(joined.Deleted))
	for _, name := range joined.Altered {
		w.v.add(Problem{Fault: FaultPersonal, Index: n, Last: n, ID: r.id, Detail: "the value of " + name + " is not the one that was recorded"})
	}
	return nil
}
