package quarantine

import (
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
)

// land makes a complete download an item. Where the vault has the same bytes already and has found them sound, those
// are used and the new ones dropped; bytes that were not checked since Open give way to the new ones, whose hash has
// just been computed.
func (t *transfer) land(d verify.Digest) (*Item, error) {
	seen, err := t.file.Stat()
	if err != nil {
		return nil, err
	}
	if seen.Size() != t.received {
		return nil, fmt.Errorf("%d bytes were written and %d are on disk", t.received, seen.Size())
	}
	v := t.vault
	v.lock()
	defer v.unlock()
	if v.closed {
		return nil, ErrClosed
	}
	old := v.blobs[d]
	if old != nil && v.hold(old) == nil {
		if old.sound() {
			t.partial.file.Store(old.file)
			t.end()
			t.file.Close()
			v.after.remove = append(v.after.remove, t.file.Name())
			v.touch(old)
			return v.item(old), nil
		}
		v.drop(old)
	}
	t.end()
	b := &blob{digest: d, size: t.received, incoming: t.file.Name(), file: t.file, seen: seen, refs: 1}
	if old != nil && !old.gone {
		if err := v.replace(old, b); err != nil {
			t.file.Close()
			v.after.remove = append(v.after.remove, t.file.Name())
			return nil, err
		}
	}
	if len(b.marks) == 0 {
		b.owned, b.owner = true, t.client
		v.share(b.owner, b.size)
	}
	v.enlist(b)
	return v.item(b), nil
}

// end gives back what was reserved, once the download's bytes count as a blob or not at all. It is called under mu.
func (t *transfer) end() {
	t.over = true
	t.vault.unreserve(t.client, t.reserved, t.reserved-t.written)
}
