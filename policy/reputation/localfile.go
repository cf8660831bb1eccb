package reputation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// errMoving says that a file is being written while it is read.
var errMoving = errors.New("the file is being written to")

// fileMark is what a file looked like when it was read.
type fileMark struct {
	info os.FileInfo
	read time.Time
}

// grain is how long after a change another one may leave the same time of change behind, and the file look the same.
const grain = 2 * time.Second

// same reports whether a file looks as it did, so that it need not be read: no other file
// under the name, of the same size and time of change, which was not just before.
func (m fileMark) same(info os.FileInfo) bool {
	return m.info != nil && m.read.Sub(m.info.ModTime()).Abs() > grain && m.alike(info)
}

func (m fileMark) alike(info os.FileInfo) bool {
	return os.SameFile(m.info, info) && m.info.Size() == info.Size() && m.info.ModTime().Equal(info.ModTime())
}

// open opens the feed's file. unchanged is set if it looks as it did at mark.
func (f *Feed) open(mark fileMark, now time.Time) (*fetched, fileMark, error) {
	if info, err := os.Stat(f.File); err == nil && !info.Mode().IsRegular() { // to open a pipe would wait for whoever writes to it
		return nil, mark, fmt.Errorf("opening the list: %s is no file", f.File)
	}
	file, err := os.Open(f.File)
	if err != nil {
		return nil, mark, fmt.Errorf("opening the list: %w", err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("opening the list: %s is no file", f.File)
	case mark.same(info):
		file.Close()
		return &fetched{unchanged: true}, mark, nil
	case info.Size() > f.maxSize():
		err = refusef("it has %d bytes, more than %d", info.Size(), f.maxSize())
	}
	if err != nil {
		file.Close()
		return nil, fileMark{info, now}, err
	}
	got := &fetched{content: content{file, info.Size()}, date: info.ModTime().UTC(), close: func() { file.Close() }}
	hash := sha256.New()
	if _, err = io.Copy(hash, got.reader()); err == nil {
		hash.Sum(got.sum[:0])
		if !f.SHA256.IsZero() && got.sum != f.SHA256 {
			err = refusef("its SHA-256 is %s, not %s", got.sum, f.SHA256)
		}
	}
	if err != nil {
		file.Close()
		return nil, fileMark{info, now}, err
	}
	return got, fileMark{info, now}, nil
}

// settled reports whether a file that was read is still what it was then. One that is changed in place may be read half
// old and half new: it is read again.
func (got *fetched) settled(mark fileMark) error {
	file, ok := got.at.(*os.File)
	if !ok {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("looking at the list: %w", err)
	}
	if !mark.alike(info) {
		return errMoving
	}
	return nil
}
