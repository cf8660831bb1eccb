package pe

import (
	"bytes"
	"errors"
	"io"
)

// maxBuffered is how many first bytes a Stream keeps while it looks for the headers.
const maxBuffered = 64 << 10

// Stream passes on the bytes that the digest of an image covers while the image arrives, before its size is known. Of
// one that is malformed, or has its headers out of reach, it passes on nothing.
type Stream struct {
	sink   func([]byte)
	head   []byte // until the headers are complete
	filter *Filter
	layout Layout // of the filter; its Size is not known
	end    int64  // of the headers
	size   int64  // bytes seen
	dead   bool
}

// NewStream returns a Stream that hands what is covered to sink, in order.
func NewStream(sink func([]byte)) *Stream { return &Stream{sink: sink} }

// Write takes the next bytes of the image.
func (s *Stream) Write(p []byte) {
	s.size += int64(len(p))
	switch {
	case s.dead:
	case s.filter != nil:
		s.filter.Write(p)
	case s.head == nil:
		s.begin(p)
	default:
		// At most one Write's bytes beyond the limit are taken, so that none is lost to the digest.
		s.begin(append(s.head, p...))
	}
}

// begin starts passing bytes on once the headers are in the first bytes of the image, and keeps those until then.
func (s *Stream) begin(first []byte) {
	const whole = 1 << 62 // larger than any file: only what the headers say of themselves is checked
	h, err := readHeader(bytes.NewReader(first), whole)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && len(first) < maxBuffered:
		if s.head == nil {
			first = bytes.Clone(first)
		}
		s.head = first
		return
	case err != nil || h.table|h.tableSize != 0 && (h.tableSize == 0 || h.table < max(h.directory+directorySize, 1)):
		s.dead, s.head = true, nil
		return
	}
	s.layout = Layout{Checksum: h.checksum, Directory: h.directory, Table: h.table, TableSize: h.tableSize}
	if h.tableSize == 0 {
		s.layout.Table = whole
	}
	s.end = h.end
	s.filter = NewFilter(s.layout, s.sink)
	s.filter.Write(first)
	s.head = nil
}

// Signed reports whether the image has a certificate table. It is known as soon as anything is passed on.
func (s *Stream) Signed() bool { return s.filter != nil && s.layout.Signed() }

// Complete reports, after the last byte, whether all that the digest covers was passed on, Padding aside: the headers lie
// within the image, and it ends where its certificate table does, if it has one.
func (s *Stream) Complete() bool {
	if s.filter == nil || s.end > s.size {
		return false
	}
	return !s.layout.Signed() || s.size == s.layout.Table+s.layout.TableSize
}

// Padding returns the zero bytes that the digest of an unsigned image counts after its last byte.
func (s *Stream) Padding() []byte {
	if s.Signed() {
		return nil
	}
	return padding(s.size)
}
