package quarantine

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

// Cause is why an item left the vault.
type Cause string

const (
	Evicted     Cause = "quota"            // the least recently used, to make room
	Displaced   Cause = "quarantine-quota" // quarantined, to make room for newer ones, or itself without room
	Corrupt     Cause = "corrupt"          // its bytes are no longer what they were
	Unreadable  Cause = "unreadable"       // its file is missing
	Unexplained Cause = "unexplained"      // its state file is damaged
)

// Loss tells of an item that left the vault without anybody having asked for it.
type Loss struct {
	SHA256 verify.Digest
	Size   int64 // bytes
	State  State // Quarantined where evidence is lost, Released where it can be fetched again
	Cause  Cause
}

// lose removes a blob, and says so. It is called under mu.
func (v *Vault) lose(b *blob, cause Cause) {
	v.after.losses = append(v.after.losses, Loss{SHA256: b.digest, Size: b.size, State: b.state, Cause: cause})
	v.count(cause)
	v.remove(b)
}

func (v *Vault) count(cause Cause) {
	switch cause {
	case Evicted:
		v.counts.Evicted++
	case Displaced:
		v.counts.Displaced++
	default:
		v.counts.Broken++
	}
}

// remove takes a blob out of the vault and its names out of the directory: first the state, so that nothing ever
// speaks of bytes that are not there. The space is given back once mu is released, or with the last reference.
// It is called under mu.
func (v *Vault) remove(b *blob) {
	if b.gone {
		return
	}
	v.delist(b)
	if v.closed {
		return // the directory may be somebody else's by now
	}
	v.after.forget = append(v.after.forget, b.digest)
	if b.incoming != "" {
		v.after.remove = append(v.after.remove, b.incoming)
		return
	}
	os.Remove(v.paths.state(b.digest)) // left behind, it speaks of bytes that are not there, and Open removes it
	v.after.remove = append(v.after.remove, v.moveOut(v.path(b)))
}

// moveOut renames a file to where nothing looks for it, so that it can be removed at leisure, and returns its new
// name. It is called under mu.
func (v *Vault) moveOut(path string) string {
	v.serial++
	to := filepath.Join(v.paths.incoming(), fmt.Sprintf("removed-%d", v.serial))
	if os.Rename(path, to) != nil {
		os.Remove(path)
	}
	return to
}

// makeRoom evicts released items that nobody reads, least recently used first, until n more bytes in so many more
// items fit the quota and leave MinFree on the file system. Where that cannot be, nothing is evicted. It is called
// under mu.
func (v *Vault) makeRoom(n int64, items int) error {
	over := v.total + n - v.options.Quota
	if v.options.MinFree > 0 {
		if free, known := v.free(); known {
			over = max(over, n+v.unwritten.Load()+v.options.MinFree-free)
		}
	}
	victims, enough := v.victims(Released, over, len(v.blobs)+v.coming.items+items-v.options.Items)
	if !enough {
		return ErrFull
	}
	for _, b := range victims {
		v.lose(b, Evicted)
	}
	return nil
}

// victims returns the first blobs of a category that together are so many bytes and items and can go, and whether
// there are enough. It is called under mu.
func (v *Vault) victims(s State, bytes int64, items int) (out []*blob, enough bool) {
	for e := v.line[s].Front(); e != nil && (bytes > 0 || items > 0); e = e.Next() {
		if b := e.Value.(*blob); b.refs == 0 {
			out = append(out, b)
			bytes -= b.size
			items--
		}
	}
	return out, bytes <= 0 && items <= 0
}

// makeQuarantineRoom drops the oldest evidence until one more item of n bytes fits the quarantine's quota and a
// quarter of the number of items, and reports whether it does. It is called under mu.
func (v *Vault) makeQuarantineRoom(n int64) bool {
	l := &v.line[Quarantined]
	over := l.bytes + v.moving.bytes + n - v.options.QuarantineQuota
	surplus := l.Len() + v.moving.items + 1 - v.options.maxQuarantined()
	victims, enough := v.victims(Quarantined, over, surplus)
	if !enough {
		return false
	}
	for _, b := range victims {
		v.lose(b, Displaced)
	}
	return true
}

// trim brings a vault that was filled under larger quotas down to those it has now. It is called by Open.
func (v *Vault) trim() {
	v.lock()
	defer v.unlock()
	for v.line[Quarantined].bytes > v.options.QuarantineQuota || v.line[Quarantined].Len() > v.options.maxQuarantined() {
		v.lose(v.line[Quarantined].Front().Value.(*blob), Displaced)
	}
	for (v.total > v.options.Quota || len(v.blobs) > v.options.Items) && v.line[Released].Len() > 0 {
		v.lose(v.line[Released].Front().Value.(*blob), Evicted)
	}
}

// unwrite removes a state file for good.
func (v *Vault) unwrite(d verify.Digest) error {
	path := v.paths.state(d)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}
