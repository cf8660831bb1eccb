package quarantine

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/sallyport-project/sallyport/verify"
)

// Item is a complete download in custody, held by a reference that must be closed. Several Items may stand for the same bytes.
type Item struct {
	SHA256 verify.Digest
	Size   int64

	vault  *Vault
	blob   *blob
	file   *os.File
	closed atomic.Bool
}

// item makes an Item of a reference that was taken. It is called under mu.
func (v *Vault) item(b *blob) *Item {
	return &Item{SHA256: b.digest, Size: b.size, vault: v, blob: b, file: b.file}
}

// Content gives the bytes to those who examine them (not to clients). It may be read by several goroutines at once,
// until the Item is closed.
func (i *Item) Content() io.ReaderAt {
	return io.NewSectionReader(guarded{i.blob, i.file}, 0, i.blob.size)
}

// Close gives up the reference. An item that was never settled is removed with its last reference.
func (i *Item) Close() error {
	if !i.closed.Swap(true) {
		i.vault.unpin(i.blob)
	}
	return nil
}

// Open returns an artifact that is in the vault, in whatever state: for examining it again. The first time since the
// vault was opened, it returns when the bytes have been hashed. The error is fs.ErrNotExist where there is no
// such item, ErrCorrupt where it has just been lost.
func (v *Vault) Open(d verify.Digest) (*Item, error) {
	b, err := v.pin(d)
	if err != nil {
		return nil, fmt.Errorf("opening from the vault: %w", err)
	}
	v.lock()
	defer v.unlock()
	v.touch(b)
	return v.item(b), nil
}

// Get is Open for those who fetch the item again whatever the reason is that it cannot be had.
func (v *Vault) Get(d verify.Digest) (*Item, bool) {
	i, err := v.Open(d)
	return i, err == nil
}

// guarded reads a blob's file for as long as its bytes are trusted to be those of its digest.
type guarded struct {
	blob *blob
	file *os.File
}

// ReadAt implements io.ReaderAt.
func (g guarded) ReadAt(p []byte, off int64) (int, error) {
	if g.blob.broken.Load() {
		return 0, ErrCorrupt
	}
	return g.file.ReadAt(p, off)
}
