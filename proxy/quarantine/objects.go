package quarantine

import (
	"cmp"
	"container/list"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// objects is the index of the files that say what URLs last gave. In memory there are hashes only.
type objects struct {
	paths layout
	most  int

	mu   sync.Mutex
	keys map[verify.Digest]*list.Element // of *objectEntry
	line list.List                       // least recently used first
	of   map[verify.Digest]map[verify.Digest]bool
}

// objectEntry is one object; sha256 is zero until its file was read or written.
type objectEntry struct{ key, sha256 verify.Digest }

// Remember notes what a URL gave. The error is fs.ErrNotExist where the vault does not keep that item. It is on disk
// when Remember returns, but not synced: losing it costs one fetch.
func (v *Vault) Remember(o Object) error {
	if err := v.enter(); err != nil {
		return fmt.Errorf("remembering an object: %w", err)
	}
	defer v.settling.Done()
	if o.Stored.IsZero() {
		o.Stored = v.options.Now().UTC()
	}
	data, err := encodeObject(o)
	if err != nil {
		return fmt.Errorf("remembering an object: %w", err)
	}
	line, err := unseal(data)
	if err == nil {
		_, err = parseObject(line)
	}
	if err != nil {
		return fmt.Errorf("remembering an object: %w", err)
	}
	if !v.keeps(o.SHA256) {
		return fmt.Errorf("remembering an object: item %s: %w", o.SHA256, fs.ErrNotExist)
	}
	key := objectKey(o.Key)
	if err := writeAtomic(v.paths.object(key), data); err != nil {
		return fmt.Errorf("remembering an object: %w", noRoom(err))
	}
	for _, old := range v.objects.add(key, o.SHA256) {
		os.Remove(v.paths.object(old))
	}
	return nil
}

// Recall returns what a URL gave last, if the vault still keeps the item.
func (v *Vault) Recall(key string) (Object, bool) {
	k := objectKey(key)
	if !v.objects.has(k) {
		return Object{}, false
	}
	line, _, err := readSealed(v.paths.object(k), maxObjectFile)
	var o Object
	if err == nil {
		o, err = parseObject(line)
	}
	if err != nil || !v.keeps(o.SHA256) {
		v.Forget(key)
		return Object{}, false
	}
	v.objects.add(k, o.SHA256)
	o.Key = key
	return o, true
}

// Forget removes what is known of a URL.
func (v *Vault) Forget(key string) {
	k := objectKey(key)
	if v.objects.remove(k) && v.enter() == nil {
		defer v.settling.Done()
		os.Remove(v.paths.object(k))
	}
}

// keeps reports whether an item is settled on any scope.
func (v *Vault) keeps(d verify.Digest) bool {
	v.lock()
	defer v.unlock()
	b := v.blobs[d]
	return b != nil && len(b.marks) > 0
}

func objectKey(key string) verify.Digest { return sha256.Sum256([]byte(key)) }

// loadObjects lists the objects that there are, the last written ones being the last to go.
func loadObjects(paths layout, most int) (*objects, error) {
	o := &objects{
		paths: paths, most: most,
		keys: map[verify.Digest]*list.Element{},
		of:   map[verify.Digest]map[verify.Digest]bool{},
	}
	type dated struct {
		key     verify.Digest
		written time.Time
	}
	var all []dated
	for n := range shards {
		names, err := named(paths.shard(objectsDir, n))
		if err != nil {
			return nil, err
		}
		for key := range names {
			info, err := os.Stat(paths.object(key))
			if err != nil {
				return nil, err
			}
			all = append(all, dated{key, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b dated) int {
		return cmp.Or(a.written.Compare(b.written), slices.Compare(a.key[:], b.key[:]))
	})
	for _, d := range all {
		for _, old := range o.add(d.key, verify.Digest{}) {
			os.Remove(paths.object(old))
		}
	}
	return o, nil
}

// add notes an object as the most recently used one, and returns those that give way.
func (o *objects) add(key, sha256 verify.Digest) (out []verify.Digest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.take(key)
	o.keys[key] = o.line.PushBack(&objectEntry{key, sha256})
	if !sha256.IsZero() {
		if o.of[sha256] == nil {
			o.of[sha256] = map[verify.Digest]bool{}
		}
		o.of[sha256][key] = true
	}
	for o.line.Len() > o.most {
		old := o.line.Front().Value.(*objectEntry).key
		o.take(old)
		out = append(out, old)
	}
	return out
}

func (o *objects) has(key verify.Digest) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.keys[key] != nil
}

func (o *objects) remove(key verify.Digest) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.take(key)
}

// take removes an object from the index. It is called under mu.
func (o *objects) take(key verify.Digest) bool {
	e := o.keys[key]
	if e == nil {
		return false
	}
	delete(o.keys, key)
	entry := o.line.Remove(e).(*objectEntry)
	if of := o.of[entry.sha256]; of != nil {
		if delete(of, key); len(of) == 0 {
			delete(o.of, entry.sha256)
		}
	}
	return true
}

// forgetDigest removes the objects that led to an item. Those whose files were not read since Open go when they
// are recalled.
func (o *objects) forgetDigest(d verify.Digest) {
	o.mu.Lock()
	var keys []verify.Digest
	for key := range o.of[d] {
		keys = append(keys, key)
	}
	for _, key := range keys {
		o.take(key)
	}
	o.mu.Unlock()
	for _, key := range keys {
		os.Remove(o.paths.object(key))
	}
}
