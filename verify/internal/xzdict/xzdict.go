// Package xzdict finds out, before anything is decompressed, how much memory an .xz file would take. A decoder takes a
// dictionary's size from a header of a few bytes, block by block, and allocates it before there is any data.
package xzdict

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	Max = 64 << 20 // bytes of the largest dictionary that Check lets pass: what `xz -9` asks for
	Min = 4 << 10  // bytes of the smallest there is, for a decoder that takes what it is given and the file asks for
)

// ErrFormat is wrapped where a file is no well-formed .xz file, ErrTooLarge where it asks for too much, ErrUnknown where
// it uses a filter that is not known here.
var (
	ErrFormat   = errors.New("it is no well-formed .xz file")
	ErrTooLarge = errors.New("its dictionary is too large")
	ErrUnknown  = errors.New("its filter is not known here")
)

const (
	maxBlocks   = 1 << 16
	maxIndex    = 16 << 20 // bytes of a stream's index
	header      = 12       // bytes of a stream's header, and of its footer
	blockHeader = 1024     // bytes that a block's header can have
)

// Check refuses an .xz file one of whose blocks wants a larger dictionary than Max. It walks the first size bytes of r
// by their indexes, from the end, as the format means it to be walked (The .xz File Format 1.1.0, sections 2 to 4),
// and decompresses nothing. What stands behind the last stream makes the file malformed. An error that matches none
// of ErrFormat, ErrTooLarge and ErrUnknown comes from r.
func Check(r io.ReaderAt, size int64) error {
	blocks := 0
	for end := size; end > 0; {
		var err error
		if end, err = skipPadding(r, end); err != nil {
			return err
		}
		if end < 2*header {
			return ErrFormat
		}
		footer, err := section(r, end-header, header)
		if err != nil {
			return err
		}
		if string(footer[10:]) != "YZ" {
			return ErrFormat
		}
		length := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
		at := end - header - length
		if at < header || length > maxIndex {
			return ErrFormat
		}
		index, err := section(r, at, length)
		if err != nil {
			return err
		}
		sizes, err := blockSizes(index, maxBlocks-blocks)
		if err != nil {
			return err
		}
		blocks += len(sizes)
		for i := len(sizes) - 1; i >= 0; i-- {
			if at -= sizes[i]; at < header {
				return ErrFormat
			}
			if err := checkBlock(r, at, sizes[i]); err != nil {
				return err
			}
		}
		end = at - header
	}
	return nil
}

// skipPadding returns where the zero bytes between streams begin.
func skipPadding(r io.ReaderAt, end int64) (int64, error) {
	for end >= 4 {
		b, err := section(r, end-4, 4)
		if err != nil {
			return 0, err
		}
		if binary.LittleEndian.Uint32(b) != 0 {
			break
		}
		end -= 4
	}
	return end, nil
}

func section(r io.ReaderAt, at, n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, at, n), b); err != nil {
		return nil, fmt.Errorf("reading .xz: %w", err)
	}
	return b, nil
}

// blockSizes reads an index: the bytes that each block takes, with its padding.
func blockSizes(index []byte, most int) ([]int64, error) {
	if len(index) < 2 || index[0] != 0 {
		return nil, ErrFormat
	}
	count, rest, err := integer(index[1:])
	if err != nil || count > uint64(most) {
		return nil, ErrFormat
	}
	sizes := make([]int64, 0, min(count, uint64(len(rest))))
	for range count {
		var unpadded uint64
		if unpadded, rest, err = integer(rest); err != nil || unpadded == 0 || unpadded > 1<<40 {
			return nil, ErrFormat
		}
		if _, rest, err = integer(rest); err != nil {
			return nil, err
		}
		sizes = append(sizes, int64(unpadded+3)&^3)
	}
	return sizes, nil
}

// checkBlock looks at the filters that a block's header names.
func checkBlock(r io.ReaderAt, at, size int64) error {
	b, err := section(r, at, min(size, blockHeader))
	if err != nil {
		return err
	}
	length := (int(b[0]) + 1) * 4
	if b[0] == 0 || length > len(b) {
		return ErrFormat
	}
	flags, rest := b[1], b[2:length-4]
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		if present {
			if _, rest, err = integer(rest); err != nil {
				return err
			}
		}
	}
	for range int(flags&3) + 1 {
		if rest, err = checkFilter(rest); err != nil {
			return err
		}
	}
	return nil
}

// checkFilter reads one filter and returns what follows it.
func checkFilter(b []byte) ([]byte, error) {
	id, rest, err := integer(b)
	if err != nil {
		return nil, err
	}
	length, rest, err := integer(rest)
	if err != nil || length > uint64(len(rest)) {
		return nil, ErrFormat
	}
	const lzma2 = 0x21
	if id != lzma2 {
		return nil, fmt.Errorf("filter %#x: %w", id, ErrUnknown)
	}
	if length != 1 || rest[0] > 40 {
		return nil, ErrFormat
	}
	if bits := rest[0]; uint64(2|bits&1)<<(bits/2+11) > Max {
		return nil, fmt.Errorf("it asks for a dictionary of more than %d MiB: %w", Max>>20, ErrTooLarge)
	}
	return rest[length:], nil
}

// integer reads a variable-length integer (section 1.2): seven bits a byte, the lowest first, nine bytes at most.
func integer(b []byte) (uint64, []byte, error) {
	var n uint64
	for i := range min(len(b), 9) {
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return n, b[i+1:], nil
		}
	}
	return 0, nil, ErrFormat
}
