package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// Sizes of inner files, in bytes.
const (
	smallFile = 1 << 20 // up to which every file is kept until it was looked at, whatever it looks like
	inMemory  = 8 << 20 // up to which a file may be kept in memory
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
		t.Format = Sniff(head, e.Name)
		return t, nil
	}
	r := &metered{from: e.Reader, walk: w, ctx: ctx}
	head := make([]byte, SniffLen)
	k, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	head = head[:k]
	t.Format = Sniff(head, e.Name)
	if err == nil {
		err = w.spool(t, e, head, r, n)
	}
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

// spool reads the rest of an entry to memory, to a file, or only through the hash.
func (w *walk) spool(t *taken, e Entry, head []byte, r *metered, n *node) error {
	small := len(head) < SniffLen
	if room := w.reserve(e.Size); room > 0 && !small {
		buf := bytes.NewBuffer(make([]byte, 0, room))
		buf.Write(head)
		_, err := io.Copy(buf, io.LimitReader(r, room-int64(len(head))))
		t.Content, t.Size, t.release = bytes.NewReader(buf.Bytes()), int64(buf.Len()), func() { w.unreserve(room) }
		if err != nil {
			return err
		}
		var one [1]byte
		if k, err := io.ReadFull(r, one[:]); k == 0 {
			if err == io.EOF {
				err = nil
			}
			return err
		}
		// It is longer than it said.
		t.release()
		return w.spoolFile(t, append(buf.Bytes(), one[0]), r)
	}
	if small {
		t.Content, t.Size = bytes.NewReader(head), int64(len(head))
		return nil
	}
	if e.Size > smallFile && t.Format == "" {
		h := sha256.New()
		h.Write(head)
		rest, err := io.Copy(h, r)
		n.inner = Inner{Path: n.path, Size: int64(len(head)) + rest, SHA256: Digest(h.Sum(nil))}
		return err
	}
	return w.spoolFile(t, head, r)
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
	rest, err := io.Copy(f, r)
	t.Content, t.Size = f, int64(len(head))+rest
	return err
}

// reserve returns how many bytes of memory an entry of the declared size may use, 0 if it has to go to a file.
func (w *walk) reserve(size int64) int64 {
	if size < 0 {
		size = smallFile
	}
	if size > inMemory {
		return 0
	}
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

// digest computes what the verifiers want to have been computed on the way, and SHA-256.
func (w *walk) digest(ctx context.Context, a *Artifact) error {
	head := make([]byte, min(SniffLen, a.Size))
	if k, err := a.Content.ReadAt(head, 0); k < len(head) {
		return err
	}
	h := sha256.New()
	tap := w.examiner.Tap(head)
	buf := make([]byte, min(64<<10, max(a.Size, 1)))
	for at := int64(0); at < a.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := a.Content.ReadAt(buf[:min(int64(len(buf)), a.Size-at)], at)
		if k == 0 && err != nil {
			return err
		}
		h.Write(buf[:k])
		if tap != nil {
			tap.Write(buf[:k])
		}
		at += int64(k)
	}
	a.Digests.SHA256 = Digest(h.Sum(nil))
	if tap != nil {
		a.Digests.Taps = map[string][]byte{}
		tap.Sum(a.Digests.Taps)
	}
	return nil
}
