package quarantine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

// layout is a vault's directory, and knows where everything lies in it.
type layout string

const (
	incomingDir = "incoming"
	blobsDir    = "blobs"
	stateDir    = "state"
	objectsDir  = "objects"
	shards      = 256
)

func (l layout) lock() string                  { return filepath.Join(string(l), "lock") }
func (l layout) incoming() string              { return filepath.Join(string(l), incomingDir) }
func (l layout) blob(d verify.Digest) string   { return l.sharded(blobsDir, d) }
func (l layout) state(d verify.Digest) string  { return l.sharded(stateDir, d) }
func (l layout) object(k verify.Digest) string { return l.sharded(objectsDir, k) }
func (l layout) shard(dir string, n int) string {
	return filepath.Join(string(l), dir, fmt.Sprintf("%02x", n))
}

func (l layout) sharded(dir string, d verify.Digest) string {
	name := d.String()
	return filepath.Join(string(l), dir, name[:2], name)
}

// make makes the directories that are missing, durably, and takes from others what rights they have on the vault.
func (l layout) make() error {
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(string(l), 0o700); err != nil {
		return err
	}
	for _, dir := range []string{blobsDir, stateDir, objectsDir} {
		if err := l.makeShards(dir); err != nil {
			return err
		}
	}
	if _, err := mkdir(l.incoming()); err != nil {
		return err
	}
	return durable.SyncDir(string(l))
}

func (l layout) makeShards(dir string) error {
	parent := filepath.Join(string(l), dir)
	if _, err := mkdir(parent); err != nil {
		return err
	}
	made := false
	for n := range shards {
		new, err := mkdir(l.shard(dir, n))
		if err != nil {
			return err
		}
		made = made || new
	}
	if !made {
		return nil
	}
	return durable.SyncDir(parent)
}

// mkdir makes a directory and reports whether it was missing.
func mkdir(dir string) (made bool, err error) {
	err = os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// sweepIncoming removes everything that is not settled.
func (l layout) sweepIncoming() error {
	entries, err := os.ReadDir(l.incoming())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(l.incoming(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// parseName returns the digest that a file in a sharded directory is named after. Only the one spelling that this
// package writes will do.
func parseName(name string) (verify.Digest, bool) {
	var d verify.Digest
	if len(name) != 2*len(d) || strings.ToLower(name) != name {
		return verify.Digest{}, false
	}
	if _, err := hex.Decode(d[:], []byte(name)); err != nil {
		return verify.Digest{}, false
	}
	return d, true
}

// isTemporary reports whether a file is what a write that was cut short left behind (see durable.WriteFile and
// writeAtomic).
func isTemporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.Contains(name, ".tmp-")
}
