package fetch

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// npm runs `npm pack`, which leaves a gzipped tar.
func npm(ctx context.Context, spec string, files []File, tmp, dir string) error {
	if _, err := output(ctx, tmp, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", tmp, spec); err != nil {
		return err
	}
	packed, err := one(tmp, "*.tgz")
	if err != nil {
		return fmt.Errorf("npm pack: %w", err)
	}
	f, err := os.Open(packed)
	if err != nil {
		return fmt.Errorf("opening the package: %w", err)
	}
	defer f.Close()
	return packedFiles(f, files, dir)
}

// packedFiles stores files of a gzipped tar, and the tar itself where it is wanted.
func packedFiles(packed io.ReadSeeker, files []File, dir string) error {
	var inside []File
	for _, file := range files {
		if file.Inner != whole {
			inside = append(inside, file)
			continue
		}
		err := file.store(dir, packed)
		if _, back := packed.Seek(0, io.SeekStart); err != nil || back != nil {
			return errors.Join(err, back)
		}
	}
	if inside == nil {
		return nil
	}
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	return untar(unzipped, inside, dir)
}

// untar stores the files that a tar holds.
func untar(r io.Reader, files []File, dir string) error {
	left := map[string][]File{}
	for _, f := range files {
		left[f.Inner] = append(left[f.Inner], f)
	}
	for entries := tar.NewReader(r); len(left) > 0; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		name := path.Clean(entry.Name)
		wanted := left[name]
		for i, f := range wanted {
			if i > 0 {
				return fmt.Errorf("%s is wanted under several names", name)
			}
			if err := f.store(dir, entries); err != nil {
				return err
			}
		}
		delete(left, name)
	}
	for inner, files := range left {
		if !files[0].Optional {
			return fmt.Errorf("%s is not in the package", inner)
		}
	}
	return nil
}
