package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

// directory is a client.Store of files. One process uses it at a time, as the suite's protocol has it.
type directory string

// maxBase is how long the name of a file may be, in bytes, before its digest stands for it.
const maxBase = 200

func (d directory) path(name string) string {
	if len(name) > maxBase {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:]) + ".json"
	}
	// Names are escaped as segments of URL paths: no separator is left in them. What the file system reads otherwise is.
	return filepath.Join(string(d), strings.NewReplacer(":", "%3A", "\\", "%5C").Replace(name))
}

// Load implements client.Store.
func (d directory) Load(name string) ([]byte, error) {
	data, err := os.ReadFile(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Advance implements client.Store.
func (d directory) Advance(name string, old, new []byte) error {
	now, err := d.Load(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return verify.ErrConflict
	}
	if len(new) == 0 {
		if err := os.Remove(d.path(name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return durable.WriteFile(d.path(name), new, 0o644)
}
