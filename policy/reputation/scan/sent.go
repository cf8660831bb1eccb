package scan

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/sallyport-project/sallyport/verify"
)

// errChanged says that the bytes were others than those that are judged.
var errChanged = errors.New("what was read for the scan is not the file that is judged")

// sent reads a file for a scanner, and remembers what was read.
type sent struct {
	from   io.Reader
	want   verify.Digest
	size   int64
	n      int64
	hash   hash.Hash
	failed error // of reading
}

// read returns the file from its beginning.
func (f *file) read() *sent {
	return &sent{from: io.NewSectionReader(f.content, 0, f.size), want: f.digest, size: f.size, hash: sha256.New()}
}

// Read implements io.Reader.
func (s *sent) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.hash.Write(p[:n])
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// complete reports whether the whole file was read.
func (s *sent) complete() bool { return s.n == s.size && s.failed == nil }

// check says why what was read is not the file that is judged.
func (s *sent) check() error {
	switch {
	case s.failed != nil:
		return s.failed
	case s.n != s.size || verify.Digest(s.hash.Sum(nil)) != s.want:
		return errChanged
	}
	return nil
}
