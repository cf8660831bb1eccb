package unpack

import (
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
)

// maxStructureNotes bounds what is said about the structure of one container.
const maxStructureNotes = 32

// structureNotes collects findings about the structure of one container.
type structureNotes struct {
	method string
	found  []verify.Finding
	more   int // that were left out
}

// add adds a finding; code is without the method, detail made as by fmt.Sprintf. Of too many those that are Invalid
// first are kept.
func (n *structureNotes) add(status verify.Status, code, subject, format string, args ...any) {
	f := verify.Finding{Method: n.method, Status: status, Code: n.method + "/" + code, Subject: subject, Detail: fmt.Sprintf(format, args...)}
	if len(n.found) < maxStructureNotes {
		n.found = append(n.found, f)
		return
	}
	n.more++
	if status != verify.Invalid {
		return
	}
	for i := range n.found {
		if n.found[i].Status != verify.Invalid {
			n.found[i] = f
			return
		}
	}
}

// findings returns what was collected.
func (n *structureNotes) findings() []verify.Finding {
	if n.more > 0 {
		n.found[len(n.found)-1].Detail += fmt.Sprintf(" (%d more are left out.)", n.more)
	}
	return n.found
}

// maxIdleZeros is how many zero bytes that no structure owns are taken for alignment or padding.
const maxIdleZeros = 4096

// unowned says what bytes are that no structure owns: a few zeros are harmless, anything else is Invalid.
func (n *structureNotes) unowned(r io.ReaderAt, from, to int64, code, what string) error {
	if size := to - from; size <= maxIdleZeros {
		b := make([]byte, size)
		if err := readFull(r, b, from); err != nil {
			return err
		}
		if allZeroBytes(b) {
			n.add(verify.Valid, "padding", "", "%d zero bytes at byte %d %s.", size, from, what)
			return nil
		}
	}
	n.add(verify.Invalid, code, "", "%d bytes at byte %d %s; nothing unpacks them.", to-from, from, what)
	return nil
}

func allZeroBytes(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// readFull fills b from r at offset off. Where r ends early, the caller was told a wrong size.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)
}
