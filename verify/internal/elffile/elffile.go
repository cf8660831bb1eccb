// Package elffile reads what an ELF program says that it has loaded: the libraries of its dynamic section (System V
// ABI, chapters 4 and 5). It follows program headers, as loaders do; section headers may say anything.
package elffile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrMalformed is wrapped where headers contradict themselves or the file.
var ErrMalformed = errors.New("malformed ELF file")

// Limits of what is read.
const (
	maxSegments  = 1024
	maxDynamic   = 4096    // entries of the dynamic section
	maxLibraries = 1024    // that are needed
	maxName      = 1 << 10 // bytes of a library's name
)

// Kinds of segments and of dynamic entries.
const (
	segmentLoad        = 1
	segmentDynamic     = 2
	segmentInterpreter = 3

	dynamicEnd    = 0
	dynamicNeeded = 1
	dynamicTable  = 5
)

// Info is what a program has loaded.
type Info struct {
	Machine     uint16
	Interpreter string   // the loader; empty where there is none, as in libraries
	Needed      []string // libraries, in their order (DT_NEEDED)
}

// segment is a program header.
type segment struct {
	kind                  uint32
	offset, address, size uint64
}

type file struct {
	r        io.ReaderAt
	size     int64
	order    binary.ByteOrder
	wide     bool
	segments []segment
}

// Read reads the headers of a file of size bytes. Errors wrap ErrMalformed or are r's.
func Read(r io.ReaderAt, size int64) (Info, error) {
	f := &file{r: r, size: size}
	var out Info
	if err := f.header(&out); err != nil {
		return Info{}, err
	}
	for _, s := range f.segments {
		switch s.kind {
		case segmentInterpreter:
			text, err := f.text(s.offset, min(s.size, maxName))
			if err != nil {
				return Info{}, err
			}
			out.Interpreter = text
		case segmentDynamic:
			needed, err := f.dynamic(s)
			if err != nil {
				return Info{}, err
			}
			out.Needed = append(out.Needed, needed...)
		}
		if len(out.Needed) > maxLibraries {
			return Info{}, fmt.Errorf("%w: it needs more than %d libraries", ErrMalformed, maxLibraries)
		}
	}
	return out, nil
}

// header reads the file header and the program headers.
func (f *file) header(out *Info) error {
	head, err := f.bytes(0, 52)
	if err != nil {
		return err
	}
	if string(head[:4]) != "\x7fELF" || head[4] != 1 && head[4] != 2 || head[5] != 1 && head[5] != 2 {
		return fmt.Errorf("%w: no header", ErrMalformed)
	}
	f.order, f.wide = binary.LittleEndian, head[4] == 2
	if head[5] == 2 {
		f.order = binary.BigEndian
	}
	out.Machine = f.order.Uint16(head[18:])
	at, entry, count, least := uint64(f.order.Uint32(head[28:])), f.order.Uint16(head[42:]), f.order.Uint16(head[44:]), uint16(32)
	if f.wide {
		if head, err = f.bytes(0, 64); err != nil {
			return err
		}
		at, entry, count, least = f.order.Uint64(head[32:]), f.order.Uint16(head[54:]), f.order.Uint16(head[56:]), 56
	}
	if count == 0 {
		return nil // an object file
	}
	if entry < least || count > maxSegments {
		return fmt.Errorf("%w: %d program headers of %d bytes", ErrMalformed, count, entry)
	}
	table, err := f.bytes(at, uint64(entry)*uint64(count))
	if err != nil {
		return err
	}
	for ; len(table) >= int(entry); table = table[entry:] {
		f.segments = append(f.segments, f.segment(table))
	}
	return nil
}

func (f *file) segment(b []byte) segment {
	if f.wide {
		return segment{f.order.Uint32(b), f.order.Uint64(b[8:]), f.order.Uint64(b[16:]), f.order.Uint64(b[32:])}
	}
	return segment{f.order.Uint32(b), uint64(f.order.Uint32(b[4:])), uint64(f.order.Uint32(b[8:])), uint64(f.order.Uint32(b[16:]))}
}

// dynamic reads the libraries that a dynamic section names.
func (f *file) dynamic(s segment) ([]string, error) {
	width := uint64(8)
	if f.wide {
		width = 16
	}
	b, err := f.bytes(s.offset, min(s.size, maxDynamic*width)/width*width)
	if err != nil {
		return nil, err
	}
	var names []uint64
	var table uint64
	for ; len(b) > 0; b = b[width:] {
		tag, value := uint64(f.order.Uint32(b)), uint64(f.order.Uint32(b[4:]))
		if f.wide {
			tag, value = f.order.Uint64(b), f.order.Uint64(b[8:])
		}
		if tag == dynamicEnd {
			break
		}
		switch tag {
		case dynamicNeeded:
			names = append(names, value)
		case dynamicTable:
			table = value
		}
	}
	if len(names) > maxLibraries {
		return nil, fmt.Errorf("%w: it needs more than %d libraries", ErrMalformed, maxLibraries)
	}
	var out []string
	for _, n := range names {
		name, err := f.loaded(table + n)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

// loaded reads a text at the address at which it is loaded.
func (f *file) loaded(address uint64) (string, error) {
	for _, s := range f.segments {
		if into := address - s.address; s.kind == segmentLoad && address >= s.address && into < s.size {
			return f.text(s.offset+into, min(s.size-into, maxName))
		}
	}
	return "", fmt.Errorf("%w: a name at the address %#x, where nothing is loaded", ErrMalformed, address)
}

// text reads a text of at most limit bytes that a zero byte ends.
func (f *file) text(at, limit uint64) (string, error) {
	if at > uint64(f.size) {
		return "", fmt.Errorf("%w: a name at %d, beyond the file", ErrMalformed, at)
	}
	b, err := f.bytes(at, min(limit, uint64(f.size)-at))
	if err != nil {
		return "", err
	}
	name, _, ended := bytes.Cut(b, []byte{0})
	if !ended {
		return "", fmt.Errorf("%w: a name at %d does not end", ErrMalformed, at)
	}
	return string(name), nil
}

func (f *file) bytes(at, n uint64) ([]byte, error) {
	if at > uint64(f.size) || n > uint64(f.size)-at {
		return nil, fmt.Errorf("%w: %d bytes at %d reach beyond the file", ErrMalformed, n, at)
	}
	b := make([]byte, n)
	if k, err := f.r.ReadAt(b, int64(at)); k < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading %d bytes at %d: %w", n, at, err)
	}
	return b, nil
}
