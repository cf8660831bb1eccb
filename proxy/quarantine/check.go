package quarantine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// ErrCorrupt is returned where the bytes of an item are no longer those that were verified.
var ErrCorrupt = errors.New("the bytes on disk are no longer those that were held")

// check is one hashing of a blob, which all wait for who want the blob meanwhile.
type check struct {
	done chan struct{}
	err  error // of reading; set before done is closed
}

// pin takes a reference to an item whose bytes are those of its digest: they were hashed since Open, and their file
// has kept its size, time of modification and identity since. The error is fs.ErrNotExist where there is no
// such item, ErrCorrupt where there was one until now.
func (v *Vault) pin(d verify.Digest) (*blob, error) {
	v.lock()
	defer v.unlock()
	b := v.blobs[d]
	switch {
	case v.closed:
		return nil, ErrClosed
	case b == nil:
		return nil, fmt.Errorf("item %s: %w", d, fs.ErrNotExist)
	}
	if err := v.hold(b); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			v.lose(b, Unreadable)
		}
		return nil, fmt.Errorf("item %s: %w", d, err)
	}
	if err := v.ensure(b); err != nil {
		v.drop(b)
		return nil, fmt.Errorf("item %s: %w", d, err)
	}
	return b, nil
}

// ensure hashes a blob that somebody has a reference to, unless that was done. It is called under mu, and gives
// mu up while it hashes or waits.
func (v *Vault) ensure(b *blob) error {
	for !b.sound() {
		if b.gone || b.broken.Load() {
			return ErrCorrupt
		}
		c := b.checking
		if c == nil {
			c = &check{done: make(chan struct{})}
			b.checking = c
			v.unlock()
			seen, err := hashFile(b.file, b.digest)
			v.lock()
			v.checked(b, seen, err)
			c.err = err
			b.checking = nil
			close(c.done)
		} else {
			v.unlock()
			<-c.done
			v.lock()
		}
		if c.err != nil {
			return c.err
		}
	}
	if b.broken.Load() {
		return ErrCorrupt
	}
	return nil
}

// checked notes what a hashing found. It is called under mu.
func (v *Vault) checked(b *blob, seen fs.FileInfo, err error) {
	b.seen = seen
	if errors.Is(err, ErrCorrupt) {
		b.broken.Store(true)
		if !b.gone {
			v.lose(b, Corrupt)
		}
	}
}

// sound reports whether the open file of a blob is still what was hashed. It is called under mu.
func (b *blob) sound() bool {
	if b.seen == nil {
		return false
	}
	now, err := b.file.Stat()
	return err == nil && unchanged(b.seen, now)
}

func unchanged(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

var copyBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// hashFile compares a file with its digest, and returns what the file looked like all the while. A file that was
// changed meanwhile is corrupt, whatever its hash.
func hashFile(f *os.File, want verify.Digest) (fs.FileInfo, error) {
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	_, err = io.CopyBuffer(sum, io.NewSectionReader(f, 0, before.Size()), buf[:])
	if err != nil {
		return nil, fmt.Errorf("checking: %w", err)
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if verify.Digest(sum.Sum(nil)) != want || !unchanged(before, after) {
		return nil, ErrCorrupt
	}
	return after, nil
}

// replace puts new bytes, which are sound, in the place of those of old, which are not or not known to be, with all
// that old was settled as. Whoever still holds old reads nothing from it any more. It is called under mu.
func (v *Vault) replace(old, b *blob) error {
	if old.incoming != "" {
		v.after.remove = append(v.after.remove, old.incoming)
	} else if err := v.place(b); err != nil {
		return err
	}
	b.marks, b.used = old.marks, old.used
	old.broken.Store(true)
	v.delist(old)
	return nil
}
