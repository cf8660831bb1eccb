package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

const maxNamedFile = 4 << 20 // bytes of a file that a policy names

// folder opens files relative to a directory; unlike os.DirFS also absolute ones and those above it, because the
// operator who writes the policy may name any file.
type folder string

// Open implements fs.FS, for names beyond those that fs.ValidPath accepts.
func (d folder) Open(name string) (fs.File, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(string(d), name)
	}
	return os.Open(name)
}

// readLimited reads a regular file that has at most limit bytes.
func readLimited(f fs.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return data, err
}

// open returns the bytes of a file that the policy names, and remembers them for the digest.
func (b *builder) open(name string) ([]byte, error) { return b.openUpTo(name, maxNamedFile) }

// openUpTo is open for a file of at most limit bytes.
func (b *builder) openUpTo(name string, limit int64) ([]byte, error) {
	if data, ok := b.read[name]; ok {
		return data, nil
	}
	files, within, err := b.fileSystem(name)
	if err != nil {
		return nil, err
	}
	f, err := files.Open(within)
	if err != nil {
		if err = plainCause(err); within == name {
			err = besideIt(files, within, err)
		}
		return nil, err
	}
	defer f.Close()
	data, err := readLimited(f, limit)
	if err != nil {
		return nil, plainCause(err)
	}
	b.read[name] = data
	return data, nil
}

// plainCause strips the name that fs errors repeat.
func plainCause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// digest returns the digest over the policy's own bytes and those of all files it names, in the order of their names.
func (b *builder) digest(data []byte) verify.Digest {
	h := sha256.New()
	writePart(h, data)
	names := make([]string, 0, len(b.read))
	for name := range b.read {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		writePart(h, []byte(name))
		writePart(h, b.read[name])
	}
	return verify.Digest(h.Sum(nil))
}

// writePart writes data with its length before it, so that no two lists of parts hash the same.
func writePart(h hash.Hash, data []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(data)))
	h.Write(n[:])
	h.Write(data)
}

// besideIt adds to the error that a file is not there which file of its folder may be meant: one of the same kind with a name like it.
func besideIt(files fs.FS, name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	name = filepath.ToSlash(name)
	folder, kind := path.Dir(name), path.Ext(name)
	entries, unread := fs.ReadDir(files, folder)
	if unread != nil {
		return err
	}
	var stems []string
	for i, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), kind); i < 1000 && !e.IsDir() && ok {
			stems = append(stems, stem)
		}
	}
	if meant := likely(strings.TrimSuffix(path.Base(name), kind), stems); meant != "" {
		return fmt.Errorf("%w; did you mean %s?", err, quote(path.Join(folder, meant+kind)))
	}
	return err
}
