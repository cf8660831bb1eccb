package scan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// client speaks to one scanner. It is used by several goroutines at once.
type client interface {
	// engine returns the scanner's name with the versions of its engine and its signatures, as far as it tells. The error says
	// that it cannot be asked now.
	engine(ctx context.Context) (string, error)
	// scan gives one file to the scanner. No error means that it has looked through all of the file; the name is then what it
	// found, "" for nothing.
	scan(ctx context.Context, f *file) (name string, err error)
}

// file is what a scanner is given.
type file struct {
	content io.ReaderAt
	size    int64 // bytes
	digest  verify.Digest
}

// errDown is matched by errors that say that the scanner cannot be reached, or does not answer: the next file would fare no better.
var errDown = errors.New("the scanner is not available")

// downError is an error of that kind, in its own words.
type downError struct{ cause error }

// Error implements error.
func (e *downError) Error() string { return e.cause.Error() }

// Is makes it match errDown.
func (e *downError) Is(target error) bool { return target == errDown }

// Unwrap returns the cause.
func (e *downError) Unwrap() error { return e.cause }

// down says that a scanner is not available.
func down(format string, args ...any) error { return &downError{fmt.Errorf(format, args...)} }

// fileError is about the file and not about the scanner: it would be the same at the next attempt.
type fileError struct{ text string }

// Error implements error.
func (e *fileError) Error() string { return e.text }

func aboutFile(format string, args ...any) error { return &fileError{fmt.Sprintf(format, args...)} }

// newClient returns what speaks to a scanner; dir is where commands are given files.
func newClient(s policy.Scanner, dir string) (client, error) {
	switch {
	case s.Clamd != "":
		return newClamd(s)
	case s.ICAP != "":
		return newICAP(s)
	case len(s.Command) > 0:
		return newCommand(s, dir), nil
	}
	return nil, fmt.Errorf("scanner %s is neither clamd, ICAP server nor command", s.Name)
}
