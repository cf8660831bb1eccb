package rpmfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Types of an entry's data.
const (
	TypeChar        = 1
	TypeInt8        = 2
	TypeInt16       = 3
	TypeInt32       = 4
	TypeInt64       = 5
	TypeString      = 6
	TypeBin         = 7
	TypeStringArray = 8
	TypeI18NString  = 9
)

// alignment of each type's data in bytes, by type; 0 where there is no such type.
var alignment = [10]uint32{0, 1, 1, 2, 4, 8, 1, 1, 1, 1}

// Header is an index of tags and the data that they stand for.
type Header struct {
	Region  bool    // it has a region, which then spans all of it
	Entries []Entry // in the order of the index, without the region

	data []byte
	raw  []byte // as in the file, from its magic on
	gaps int    // bytes between the entries' data that are not zero
}

// Entry is one line of the index.
type Entry struct {
	Tag, Type, Count uint32
	offset, length   uint32
}

// Len returns how many bytes the entry's data takes.
func (e Entry) Len() int { return int(e.length) }

// Raw returns the header's bytes, from its magic on: what a signature over it covers. They must not be changed.
func (h *Header) Raw() []byte { return h.raw }

// Gaps returns how many bytes that are not zero lie where no entry's data is.
func (h *Header) Gaps() int { return h.gaps }

const (
	headerMagic = "\x8e\xad\xe8\x01\x00\x00\x00\x00"
	introSize   = 16 // magic, number of entries, bytes of data
	entrySize   = 16
	firstTag    = 100     // lower ones are regions, and the table of languages
	maxArray    = 0xfffff // elements of an array
)

type limits struct {
	entries uint32
	data    uint32 // bytes
	regions []uint32
	trailer []uint32 // tags that the region's trailer may have
}

// rpm takes headers of up to 256 MiB. No package is known to come near half of that, and all of it is held in memory.
var (
	signatureLimits = limits{32, 64 << 20, []uint32{62}, []uint32{62, 61}} // old packages have 61 in the trailer
	headerLimits    = limits{0xffff, 128 << 20, []uint32{63, 61}, []uint32{63, 61}}
)

func readHeader(r io.ReaderAt, at, size int64, l limits) (*Header, error) {
	var intro [introSize]byte
	if err := readAt(r, intro[:], at, size, "the introduction"); err != nil {
		return nil, err
	}
	if string(intro[:8]) != headerMagic {
		return nil, fmt.Errorf("no header begins at byte %d: %w", at, ErrFormat)
	}
	entries, data := binary.BigEndian.Uint32(intro[8:]), binary.BigEndian.Uint32(intro[12:])
	if entries < 1 || entries > l.entries || data > l.data {
		return nil, fmt.Errorf("%d entries and %d bytes of data, where %d and %d are the most: %w", entries, data, l.entries, l.data, ErrFormat)
	}
	length := int64(introSize) + entrySize*int64(entries) + int64(data)
	if at+length > size {
		return nil, fmt.Errorf("it ends behind the end of the file, at byte %d of %d: %w", at+length, size, ErrFormat)
	}
	h := &Header{raw: make([]byte, length)}
	if err := readAt(r, h.raw, at, size, "the header"); err != nil {
		return nil, err
	}
	index := h.raw[introSize : introSize+entrySize*int(entries)]
	h.data = h.raw[introSize+len(index):]
	return h, h.parse(index, l)
}

// parse reads the index. As rpm demands, the data of the entries stands in the order of the index.
func (h *Header) parse(index []byte, l limits) error {
	end := uint32(len(h.data))
	first := entryAt(index)
	if first.Tag < firstTag {
		if err := h.region(index, first, l); err != nil {
			return err
		}
		index, end = index[entrySize:], end-entrySize
	}
	seen := make(map[uint32]bool, len(index)/entrySize)
	h.Entries = make([]Entry, 0, len(index)/entrySize)
	var at uint32
	for ; len(index) > 0; index = index[entrySize:] {
		e := entryAt(index)
		if err := h.check(&e, at, end); err != nil {
			return fmt.Errorf("tag %d of type %d, %d elements at %d: %w: %w", e.Tag, e.Type, e.Count, e.offset, err, ErrFormat)
		}
		if seen[e.Tag] {
			return fmt.Errorf("tag %d stands there twice: %w", e.Tag, ErrFormat)
		}
		seen[e.Tag] = true
		h.countGap(at, e.offset)
		at = e.offset + e.length
		h.Entries = append(h.Entries, e)
	}
	h.countGap(at, end)
	return nil
}

func entryAt(b []byte) Entry {
	return Entry{
		Tag: binary.BigEndian.Uint32(b), Type: binary.BigEndian.Uint32(b[4:]),
		offset: binary.BigEndian.Uint32(b[8:]), Count: binary.BigEndian.Uint32(b[12:]),
	}
}

func (h *Header) countGap(from, to uint32) {
	gap := h.data[from:to]
	h.gaps += len(gap) - bytes.Count(gap, []byte{0})
}

// region checks the entry of the region and its trailer: in a package the region spans the whole header, and the trailer
// ends it.
func (h *Header) region(index []byte, e Entry, l limits) error {
	if !contains(l.regions, e.Tag) || e.Type != TypeBin || e.Count != entrySize {
		return fmt.Errorf("its region is tag %d of type %d and %d bytes: %w", e.Tag, e.Type, e.Count, ErrFormat)
	}
	if len(h.data) < entrySize || e.offset != uint32(len(h.data)-entrySize) {
		return fmt.Errorf("its region ends at byte %d of %d: %w", uint64(e.offset)+entrySize, len(h.data), ErrFormat)
	}
	t := entryAt(h.data[e.offset:])
	if !contains(l.trailer, t.Tag) || t.Type != TypeBin || t.Count != entrySize || t.offset != -uint32(len(index)) {
		return fmt.Errorf("the trailer of its region does not fit %d entries: %w", len(index)/entrySize, ErrFormat)
	}
	h.Region = true
	return nil
}

func contains(list []uint32, v uint32) bool {
	for _, w := range list {
		if v == w {
			return true
		}
	}
	return false
}
