package rpmtest

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Tag is one entry of a header. Value is a string, []string, []uint16, []uint32, []uint64 or []byte.
type Tag struct {
	Number uint32
	Value  any
}

// header returns a header with a region of that tag, or without one where region is 0.
func header(region uint32, tags []Tag) []byte {
	tags = slices.Clone(tags)
	slices.SortStableFunc(tags, func(a, b Tag) int { return cmp.Compare(a.Number, b.Number) })
	var index, data []byte
	entry := func(to []byte, numbers ...uint32) []byte {
		for _, n := range numbers {
			to = binary.BigEndian.AppendUint32(to, n)
		}
		return to
	}
	for _, t := range tags {
		kind, align, count, value := t.encode()
		for len(data)%align != 0 {
			data = append(data, 0)
		}
		index = entry(index, t.Number, kind, uint32(len(data)), count)
		data = append(data, value...)
	}
	n := uint32(len(tags))
	if region != 0 {
		n++
		index = append(entry(nil, region, 7, uint32(len(data)), 16), index...)
		data = entry(data, region, 7, -(16 * n), 16)
	}
	out := entry([]byte("\x8e\xad\xe8\x01\x00\x00\x00\x00"), n, uint32(len(data)))
	return append(append(out, index...), data...)
}

func (t Tag) encode() (kind uint32, align int, count uint32, b []byte) {
	switch v := t.Value.(type) {
	case string:
		return 6, 1, 1, append([]byte(v), 0)
	case []string:
		for _, s := range v {
			b = append(append(b, s...), 0)
		}
		return 8, 1, uint32(len(v)), b
	case []uint16:
		for _, n := range v {
			b = binary.BigEndian.AppendUint16(b, n)
		}
		return 3, 2, uint32(len(v)), b
	case []uint32:
		for _, n := range v {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return 4, 4, uint32(len(v)), b
	case []uint64:
		for _, n := range v {
			b = binary.BigEndian.AppendUint64(b, n)
		}
		return 5, 8, uint32(len(v)), b
	case []byte:
		return 7, 1, uint32(len(v)), v
	}
	panic("rpmtest: a tag's value is of a type that headers do not have")
}
