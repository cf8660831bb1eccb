// Package deb822 splits Debian control files into fields, one line at a time. The format is that of deb822(5) and of
// Debian Policy section 5.1: stanzas of "Name: value" fields, continued by lines that begin with a space or a tab,
// separated by empty lines.
//
// It is a lexer rather than a parser, so that an index of a hundred thousand stanzas can be read in one pass without
// an allocation a field.
package deb822

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Kind says what a Line is.
type Kind uint8

const (
	Field        Kind = iota + 1 // "Name: value"; Name and Value are set
	Continuation                 // a line that continues the field above it; Value is set
	End                          // an empty line, which ends a stanza
)

// Line is one line of a control file. Its slices are valid until the next call of Next.
type Line struct {
	Kind  Kind
	Name  []byte // as written; field names are compared without regard to case
	Value []byte // without the space around it
	// Cut says that the line was longer than MaxLine and that Value is only its beginning.
	Cut bool
}

// MaxLine is how many bytes of a line a Reader keeps.
const MaxLine = 64 << 10

// ErrSyntax is wrapped by every error about the form of the text.
var ErrSyntax = errors.New("not a control file")

// Reader reads lines. It is for one goroutine.
type Reader struct {
	r     *bufio.Reader
	line  int
	field bool // inside a stanza, so a continuation has something to continue
}

// NewReader returns a Reader of r. It keeps MaxLine bytes at most.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, MaxLine)}
}

// Next returns the next line, io.EOF after the last one, an error wrapping ErrSyntax where the text is malformed, or
// the error of the underlying reader. Comment lines are syntax errors: no archive index has any, and readers differ
// in what they make of them.
func (r *Reader) Next() (Line, error) {
	raw, cut, err := r.read()
	if err != nil {
		return Line{}, err
	}
	r.line++
	raw = bytes.TrimRight(raw, " \t\r\n")
	if len(raw) == 0 && !cut {
		r.field = false
		return Line{Kind: End}, nil
	}
	if len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\t') {
		if !r.field {
			return Line{}, fmt.Errorf("line %d continues nothing: %w", r.line, ErrSyntax)
		}
		return Line{Kind: Continuation, Value: bytes.TrimLeft(raw, " \t"), Cut: cut}, nil
	}
	colon := bytes.IndexByte(raw, ':')
	if colon <= 0 || !isName(raw[:colon]) {
		return Line{}, fmt.Errorf("line %d is no field: %w", r.line, ErrSyntax)
	}
	r.field = true
	return Line{Kind: Field, Name: raw[:colon], Value: bytes.TrimLeft(raw[colon+1:], " \t"), Cut: cut}, nil
}

// read returns one line, or its first MaxLine bytes after skipping the rest of it.
func (r *Reader) read() (line []byte, cut bool, err error) {
	line, err = r.r.ReadSlice('\n')
	switch {
	case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
		return line, false, nil
	case !errors.Is(err, bufio.ErrBufferFull):
		return nil, false, err
	}
	line = bytes.Clone(line)
	for {
		_, err = r.r.ReadSlice('\n')
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return line, true, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

// isName reports whether b may be a field name: printable ASCII without a space or a colon, not beginning with a hash
// or a hyphen (Debian Policy section 5.1).
func isName(b []byte) bool {
	if b[0] == '#' || b[0] == '-' {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
