package quarantine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// State and object files are one line of JSON, before it a line with its SHA-256 in hexadecimal, so that a damaged
// one is not taken for one that says something else.

var errSeal = errors.New("damaged: the checksum does not fit")

// seal puts the checksum before a line of JSON.
func seal(line []byte) []byte {
	sum := sha256.Sum256(line)
	out := make([]byte, 0, 2*len(sum)+len(line)+2)
	out = hex.AppendEncode(out, sum[:])
	out = append(out, '\n')
	out = append(out, line...)
	return append(out, '\n')
}

// unseal returns the line of JSON that seal was given.
func unseal(data []byte) ([]byte, error) {
	first, rest, ok := bytes.Cut(data, []byte{'\n'})
	if !ok || len(rest) == 0 || rest[len(rest)-1] != '\n' {
		return nil, errSeal
	}
	line := rest[:len(rest)-1]
	sum := sha256.Sum256(line)
	if string(first) != hex.EncodeToString(sum[:]) {
		return nil, errSeal
	}
	return line, nil
}

// readSealed reads a file of at most limit bytes and returns its JSON, and the file's time of modification.
func readSealed(path string, limit int64) ([]byte, time.Time, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	if info.Size() > limit {
		return nil, info.ModTime(), fmt.Errorf("%d bytes, more than %d", info.Size(), limit)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, info.ModTime(), err
	}
	line, err := unseal(data)
	return line, info.ModTime(), err
}

// writeAtomic replaces the file at path by data, so that whoever reads it sees the old content or the new one while
// this machine is up. After a power cut it may be damaged or gone.
func writeAtomic(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
