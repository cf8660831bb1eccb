package apt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of an .xz file. A decoder takes a dictionary's size from a header of a few bytes, block by block, and
// allocates it before there is any data; 64 MiB is what `xz -9` asks for.
const (
	xzMaxDictionary = 64 << 20
	xzMaxBlocks     = 1 << 14
	xzHeader        = 12 // bytes of a stream's header, and of its footer
)

var errXZ = errors.New("it is no well-formed .xz file")

// checkXZ refuses an .xz file one of whose blocks wants a larger dictionary than is ever needed. It walks the file by
// its indexes, from the end, as the format means it to be walked (The .xz File Format 1.1.0, sections 2 to 4), and
// decompresses nothing.
func checkXZ(b []byte) error {
	blocks := 0
	for len(b) > 0 {
		for len(b) >= 4 && binary.LittleEndian.Uint32(b[len(b)-4:]) == 0 {
			b = b[:len(b)-4] // stream padding
		}
		if len(b) < 2*xzHeader || string(b[len(b)-2:]) != "YZ" {
			return errXZ
		}
		indexSize := (int64(binary.LittleEndian.Uint32(b[len(b)-8:])) + 1) * 4
		indexAt := int64(len(b)) - xzHeader - indexSize
		if indexAt < xzHeader {
			return errXZ
		}
		sizes, err := xzBlockSizes(b[indexAt:int64(len(b))-xzHeader], xzMaxBlocks-blocks)
		if err != nil {
			return err
		}
		blocks += len(sizes)
		at := indexAt
		for i := len(sizes) - 1; i >= 0; i-- {
			if at -= sizes[i]; at < xzHeader {
				return errXZ
			}
			if err := checkXZBlock(b[at : at+sizes[i]]); err != nil {
				return err
			}
		}
		b = b[:at-xzHeader]
	}
	return nil
}

// xzBlockSizes reads an index: the bytes that each block takes, with its padding.
func xzBlockSizes(index []byte, most int) ([]int64, error) {
	if len(index) < 2 || index[0] != 0 {
		return nil, errXZ
	}
	rest := index[1:]
	count, rest, err := xzInteger(rest)
	if err != nil || count > uint64(most) {
		return nil, errXZ
	}
	sizes := make([]int64, 0, count)
	for range count {
		var unpadded uint64
		if unpadded, rest, err = xzInteger(rest); err != nil || unpadded == 0 || unpadded > 1<<40 {
			return nil, errXZ
		}
		if _, rest, err = xzInteger(rest); err != nil {
			return nil, errXZ
		}
		sizes = append(sizes, int64(unpadded+3)&^3)
	}
	return sizes, nil
}

// checkXZBlock looks at the filters that a block's header names.
func checkXZBlock(b []byte) error {
	size := (int(b[0]) + 1) * 4
	if b[0] == 0 || size > len(b) {
		return errXZ
	}
	flags, rest := b[1], b[2:size-4]
	var err error
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		if present {
			if _, rest, err = xzInteger(rest); err != nil {
				return err
			}
		}
	}
	for range int(flags&3) + 1 {
		var id, length uint64
		if id, rest, err = xzInteger(rest); err != nil {
			return err
		}
		if length, rest, err = xzInteger(rest); err != nil || length > uint64(len(rest)) {
			return errXZ
		}
		const lzma2 = 0x21
		if id == lzma2 {
			if length != 1 || rest[0] > 40 {
				return errXZ
			}
			if bits := rest[0]; uint64(2|bits&1)<<(bits/2+11) > xzMaxDictionary {
				return fmt.Errorf("it asks for a dictionary of more than %d MiB", xzMaxDictionary>>20)
			}
		}
		rest = rest[length:]
	}
	return nil
}

// xzInteger reads a variable-length integer (section 1.2): seven bits a byte, the lowest first, nine bytes at most.
func xzInteger(b []byte) (uint64, []byte, error) {
	var n uint64
	for i := range min(len(b), 9) {
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return n, b[i+1:], nil
		}
	}
	return 0, nil, errXZ
}
