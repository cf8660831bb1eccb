package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// check measures an entry whose data must lie between from and end.
func (h *Header) check(e *Entry, from, end uint32) error {
	switch {
	case e.Tag < firstTag:
		return errors.New("no such tag")
	case e.Type < TypeChar || e.Type > TypeI18NString:
		return errors.New("no such type")
	case e.Count < 1 || e.Count > uint32(len(h.data)) || e.Type != TypeBin && e.Count > maxArray:
		return errors.New("too many or too few elements")
	case e.Type == TypeString && e.Count != 1:
		return errors.New("a string is one")
	case e.offset < from || e.offset > end:
		return errors.New("its data overlaps another's or lies outside")
	case e.offset%alignment[e.Type] != 0:
		return errors.New("its data is not aligned")
	}
	n, ok := h.measure(e, end)
	if !ok {
		return errors.New("its data does not end in the header")
	}
	e.length = n
	return nil
}

// measure returns the length of an entry's data, which must end before end.
func (h *Header) measure(e *Entry, end uint32) (uint32, bool) {
	data := h.data[e.offset:end]
	var width uint64
	switch e.Type {
	case TypeInt16:
		width = 2
	case TypeInt32:
		width = 4
	case TypeInt64:
		width = 8
	case TypeString, TypeStringArray, TypeI18NString:
		at := 0
		for range e.Count {
			n := bytes.IndexByte(data[at:], 0)
			if n < 0 {
				return 0, false
			}
			at += n + 1
		}
		return uint32(at), true
	default:
		width = 1
	}
	n := uint64(e.Count) * width
	return uint32(n), n <= uint64(len(data))
}

// Has reports whether the header has a tag.
func (h *Header) Has(tag uint32) bool {
	_, ok := h.find(tag)
	return ok
}

func (h *Header) find(tag uint32) (Entry, bool) {
	for _, e := range h.Entries {
		if e.Tag == tag {
			return e, true
		}
	}
	return Entry{}, false
}

// Data returns the bytes of an entry of the header. They must not be changed.
func (h *Header) Data(e Entry) []byte { return h.data[e.offset : e.offset+e.length] }

func (h *Header) typed(tag uint32, types ...uint32) (Entry, []byte, error) {
	e, ok := h.find(tag)
	if !ok {
		return e, nil, nil
	}
	if !contains(types, e.Type) {
		return e, nil, fmt.Errorf("tag %d has the type %d: %w", tag, e.Type, ErrFormat)
	}
	return e, h.Data(e), nil
}

// Bin returns the bytes of a tag; nil if there is none. The error says that it has another type.
func (h *Header) Bin(tag uint32) ([]byte, error) {
	_, b, err := h.typed(tag, TypeBin)
	return b, err
}

// Strings returns the strings of a tag, of any type of string; nil if there is none. The error says that it has another
// type.
func (h *Header) Strings(tag uint32) ([]string, error) {
	e, b, err := h.typed(tag, TypeString, TypeStringArray, TypeI18NString)
	if err != nil || b == nil {
		return nil, err
	}
	out := make([]string, 0, e.Count)
	for range e.Count {
		s, rest, _ := bytes.Cut(b, []byte{0})
		out, b = append(out, string(s)), rest
	}
	return out, nil
}

// Text returns the string of a tag that is one string by its type; "" and false if there is none. The error says that it
// has another type.
func (h *Header) Text(tag uint32) (string, bool, error) {
	_, b, err := h.typed(tag, TypeString)
	if err != nil || b == nil {
		return "", false, err
	}
	return string(bytes.TrimSuffix(b, []byte{0})), true, nil
}

// Array returns the strings of a tag that is an array of strings by its type; nil if there is none. The error says that
// it has another type.
func (h *Header) Array(tag uint32) ([]string, error) {
	if _, _, err := h.typed(tag, TypeStringArray); err != nil {
		return nil, err
	}
	return h.Strings(tag)
}

// String returns the first string of a tag; "" if there is none or it is of another type.
func (h *Header) String(tag uint32) string {
	list, err := h.Strings(tag)
	if err != nil || len(list) == 0 {
		return ""
	}
	return list[0]
}

// Uint16s returns the numbers of a tag, as Uint32s does.
func (h *Header) Uint16s(tag uint32) ([]uint16, error) {
	e, b, err := h.typed(tag, TypeInt16)
	if err != nil || b == nil {
		return nil, err
	}
	out := make([]uint16, e.Count)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return out, nil
}

// Uint32s returns the numbers of a tag; nil if there is none. The error says that it has another type.
func (h *Header) Uint32s(tag uint32) ([]uint32, error) {
	e, b, err := h.typed(tag, TypeInt32)
	if err != nil || b == nil {
		return nil, err
	}
	out := make([]uint32, e.Count)
	for i := range out {
		out[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return out, nil
}

// Uint64s returns the numbers of a tag, as Uint32s does.
func (h *Header) Uint64s(tag uint32) ([]uint64, error) {
	e, b, err := h.typed(tag, TypeInt64)
	if err != nil || b == nil {
		return nil, err
	}
	out := make([]uint64, e.Count)
	for i := range out {
		out[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return out, nil
}
