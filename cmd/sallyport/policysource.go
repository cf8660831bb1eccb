package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// policySource is what a policy was made of: exactly the bytes that were read, whatever has become of the files since.
type policySource struct {
	text      []byte              // of the policy file; nil for the built-in policy
	folder    string              // that names are relative to
	files     map[string][]byte   // that the policy names, by path
	folders   map[string][]string // that it names, by path: what is in them, folders with a slash behind
	catalogue map[string][]byte   // of the program, likewise
	names     []string            // of all files on disk that were read or looked for
}

// namedFiles opens the files that a policy names, relative to its folder, and remembers what was read of which.
type namedFiles struct {
	folder  string
	opened  []string
	files   map[string]*bytes.Buffer
	folders map[string][]string
}

// newNamedFiles returns the files that the policy at path may name.
func newNamedFiles(path string) *namedFiles {
	return &namedFiles{folder: filepath.Dir(path), files: map[string]*bytes.Buffer{}, folders: map[string][]string{}}
}

// Open implements fs.FS, for names beyond those that fs.ValidPath accepts.
func (n *namedFiles) Open(name string) (fs.File, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(n.folder, name)
	}
	n.opened = append(n.opened, filepath.Clean(name))
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &namedFile{f: f, of: n, path: filepath.Clean(name)}, nil
}

// namedFile is one of them, opened.
type namedFile struct {
	f       fs.File
	of      *namedFiles
	path    string
	content *bytes.Buffer // what was read so far; nil before
	entries []string      // likewise, of a folder
}

func (f *namedFile) Stat() (fs.FileInfo, error) { return f.f.Stat() }
func (f *namedFile) Close() error               { return f.f.Close() }

func (f *namedFile) Read(b []byte) (int, error) {
	if f.content == nil { // what was read when it was open before counts no more
		f.content = &bytes.Buffer{}
		f.of.files[f.path] = f.content
	}
	n, err := f.f.Read(b)
	f.content.Write(b[:n])
	return n, err
}

// ReadDir implements fs.ReadDirFile.
func (f *namedFile) ReadDir(n int) ([]fs.DirEntry, error) {
	d, ok := f.f.(fs.ReadDirFile)
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: f.path, Err: fs.ErrInvalid}
	}
	entries, err := d.ReadDir(n)
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		f.entries = append(f.entries, name)
	}
	f.of.folders[f.path] = f.entries
	return entries, err
}

// catalogueFiles opens what the program carries within itself, and remembers what was read of which.
type catalogueFiles struct {
	of   fs.FS
	read map[string][]byte
}

// Open implements fs.FS.
func (c *catalogueFiles) Open(name string) (fs.File, error) {
	f, err := c.of.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if c.read[name], err = fs.ReadFile(c.of, name); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// source returns what was read.
func (n *namedFiles) source(text []byte, path string, catalogue *catalogueFiles) *policySource {
	s := &policySource{
		text: text, folder: n.folder, files: map[string][]byte{}, folders: n.folders, catalogue: catalogue.read,
		names: append(slices.Clone(n.opened), filepath.Clean(path)),
	}
	for name, content := range n.files {
		s.files[name] = content.Bytes()
	}
	return s
}
