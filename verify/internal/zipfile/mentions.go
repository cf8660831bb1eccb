package zipfile

import (
	"bytes"
	"io"
)

// Mentions reports whether the content begins as a zip file whose directory holds each of the names somewhere. It is a
// cheap way of telling kinds of zip files apart, and promises nothing else.
func Mentions(r io.ReaderAt, size int64, names ...string) bool {
	var magic [4]byte
	if n, _ := r.ReadAt(magic[:], 0); n < len(magic) || !bytes.Equal(magic[:], localMark) {
		return false
	}
	f := &File{r: r, Size: size, counts: map[string]int{}}
	if _, err := f.readEnd(); err != nil {
		return false
	}
	directory := make([]byte, f.DirectorySize)
	if f.readAt(directory, f.Directory) != nil {
		return false
	}
	for _, name := range names {
		if !bytes.Contains(directory, []byte(name)) {
			return false
		}
	}
	return true
}
