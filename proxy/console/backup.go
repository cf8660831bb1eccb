package console

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// File is one file of a backup.
type File struct {
	Name    string      // relative to the state directory, with slashes
	Size    int64       // bytes
	Mode    fs.FileMode // permissions it is to have again
	Content io.Reader
}

// Backup writes a gzipped tar of the state to w: everything that Snapshot gives, and of the vault what is evidence.
// After an error what was written is worth nothing.
func (o *Operator) Backup(ctx context.Context, w io.Writer) error {
	zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	add := func(f File) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: f.Name, Size: f.Size, Mode: int64(f.Mode.Perm() &^ 0o022), ModTime: o.now().UTC().Truncate(time.Second),
		})
		if err != nil {
			return fmt.Errorf("backing up %s: %w", f.Name, err)
		}
		if _, err := io.CopyN(tw, f.Content, f.Size); err != nil {
			return fmt.Errorf("backing up %s: %w", f.Name, err)
		}
		return nil
	}
	// The log last: it then tells of everything else that is in the backup, and maybe of what came after.
	err = o.Vault.Snapshot(func(name string, size int64, content io.Reader) error {
		return add(File{Name: "vault/" + name, Size: size, Mode: 0o600, Content: content})
	})
	if err != nil {
		return err
	}
	if err := o.Snapshot(ctx, add); err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("ending the backup: %w", err)
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("ending the backup: %w", err)
	}
	return nil
}
