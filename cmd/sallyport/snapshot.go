package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/console"
)

// snapshot gives everything to add that a backup holds besides the vault: the CA, what is remembered, the roots, the policy in force, the reports, and the log last, so that it
// tells of all the rest. All of it may be written meanwhile: the files of the first four are replaced as a whole, the reports are copied,
// and the log says how much of its files counts.
func (o *owner) snapshot(ctx context.Context, add func(console.File) error) error {
	for _, dir := range []string{o.dir.ca(), o.dir.memory(), o.dir.trust(), o.dir.policy()} {
		if err := o.snapshotFolder(ctx, dir, add); err != nil {
			return err
		}
	}
	if err := o.snapshotReports(ctx, add); err != nil {
		return err
	}
	files, err := audit.Snapshot(o.dir.log())
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := o.snapshotFile(filepath.Join(o.dir.log(), f.Name), f.Size, f.Mode, add); err != nil {
			return err
		}
	}
	return nil
}

// snapshotReports adds a copy of the reports.
func (o *owner) snapshotReports(ctx context.Context, add func(console.File) error) error {
	copied := filepath.Join(o.dir.reports(), ".copy")
	if err := os.Remove(copied); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backing up: %w", err)
	}
	defer os.Remove(copied)
	there, err := audit.SnapshotReports(ctx, o.dir.reports(), copied)
	if err != nil || !there {
		return err
	}
	return o.snapshotAs("reports/"+audit.ReportsFile, copied, -1, 0o600, add)
}

// snapshotFolder adds the files of a folder that has no folders in it. Hidden ones are being written.
func (o *owner) snapshotFolder(ctx context.Context, dir string, add func(console.File) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue // replaced meanwhile, or not ours
		}
		if err := o.snapshotFile(filepath.Join(dir, e.Name()), -1, info.Mode().Perm(), add); err != nil {
			return err
		}
	}
	return nil
}

// snapshotFile adds the first size bytes of a file; all of it for a negative size.
func (o *owner) snapshotFile(path string, size int64, mode fs.FileMode, add func(console.File) error) error {
	name, err := filepath.Rel(string(o.dir), path)
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return o.snapshotAs(filepath.ToSlash(name), path, size, mode, add)
}

// snapshotAs is snapshotFile for a file that the backup has under another name.
func (o *owner) snapshotAs(name, path string, size int64, mode fs.FileMode, add func(console.File) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	defer f.Close()
	if size < 0 {
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("backing up: %w", err)
		}
		size = info.Size()
	}
	return add(console.File{Name: name, Size: size, Mode: mode, Content: f})
}
