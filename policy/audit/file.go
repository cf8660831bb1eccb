package audit

import (
	"io"
	"os"
)

// file is what the committer does to a file. Tests have one that fails.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Stat() (os.FileInfo, error)
	Close() error
}

// files opens and makes files.
type files interface {
	open(path string) (file, error) // for reading and writing, made with mode 0600 where there is none
}

type diskFiles struct{}

func (diskFiles) open(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}
