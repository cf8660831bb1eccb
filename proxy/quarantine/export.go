package quarantine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// Export writes an item's bytes to w, in whatever state it is. They are hashed before the first byte is written, and
// once more while they are written; after an error, what w was given is worth nothing.
func (v *Vault) Export(d verify.Digest, w io.Writer) error {
	b, err := v.pin(d)
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	defer v.unpin(b)
	if _, err := hashFile(b.file, d); err != nil {
		return fmt.Errorf("exporting item %s: %w", d, err)
	}
	if err := copyChecked(w, b); err != nil {
		return fmt.Errorf("exporting item %s: %w", d, err)
	}
	return nil
}

// copyChecked writes a blob's bytes to w and compares their hash.
func copyChecked(w io.Writer, b *blob) error {
	sum := sha256.New()
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	from := io.NewSectionReader(guarded{b, b.file}, 0, b.size)
	n, err := io.CopyBuffer(io.MultiWriter(w, sum), from, buf[:])
	if err != nil {
		return err
	}
	if n != b.size || verify.Digest(sum.Sum(nil)) != b.digest {
		return ErrCorrupt
	}
	return nil
}

// Snapshot calls add for each file that a backup of the vault needs: state and bytes of all that is quarantined, since
// they are evidence. What is only released can be fetched again. Names are relative to the vault's directory, with
// slashes; a vault made of these files opens. Items that go or are damaged meanwhile are left out.
func (v *Vault) Snapshot(add func(name string, size int64, content io.Reader) error) error {
	v.lock()
	var all []verify.Digest
	for e := v.line[Quarantined].Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*blob).digest)
	}
	v.unlock()
	slices.SortFunc(all, func(a, b verify.Digest) int { return slices.Compare(a[:], b[:]) })
	for _, d := range all {
		if err := v.snapshot(d, add); err != nil {
			return fmt.Errorf("copying item %s: %w", d, err)
		}
	}
	return nil
}

func (v *Vault) snapshot(d verify.Digest, add func(string, int64, io.Reader) error) error {
	b, err := v.pin(d)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		return nil
	}
	if err != nil {
		return err
	}
	defer v.unpin(b)
	state, err := os.ReadFile(v.paths.state(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := add(v.relative(v.paths.blob(d)), b.size, io.NewSectionReader(guarded{b, b.file}, 0, b.size)); err != nil {
		return err
	}
	return add(v.relative(v.paths.state(d)), int64(len(state)), bytes.NewReader(state))
}

func (v *Vault) relative(path string) string {
	rel, err := filepath.Rel(string(v.paths), path)
	if err != nil {
		panic(err) // both were joined by layout
	}
	return filepath.ToSlash(rel)
}

// evidence takes a reference to an item that is quarantined on a scope, whatever its bytes are by now, for something
// that Close is to wait for.
func (v *Vault) evidence(d verify.Digest, scope string) (*blob, error) {
	v.lock()
	defer v.unlock()
	if v.closed {
		return nil, ErrClosed
	}
	b := v.blobs[d]
	if b == nil || b.marks.on(scope) != Quarantined {
		return nil, fmt.Errorf("item %s is not quarantined on %q: %w", d, scope, fs.ErrNotExist)
	}
	if err := v.hold(b); err != nil {
		return nil, fmt.Errorf("item %s: %w", d, err)
	}
	v.settling.Add(1)
	return b, nil
}
