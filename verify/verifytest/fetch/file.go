package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// whole is File.Inner for a package as it came.
const whole = "."

// File is one file of a package.
type File struct {
	Name string // where it goes below the directory of the samples, slash-separated
	// Inner is its path inside the package; of a source package the name of one of its files, or "archive suffix:path"; of an
	// npm package "." for the package itself.
	Inner string
	// SHA256 is hexadecimal. It may be empty for what a source package lists, whose digests apt has checked, and for
	// what a module holds, whose digest the go command has checked.
	SHA256 string
	// Optional files need not be in the package.
	Optional bool
}

// Present reports whether the file is in dir with the right digest.
func (f File) Present(dir string) bool {
	opened, err := os.Open(filepath.Join(dir, filepath.FromSlash(f.Name)))
	if err != nil {
		return false
	}
	defer opened.Close()
	h := sha256.New()
	if _, err := io.Copy(h, opened); err != nil {
		return false
	}
	return f.SHA256 == "" || hex.EncodeToString(h.Sum(nil)) == f.SHA256
}

// store writes the file into dir, under its own name only once its digest is right.
func (f File) store(dir string, r io.Reader) error {
	if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
		return fmt.Errorf("%s leads out of the directory", f.Name)
	}
	path := filepath.Join(dir, filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making room for %s: %w", f.Name, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".sample-*")
	if err != nil {
		return fmt.Errorf("making room for %s: %w", f.Name, err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(tmp, h), r); err != nil {
		return fmt.Errorf("unpacking %s: %w", f.Name, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); f.SHA256 != "" && got != f.SHA256 {
		return fmt.Errorf("%s: its sha256 is %s, it should be %s", f.Inner, got, f.SHA256)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name, err)
	}
	return nil
}
