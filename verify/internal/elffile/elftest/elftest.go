// Package elftest puts ELF files without code together, for tests.
package elftest

import "encoding/binary"

// Build returns a 64-bit program for x86-64 that needs these libraries.
func Build(needed ...string) []byte {
	le := binary.LittleEndian
	const header, entry = 64, 56
	texts := []byte{0}
	var dynamic []byte
	add := func(tag, value uint64) { dynamic = le.AppendUint64(le.AppendUint64(dynamic, tag), value) }
	for _, name := range needed {
		add(1, uint64(len(texts)))
		texts = append(append(texts, name...), 0)
	}
	at := uint64(header + 2*entry)
	add(5, at+uint64(len(dynamic))+32)
	add(0, 0)
	end := at + uint64(len(dynamic)) + uint64(len(texts))
	b := make([]byte, header)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 3)
	le.PutUint16(b[18:], 62)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], header)
	le.PutUint16(b[52:], header)
	le.PutUint16(b[54:], entry)
	le.PutUint16(b[56:], 2)
	for _, s := range []struct {
		kind     uint32
		at, size uint64
	}{{1, 0, end}, {2, at, uint64(len(dynamic))}} {
		p := make([]byte, entry)
		le.PutUint32(p, s.kind)
		le.PutUint64(p[8:], s.at)
		le.PutUint64(p[16:], s.at)
		le.PutUint64(p[24:], s.at)
		le.PutUint64(p[32:], s.size)
		le.PutUint64(p[40:], s.size)
		b = append(b, p...)
	}
	return append(append(b, dynamic...), texts...)
}
