package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Sizes of inner files, in bytes.
const (
	unsized  = 1 << 20 // of memory for a file whose size its container does not say
	inMemory = 8 << 20 // up to which every file is kept until it was looked at, whatever it looks like, in memory if there is room
)

// taken is an inner file that can be read at any place, in memory or in a file without a name.
type taken struct {
	Artifact
	release func()
}

// take makes an entry's bytes readable at any place, or nil where they only had to be counted and hashed: large data
// that is neither run nor opened nor signed.
func (w *walk) take(ctx context.Context, e Entry, n *node) (*taken, error) {
	t := &taken{Artifact: Artifact{Name: e.Name, Inner: true}, release: func() {}}
	if e.Content != nil {
		if e.Size < 0 {
			return nil, fmt.Errorf("%s was offered in place, without its size", n.path)
		}
		if err := w.count(e.Size); err != nil {
			return nil, err
		}
		t.Content, t.Size = e.Content, e.Size
		head := make([]byte, min(SniffLen, max(0, e.Size)))
		if k, err := e.Content.ReadAt(head, 0); k < len(head) {
			return nil, fmt.Errorf("reading %s: %w", n.path, err)
		}
		t.Format = e.sniff(head)
		return t, nil
	}
	r := &metered{from: e.Reader, walk: w, ctx: ctx}
	err := w.spool(t, e, r, n)
	if err == nil && e.Size >= 0 && r.n != e.Size {
		n.findings = append(n.findings, Finding{Subject: n.path, Method: unpackMethod, Status: Invalid, Code: unpackMethod + "/size-mismatch",
			Detail: fmt.Sprintf("The container says that it has %d bytes; it has %d.", e.Size, r.n)})
	}
	if err == nil {
		if t.Content == nil {
			return nil, nil
		}
		return t, nil
	}
	t.release()
	if errors.Is(err, ErrBroken) {
		n.findings = append(n.findings, Finding{Subject: n.path, Method: unpackMethod, Status: Invalid, Code: unpackMethod + "/broken", Detail: sentenceOf(err)})
		w.countUnread()
		return nil, nil
	}
	return nil, err
}

// sniff tells the entry's format.
func (e *Entry) sniff(head []byte) Format {
	f := Sniff(head, e.Name)
	if e.Format != "" && !f.Executable() && !f.Container() {
		return e.Format
	}
	return f
}

// spool reads an entry to memory, to a file, or only through the hash, and finds out its format.
func (w *walk) spool(t *taken, e Entry, r *metered, n *node) error {
	room := w.reserve(e.Size)
	k := newKept(max(room, SniffLen))
	free := func() {
		k.release()
		w.unreserve(room)
	}
	ended, err := k.fill(r)
	t.Format = e.sniff(k.data[:min(SniffLen, len(k.data))])
	if err == nil && ended {
		t.Content, t.Size, t.release = k, int64(len(k.data)), free
		return nil
	}
	defer free()
	switch {
	case err != nil:
		return err
	case e.Size > inMemory && t.Format == "" && w.visit == nil: // whatever else is kept in memory now
		return w.hashOnly(k.data, r, n)
	}
	return w.spoolFile(t, k.data, r)
}

// hashOnly reads the rest of an entry for its digest and keeps none of it.
func (w *walk) hashOnly(head []byte, r io.Reader, n *node) error {
	h := sha256.New()
	h.Write(head)
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	rest, err := io.CopyBuffer(h, r, buf[:])
	n.inner = Inner{Path: n.path, Size: int64(len(head)) + rest, SHA256: Digest(h.Sum(nil))}
	return err
}

// spoolFile reads the rest of an entry to a file that has no name, so that nothing is left over whatever happens.
func (w *walk) spoolFile(t *taken, head []byte, r io.Reader) error {
	f, err := os.CreateTemp(w.limits.Dir, "inside-*")
	if err != nil {
		return fmt.Errorf("making room for an inner file: %w", err)
	}
	os.Remove(f.Name())
	t.release = func() { f.Close() }
	if _, err := f.Write(head); err != nil {
		return fmt.Errorf("keeping an inner file: %w", err)
	}
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	rest, err := io.CopyBuffer(struct{ io.Writer }{f}, r, buf[:])
	t.Content, t.Size = f, int64(len(head))+rest
	return err
}

// reserve returns how many bytes of memory an entry of the declared size may use, 0 if it has to go to a file.
func (w *walk) reserve(size int64) int64 {
	if size < 0 {
		size = unsized
	}
	if size > inMemory {
		return 0
	}
	size = keptSize(keptClass(size + 1)) // the byte more shows that the entry ends where it should
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.memory+size > w.limits.Memory {
		return 0
	}
	w.memory += size
	return size
}

func (w *walk) unreserve(size int64) {
	w.mu.Lock()
	w.memory -= size
	w.mu.Unlock()
}

// count counts unpacked bytes.
func (w *walk) count(n int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.contents.Bytes += n
	if w.contents.Bytes > w.limits.Bytes {
		return tooMuch("it holds more than %d bytes, unpacked", w.limits.Bytes)
	}
	return nil
}

// metered counts what is unpacked, and ends where it is too much or takes too long.
type metered struct {
	from io.Reader
	walk *walk
	ctx  context.Context
	n    int64
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	k, err := m.from.Read(p)
	m.n += int64(k)
	if over := m.walk.count(int64(k)); over != nil {
		return k, over
	}
	return k, err
}

// chunk is how many bytes are hashed at once: several functions pass over them while they are in the processor's cache.
const chunk = 64 << 10

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// digest computes what the verifiers want to have been computed on the way, and SHA-256.
func (w *walk) digest(ctx context.Context, a *Artifact) error {
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	h := sha256.New()
	var tap Tap
	for at := int64(0); at == 0 || at < a.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(chunk, a.Size-at)]
		if k, err := a.Content.ReadAt(part, at); k < len(part) {
			return cmp.Or(err, io.ErrUnexpectedEOF)
		}
		if at == 0 {
			tap = w.examiner.Tap(part[:min(SniffLen, len(part))])
		}
		h.Write(part)
		if tap != nil {
			tap.Write(part)
		}
		if at += int64(len(part)); len(part) == 0 {
			break
		}
	}
	a.Digests.SHA256 = Digest(h.Sum(nil))
	if tap != nil {
		a.Digests.Taps = map[string][]byte{}
		tap.Sum(a.Digests.Taps)
	}
	return nil
}
