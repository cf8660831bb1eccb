package quarantine

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// loaders is how many shards are read at once; more do not help a disk.
const loaders = 4

// load builds the index from the state files, and removes what a crash left behind: bytes that were not settled,
// bytes without state, states without bytes or with bytes of another size, and files that were being written.
func (v *Vault) load() error {
	if err := v.paths.sweepIncoming(); err != nil {
		return err
	}
	found, err := v.loadShards()
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b *blob) int {
		return cmp.Or(a.used.Compare(b.used), slices.Compare(a.digest[:], b.digest[:]))
	})
	v.lock()
	for _, b := range found {
		b.used = time.Time{}
		v.enlist(b)
	}
	v.unlock()
	if v.objects, err = loadObjects(v.paths, v.options.Objects); err != nil {
		return err
	}
	v.trim()
	return nil
}

func (v *Vault) loadShards() ([]*blob, error) {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		found  []*blob
		failed error
	)
	next := make(chan int)
	for range loaders {
		group.Go(func() {
			for n := range next {
				blobs, err := v.loadShard(n)
				mu.Lock()
				found = append(found, blobs...)
				failed = cmp.Or(failed, err)
				mu.Unlock()
			}
		})
	}
	for n := range shards {
		next <- n
	}
	close(next)
	group.Wait()
	return found, failed
}

// loadShard reads the states of one shard.
func (v *Vault) loadShard(n int) ([]*blob, error) {
	states, err := named(v.paths.shard(stateDir, n))
	if err != nil {
		return nil, err
	}
	files, err := named(v.paths.shard(blobsDir, n))
	if err != nil {
		return nil, err
	}
	var out []*blob
	for digest := range states {
		b, err := v.loadBlob(digest, files[digest])
		if err != nil {
			return nil, err
		}
		if b == nil {
			os.Remove(v.paths.state(digest))
			continue
		}
		out = append(out, b)
		delete(files, digest)
	}
	for digest := range files {
		os.Remove(v.paths.blob(digest))
	}
	return out, nil
}

// loadBlob reads one item; nil is an item that is not one.
func (v *Vault) loadBlob(digest verify.Digest, file bool) (*blob, error) {
	doc, used, err := v.readState(digest)
	if unreadable(err) {
		return nil, err // a failing disk must not empty the vault
	}
	loss := Loss{SHA256: digest, Size: doc.Size, State: Quarantined, Cause: Unexplained}
	if err == nil {
		loss.State, loss.Cause = doc.marks().category(), Unreadable
	}
	content, e := os.Lstat(v.paths.blob(digest))
	sized := e == nil && content.Mode().IsRegular() && content.Size() == doc.Size
	if err != nil || !file || !sized {
		if file && err == nil {
			loss.Cause = Corrupt
		}
		v.lock()
		v.after.losses = append(v.after.losses, loss)
		v.count(loss.Cause)
		v.unlock()
		return nil, nil
	}
	b := &blob{digest: digest, size: doc.Size, marks: doc.marks(), used: used}
	if b.marks.category() == Quarantined {
		b.used = b.marks.evidenceSince()
	}
	return b, nil
}

// unreadable reports whether err is about the disk, not about what is written on it.
func unreadable(err error) bool {
	var e *fs.PathError
	return errors.As(err, &e)
}

// named returns the digests that files in a directory are named after, and removes files that were being written.
// Files with other names are not ours and stay.
func named(dir string) (map[verify.Digest]bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := make(map[verify.Digest]bool, len(entries))
	for _, e := range entries {
		if d, ok := parseName(e.Name()); ok {
			out[d] = true
		} else if isTemporary(e.Name()) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}
