package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// pkg is a package in one version, and the client that fetches it.
type pkg struct {
	client string // npm or go
	spec   string // name@version
}

// sample is one line of SOURCES.tsv.
type sample struct {
	file   string // where it goes below the samples' directory, slash-separated
	pkg    pkg
	inner  string // its path inside the package
	sha256 string // hexadecimal
}

// parseSources reads tab-separated lines; those that begin with # are remarks.
func parseSources(table string) ([]sample, error) {
	var out []sample
	for i, line := range strings.Split(table, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c := strings.Split(line, "\t")
		if len(c) != 5 || (c[1] != "npm" && c[1] != "go") || len(c[4]) != 2*sha256.Size ||
			!filepath.IsLocal(filepath.FromSlash(c[0])) || !strings.Contains(c[2], "@") {
			return nil, fmt.Errorf("SOURCES.tsv:%d: want file, npm or go, package@version, inner path, sha256", i+1)
		}
		out = append(out, sample{file: c[0], pkg: pkg{client: c[1], spec: c[2]}, inner: c[3], sha256: c[4]})
	}
	return out, nil
}

// present reports whether the sample is in dir with the right digest.
func (s sample) present(dir string) bool {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(s.file)))
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return false
	}
	return hex.EncodeToString(h.Sum(nil)) == s.sha256
}

// store writes the sample into dir, under its own name only once its digest is right.
func (s sample) store(dir string, r io.Reader) error {
	path := filepath.Join(dir, filepath.FromSlash(s.file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making room for %s: %w", s.file, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".sample-*")
	if err != nil {
		return fmt.Errorf("making room for %s: %w", s.file, err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(tmp, h), r); err != nil {
		return fmt.Errorf("unpacking %s: %w", s.file, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != s.sha256 {
		return fmt.Errorf("%s: its sha256 is %s, it should be %s", s.inner, got, s.sha256)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", s.file, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", s.file, err)
	}
	return nil
}
