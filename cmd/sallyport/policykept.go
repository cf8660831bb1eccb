package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/policy"
)

// keptPolicy is a policy that is in force, with the files that it names, as it is kept in the state directory: so that a restart
// with another file can be compared with it, and the old one go on if the new one is not to come into force.
type keptPolicy struct {
	V      int               `json:"v"` // 1
	Path   string            `json:"path"`
	Digest string            `json:"digest"`
	Text   []byte            `json:"text"`
	Folder string            `json:"folder"`
	Files  map[string][]byte `json:"files,omitempty"` // by the name under which they were opened
}

// maxKeptPolicy bounds the file, in bytes.
const maxKeptPolicy = 256 << 20

// keepPolicy writes down the policy that came into force, made of the files that are on disk now. If they have changed meanwhile
// nothing is kept.
func (s stateDir) keepPolicy(p *policy.Policy, path string, files []string) error {
	k, err := collectPolicy(p, path, files)
	if err == nil {
		var data []byte
		if data, err = json.Marshal(k); err == nil && len(data) > maxKeptPolicy {
			err = errors.New("with the files that it names it is too large")
		}
		if err == nil {
			if err = os.MkdirAll(s.policy(), 0o700); err == nil {
				err = durable.WriteFile(s.keptPolicy(), data, 0o600)
			}
		}
	}
	if err == nil {
		return nil
	}
	// What is there would be taken for the policy in force.
	if gone := os.Remove(s.keptPolicy()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return fmt.Errorf("keeping the policy in force, for the next start to compare with: %w", err)
}

func collectPolicy(p *policy.Policy, path string, files []string) (keptPolicy, error) {
	k := keptPolicy{V: 1, Path: path, Digest: p.Digest().String(), Files: map[string][]byte{}}
	if path == "" {
		return k, nil
	}
	var err error
	if k.Text, err = readSmall(path, maxPolicy); err != nil {
		return k, err
	}
	k.Folder = filepath.Dir(path)
	for _, name := range files {
		if filepath.Clean(name) == filepath.Clean(path) {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			continue // the policy has come into force without it; parsing tells whether it matters
		}
		k.Files[name] = data
	}
	again, err := k.parse()
	if err != nil {
		return k, err
	}
	if again.Digest() != p.Digest() {
		return k, errors.New("its files have changed since it was read")
	}
	return k, nil
}

// parse makes the policy anew.
func (k *keptPolicy) parse() (*policy.Policy, error) {
	if k.Path == "" {
		return loadPolicy("")
	}
	return policy.Parse(k.Path, &keptFiles{k}, k.Text, fromCatalogue())
}

// lastPolicy returns the policy that was in force when the state was used last; nil, and no error, where none is kept.
func (s stateDir) lastPolicy() (*policy.Policy, *keptPolicy, error) {
	if s == "" {
		return nil, nil, nil
	}
	data, err := readSmall(s.keptPolicy(), maxKeptPolicy)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	var k keptPolicy
	if err == nil {
		err = json.Unmarshal(data, &k)
	}
	var p *policy.Policy
	if err == nil {
		p, err = k.parse()
	}
	if err == nil && p.Digest().String() != k.Digest && k.Path != "" {
		err = errors.New("it is not what it was")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the policy that was in force last: %w", err)
	}
	return p, &k, nil
}

// keptFiles opens the files of a policy that is kept, by the names that namedFiles gives them.
type keptFiles struct{ *keptPolicy }

// Open implements fs.FS.
func (k *keptFiles) Open(name string) (fs.File, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(k.Folder, name)
	}
	data, ok := k.Files[filepath.Clean(name)]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &keptFile{name: filepath.Base(name), size: int64(len(data)), Reader: bytes.NewReader(data)}, nil
}

// keptFile is one of them, opened.
type keptFile struct {
	name string
	size int64
	io.Reader
}

func (f *keptFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *keptFile) Close() error               { return nil }
func (f *keptFile) Name() string               { return f.name }
func (f *keptFile) Size() int64                { return f.size }
func (f *keptFile) Mode() fs.FileMode          { return 0o600 }
func (f *keptFile) ModTime() time.Time         { return time.Time{} }
func (f *keptFile) IsDir() bool                { return false }
func (f *keptFile) Sys() any                   { return nil }
