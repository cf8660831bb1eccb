package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// store finds samples below several directories.
type store struct{ dirs []string }

// sample is one file of the store.
type sample struct {
	file     string // as in the manifest
	path     string // on disk
	data     []byte
	restored bool // Git had made LF of its CR LF: data has the line ends back
}

// find returns a sample with its digest, or nil. A text file that went through Git is found with its line ends
// restored if that gives the digest.
func (s *store) find(file, sum string) *sample {
	for _, dir := range s.dirs {
		name := filepath.Join(dir, filepath.FromSlash(file))
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if sum == "" || digest(data) == sum {
			return &sample{file: file, path: name, data: data}
		}
		if text := withCRLF(data); digest(text) == sum {
			return &sample{file: file, path: name, data: text, restored: true}
		}
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func withCRLF(data []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// beside is verify.Sidecars over the folder of a sample, in whichever of the store's directories a file lies.
type beside struct {
	store *store
	dir   string            // of the sample, slash-separated, below the store's directories
	root  string            // what the root of the sample's URL is; "" where it has no URL
	alias map[string]string // files that lie under another name, below the store's directories
	// changed are contents that stand in for what the folder has, by file name below the store's directories; nil is
	// that there is none.
	changed map[string][]byte
	asked   map[string]bool // files that were found
}

// find returns the file that is published under a name below the store's directories, or nil.
func (b *beside) find(name string) *sample {
	if other, ok := b.alias[name]; ok {
		name = other
	}
	return b.store.find(name, "")
}

// Fetch implements verify.Sidecars.
func (b *beside) Fetch(_ context.Context, ref string, limit int64) ([]byte, error) {
	unescaped, err := url.PathUnescape(ref)
	if err != nil {
		return nil, verify.ErrNotExist
	}
	name := path.Join(b.dir, unescaped)
	if rest, ok := strings.CutPrefix(unescaped, origin); ok && b.root != "" {
		name = path.Join(b.root, rest)
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, verify.ErrNotExist
	}
	data, ok := b.changed[name]
	if ok && data == nil {
		return nil, verify.ErrNotExist
	}
	if !ok {
		found := b.find(name)
		if found == nil {
			return nil, verify.ErrNotExist
		}
		data = found.data
	}
	if b.asked != nil {
		b.asked[name] = true
	}
	if int64(len(data)) > limit {
		return nil, verify.ErrTooLarge
	}
	return data, nil
}
