package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
)

func newState() *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "state", Short: "Back up and restore what the proxy keeps", Args: cobra.ArbitraryArgs, RunE: group}
	s.addTo(cmd)
	cmd.AddCommand(newStateBackup(&s), newStateRestore(&s))
	return cmd
}

func newStateBackup(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the log, the CA, what is remembered and the quarantine into a file",
		Long: `Write the log, the CA, what is remembered and the quarantine into FILE, a gzipped tar that must not exist yet. It may
be done beside a running server. Released updates are left out: they can be fetched again. FILE holds the private
keys of the CA and of the log.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.operate(cmd, func(o operator) error {
				return writeNew(args[0], func(w io.Writer) error { return o.Backup(cmd.Context(), w) })
			})
		},
	}
}

func newStateRestore(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Fill an empty state directory from a backup, and verify its log",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, dir, err := s.load()
			if err != nil {
				return err
			}
			v, err := restore(cmd.Context(), dir, args[0])
			if err != nil {
				return err
			}
			if !v.OK() {
				showVerification(cmd.ErrOrStderr(), v)
				return &refusal{fmt.Sprintf("the backup is restored to %s, but its log is broken", dir)}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored to %s: a sound log of %d records\n", dir, v.Records)
			return err
		},
	}
}

// restore fills the state directory from a backup. After an error it is as empty as it was.
func restore(ctx context.Context, dir stateDir, file string) (v audit.Verification, err error) {
	f, err := os.Open(file)
	if err != nil {
		return v, err
	}
	defer f.Close()
	if err := dir.make(); err != nil {
		return v, err
	}
	lock, err := dir.acquire()
	if err != nil {
		return v, adviseLocked(err, dir)
	}
	defer lock.release()
	if err := dir.mustBeEmpty(); err != nil {
		return v, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.empty())
		}
	}()
	if err := unpackBackup(ctx, dir, f); err != nil {
		return v, fmt.Errorf("restoring %s: %w", file, err)
	}
	// Opened once for writing, the log makes again what a backup leaves out, and repairs what was being written.
	log, err := audit.Open(dir.log(), audit.Options{})
	if err != nil && !errors.Is(err, audit.ErrBroken) {
		return v, fmt.Errorf("restoring %s: %w", file, err)
	}
	if err == nil {
		if err := log.Close(); err != nil {
			return v, fmt.Errorf("restoring %s: %w", file, err)
		}
	}
	return audit.Verify(ctx, dir.log(), audit.VerifyOptions{})
}

// mustBeEmpty refuses a directory with anything in it but the lock.
func (s stateDir) mustBeEmpty() error {
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return fmt.Errorf("opening the state directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(s.lock()) {
			return advise(fmt.Errorf("the state directory %s is not empty: it has %s", s, printable.Text(e.Name(), 100)),
				"restore into a new directory: --state DIR")
		}
	}
	return nil
}

// empty removes everything but the lock.
func (s stateDir) empty() error {
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(s.lock()) {
			if err := os.RemoveAll(filepath.Join(string(s), e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// backupFolders are the folders that a backup may have files in, each with how deep they lie at most.
var backupFolders = map[string]int{"ca": 2, "memory": 2, "trust": 2, "policy": 2, "reports": 2, "log": 2, "vault": 4}

const maxBackupFiles = 10_000_000

// unpackBackup writes the files of a backup below the state directory. A backup may come from anywhere: only plain
// files in the places that a backup has are taken, through a root that no name leads out of, and none twice.
func unpackBackup(ctx context.Context, dir stateDir, r io.Reader) error {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("it is no backup: %w", err)
	}
	root, err := os.OpenRoot(string(dir))
	if err != nil {
		return err
	}
	defer root.Close()
	tr := tar.NewReader(zr)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n >= maxBackupFiles {
			return errors.New("it holds too many files")
		}
		if err := unpackFile(root, dir, h, tr); err != nil {
			return fmt.Errorf("%s: %w", printable.Text(h.Name, 200), err)
		}
	}
	// The gzip trailer says whether all of it has arrived.
	if _, err := io.Copy(io.Discard, io.LimitReader(zr, 1<<20)); err != nil {
		return err
	}
	for name := range backupFolders {
		if err := syncTree(filepath.Join(string(dir), name)); err != nil {
			return err
		}
	}
	return durable.SyncDir(string(dir))
}

func unpackFile(root *os.Root, dir stateDir, h *tar.Header, r io.Reader) error {
	parts := strings.Split(h.Name, "/")
	if h.Typeflag != tar.TypeReg || path.Clean(h.Name) != h.Name || !filepath.IsLocal(filepath.FromSlash(h.Name)) ||
		len(parts) < 2 || len(parts) > backupFolders[parts[0]] || h.Size < 0 {
		return errors.New("no file that a backup holds")
	}
	// What does not fit is refused before the disk is full.
	if free, err := diskFree(string(dir)); err == nil && h.Size > free-diskFull {
		return fmt.Errorf("its %s do not fit on the disk", byteSize(h.Size))
	}
	name := filepath.FromSlash(h.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyN(f, r, h.Size); err != nil {
		return err
	}
	if mode := fs.FileMode(h.Mode) & 0o644; mode != 0 {
		if err := f.Chmod(mode | 0o600); err != nil {
			return err
		}
	}
	return f.Sync()
}

// syncTree makes the names in a folder and all below it durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		return durable.SyncDir(path)
	})
}
