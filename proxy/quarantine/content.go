package quarantine

import (
	"io"
	"sync/atomic"

	"github.com/sallyport-project/sallyport/verify"
)

// Content is a released artifact: the only thing that is served as an update. It keeps the bytes from being evicted
// until it is closed.
type Content struct {
	vault  *Vault
	blob   *blob
	bytes  io.ReaderAt
	closed atomic.Bool
}

// content makes Content of a reference that was taken. It is called under mu.
func (v *Vault) content(b *blob) *Content {
	v.touch(b)
	return &Content{vault: v, blob: b, bytes: guarded{b, b.file}}
}

// Released returns an item that is released on a scope, for serving it again; whether it may be served now is the
// policy's to say. The first time since the vault was opened, it returns when the bytes have been hashed.
func (v *Vault) Released(d verify.Digest, scope string) (*Content, bool) {
	v.lock()
	b := v.blobs[d]
	known := b != nil && b.marks.on(scope) == Released
	v.unlock()
	if !known {
		return nil, false
	}
	b, err := v.pin(d)
	if err != nil {
		return nil, false
	}
	v.lock()
	defer v.unlock()
	if b.marks.on(scope) != Released {
		v.drop(b)
		return nil, false
	}
	return v.content(b), true
}

// Size returns the number of bytes.
func (c *Content) Size() int64 { return c.blob.size }

// SHA256 returns the digest.
func (c *Content) SHA256() verify.Digest { return c.blob.digest }

// Close gives up the reference. Readers that are open go on.
func (c *Content) Close() error {
	if !c.closed.Swap(true) {
		c.vault.unpin(c.blob)
	}
	return nil
}

// Reader returns a reader of its own over the verified bytes; it is to be closed. It is for one goroutine.
// The error is ErrClosed once the Content is closed. Reading fails with ErrCorrupt if the bytes are found
// to have changed.
func (c *Content) Reader() (io.ReadSeekCloser, error) {
	c.vault.lock()
	defer c.vault.unlock()
	if c.closed.Load() {
		return nil, ErrClosed
	}
	c.blob.refs++
	return &reader{SectionReader: io.NewSectionReader(c.bytes, 0, c.blob.size), content: c}, nil
}

// reader is one reading of Content, with a reference of its own.
type reader struct {
	*io.SectionReader
	content *Content
	closed  atomic.Bool
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if !r.closed.Swap(true) {
		r.content.vault.unpin(r.content.blob)
	}
	return nil
}
