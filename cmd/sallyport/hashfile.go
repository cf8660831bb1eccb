package main

import (
	"crypto/sha256"
	"io"

	"github.com/sallyport-project/sallyport/verify"
)

// hashFile reads r to its end and returns its digest and size.
func hashFile(r io.Reader) (verify.Digest, int64, error) {
	h := sha256.New()
	n, err := io.CopyBuffer(h, r, make([]byte, 256<<10))
	return verify.Digest(h.Sum(nil)), n, err
}

// watchedReader tells how far it has come.
type watchedReader struct {
	r     io.Reader
	done  int64
	total int64
	tell  func(done, total int64)
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.done += int64(n)
	w.tell(w.done, w.total)
	return n, err
}
