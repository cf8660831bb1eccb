package reputation

import (
	"bytes"
	"encoding/binary"
)

// recordSize is what one entry takes in a set, in bytes:
//
//	0  key, 32 bytes
//	32 kind in the upper 4 bits, line in the lower 28
//	36 listed, seconds since 1970
//	40 until, seconds since 1970
//	44 where its text begins, plus 1; 0 if it has none
//
// Numbers are big-endian, so that records sort as bytes do: by key, kind and line.
const recordSize = 48

const maxLine = 1<<28 - 1

type record [recordSize]byte

func newRecord(e *entry, text uint32) (r record) {
	copy(r[:32], e.key[:])
	binary.BigEndian.PutUint32(r[32:], uint32(e.kind)<<28|uint32(min(e.line, maxLine)))
	binary.BigEndian.PutUint32(r[36:], e.listed)
	binary.BigEndian.PutUint32(r[40:], e.until)
	binary.BigEndian.PutUint32(r[44:], text)
	return r
}

func (r *record) kind() Kind     { return Kind(r[32] >> 4) }
func (r *record) line() int      { return int(binary.BigEndian.Uint32(r[32:]) & maxLine) }
func (r *record) listed() uint32 { return binary.BigEndian.Uint32(r[36:]) }
func (r *record) until() uint32  { return binary.BigEndian.Uint32(r[40:]) }
func (r *record) text() uint32   { return binary.BigEndian.Uint32(r[44:]) }

// compareRecords orders by key, kind and line.
func compareRecords(a, b record) int {
	x, y := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(b[:8])
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return bytes.Compare(a[8:36], b[8:36])
}

// compareNames orders by key and kind alone.
func compareNames(a, b *record) int {
	if order := bytes.Compare(a[:32], b[:32]); order != 0 {
		return order
	}
	return int(a[32]>>4) - int(b[32]>>4)
}

// absorb takes over what another entry for the same thing knows: the earliest listing, the latest end, a text.
func (r *record) absorb(o *record) {
	if l := o.listed(); l != 0 && (r.listed() == 0 || l < r.listed()) {
		copy(r[36:40], o[36:40])
	}
	if u := o.until(); r.until() != 0 && (u == 0 || u > r.until()) {
		copy(r[40:44], o[40:44])
	}
	if r.text() == 0 {
		copy(r[44:48], o[44:48])
	}
}
