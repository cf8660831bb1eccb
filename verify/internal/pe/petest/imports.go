package petest

import (
	"strconv"
	"strings"
)

// importTable writes an import directory, the lists of functions, then names, for a section at an address.
func importTable(all []Import, address uint32) []byte {
	b := make([]byte, 20*(len(all)+1))
	text := func(s string) uint32 {
		at := address + uint32(len(b))
		b = append(append(b, s...), 0)
		return at
	}
	for i, m := range all {
		var thunks []uint64
		for _, f := range m.Functions {
			if number, found := strings.CutPrefix(f, "#"); found {
				n, _ := strconv.Atoi(number)
				thunks = append(thunks, 1<<63|uint64(n))
				continue
			}
			thunks = append(thunks, uint64(text("\x00\x00"+f)))
		}
		name := text(m.Library)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		le.PutUint32(b[20*i:], address+uint32(len(b)))
		le.PutUint32(b[20*i+12:], name)
		le.PutUint32(b[20*i+16:], address+uint32(len(b)))
		for _, t := range append(thunks, 0) {
			b = le.AppendUint64(b, t)
		}
	}
	return b
}
