package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/policy"
)

// keptPolicy is a policy that is in force, with the files that it names, as it is kept in the state directory: so that a restart
// with another file can be compared with it, and the old one go on if the new one is not to come into force.
type keptPolicy struct {
	V       int                 `json:"v"` // 1
	Path    string              `json:"path"`
	Digest  string              `json:"digest"`
	Text    []byte              `json:"text"`
	Folder  string              `json:"folder"`
	Files   map[string][]byte   `json:"files,omitempty"`   // by path
	Folders map[string][]string `json:"folders,omitempty"` // by path: what is in them, folders with a slash behind
	// Catalogue is what was taken from the catalogue, which another version of the program may have otherwise.
	Catalogue map[string][]byte `json:"catalogue,omitempty"`
}

// maxKeptPolicy bounds the file, in bytes.
const maxKeptPolicy = 256 << 20

// keepPolicy writes down the policy that came into force, which was made of a source, nil where nobody knows that.
func (s stateDir) keepPolicy(p *policy.Policy, path string, source *policySource) error {
	data, err := packPolicy(p, path, source)
	if err == nil {
		if err = os.MkdirAll(s.policy(), 0o700); err == nil {
			err = durable.WriteFile(s.keptPolicy(), data, 0o600)
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

func packPolicy(p *policy.Policy, path string, source *policySource) ([]byte, error) {
	if source == nil {
		return nil, errors.New("it is not known what it was made of")
	}
	k := keptPolicy{
		V: 1, Path: path, Digest: p.Digest().String(), Text: source.text, Folder: source.folder, Files: source.files, Folders: source.folders,
		Catalogue: source.catalogue,
	}
	again, err := k.parse()
	if err != nil {
		return nil, err
	}
	if again.Digest() != p.Digest() {
		return nil, errors.New("it cannot be made again")
	}
	data, err := json.Marshal(k)
	if err == nil && len(data) > maxKeptPolicy {
		err = errors.New("with the files that it names it is too large")
	}
	return data, err
}

// parse makes the policy anew.
func (k *keptPolicy) parse() (*policy.Policy, error) {
	if k.Path == "" {
		return loadPolicy("")
	}
	return policy.Parse(k.Path, &keptFiles{k}, k.Text, policy.WithCatalogue(keptCatalogue(k.Catalogue)))
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
	name = filepath.Clean(name)
	if entries, ok := k.Folders[name]; ok {
		return &keptFile{name: filepath.Base(name), entries: entries, folder: true}, nil
	}
	return openKept(k.Files, name)
}

// keptCatalogue opens what was taken from the catalogue.
type keptCatalogue map[string][]byte

// Open implements fs.FS.
func (k keptCatalogue) Open(name string) (fs.File, error) { return openKept(k, name) }

func openKept(files map[string][]byte, name string) (fs.File, error) {
	data, ok := files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &keptFile{name: filepath.Base(name), size: int64(len(data)), content: bytes.NewReader(data)}, nil
}

// keptFile is one of them, opened.
type keptFile struct {
	name    string
	size    int64
	content *bytes.Reader // nil for a folder
	folder  bool
	entries []string // of a folder
}

func (f *keptFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *keptFile) Close() error               { return nil }
func (f *keptFile) Name() string               { return f.name }
func (f *keptFile) Size() int64                { return f.size }
func (f *keptFile) ModTime() time.Time         { return time.Time{} }
func (f *keptFile) IsDir() bool                { return f.folder }
func (f *keptFile) Sys() any                   { return nil }

func (f *keptFile) Mode() fs.FileMode {
	if f.folder {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

// Read implements fs.File.
func (f *keptFile) Read(b []byte) (int, error) {
	if f.content == nil {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	return f.content.Read(b)
}

// ReadDir implements fs.ReadDirFile, all at once.
func (f *keptFile) ReadDir(int) ([]fs.DirEntry, error) {
	if !f.folder {
		return nil, &fs.PathError{Op: "readdir", Path: f.name, Err: fs.ErrInvalid}
	}
	var out []fs.DirEntry
	for _, name := range f.entries {
		plain, folder := strings.CutSuffix(name, "/")
		out = append(out, fs.FileInfoToDirEntry(&keptFile{name: plain, folder: folder}))
	}
	return out, nil
}
