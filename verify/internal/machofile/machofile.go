// Package machofile reads what a Mach-O program says that it has loaded and may do: the libraries of its load commands
// (Apple's mach-o/loader.h) and the entitlements in its signature (cs_blobs.h of XNU).
package machofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrMalformed is wrapped where headers contradict themselves or the file.
var ErrMalformed = errors.New("malformed Mach-O file")

// Limits of what is read.
const (
	maxArchitectures = 16
	maxCommands      = 4096    // load commands of one architecture
	maxCommandBytes  = 4 << 20 // all of them together
	maxLibraries     = 1024
	maxBlobs         = 64      // of a signature
	maxEntitlements  = 1 << 20 // bytes
)

// Load commands.
const (
	loadLibrary         = 0xc
	loadSignature       = 0x1d
	loadLazy            = 0x20
	loadWeak            = 0x80000018
	loadReexported      = 0x8000001f
	loadUpward          = 0x80000023
	signatureMagic      = 0xfade0cc0
	entitlementsMagic   = 0xfade7171
	universalMagic      = 0xcafebabe
	universalMagic64    = 0xcafebabf
	header32, header64  = 28, 32
	entitlementsInPlace = 5 // slot of a signature
)

// Info is what a program has loaded, and may do by its entitlements, in all of its architectures together: each once,
// sorted.
type Info struct {
	Libraries    []string
	Entitlements []string
}

// Read reads the headers of a file of size bytes. Errors wrap ErrMalformed or are r's. Nobody has verified the signature
// that the entitlements are in.
func Read(r io.ReaderAt, size int64) (Info, error) {
	var out Info
	slicesOf, err := architectures(r, size)
	if err != nil {
		return Info{}, err
	}
	for _, s := range slicesOf {
		if err := s.read(&out); err != nil {
			return Info{}, err
		}
	}
	for _, list := range []*[]string{&out.Libraries, &out.Entitlements} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out, nil
}

// part is one architecture.
type part struct {
	r    io.ReaderAt
	size int64
}

func architectures(r io.ReaderAt, size int64) ([]part, error) {
	whole := part{r, size}
	head, err := whole.bytes(0, 8)
	if err != nil {
		return nil, err
	}
	be := binary.BigEndian
	magic, count := be.Uint32(head), int64(be.Uint32(head[4:]))
	if magic != universalMagic && magic != universalMagic64 {
		return []part{whole}, nil
	}
	if count > maxArchitectures {
		return nil, fmt.Errorf("%w: %d architectures", ErrMalformed, count)
	}
	entry := int64(20)
	if magic == universalMagic64 {
		entry = 32
	}
	table, err := whole.bytes(8, count*entry)
	if err != nil {
		return nil, err
	}
	var out []part
	for ; len(table) > 0; table = table[entry:] {
		at, n := int64(be.Uint32(table[8:])), int64(be.Uint32(table[12:]))
		if entry == 32 {
			at, n = int64(be.Uint64(table[8:])), int64(be.Uint64(table[16:]))
		}
		if at < 0 || n < 0 || at > size || n > size-at {
			return nil, fmt.Errorf("%w: an architecture of %d bytes at %d", ErrMalformed, n, at)
		}
		out = append(out, part{io.NewSectionReader(r, at, n), n})
	}
	return out, nil
}

// read adds what one architecture says.
func (p part) read(out *Info) error {
	head, err := p.bytes(0, header32)
	if err != nil {
		return err
	}
	var order binary.ByteOrder = binary.LittleEndian
	at := int64(header32)
	switch string(head[:4]) {
	case "\xce\xfa\xed\xfe":
	case "\xcf\xfa\xed\xfe":
		at = header64
	case "\xfe\xed\xfa\xce":
		order = binary.BigEndian
	case "\xfe\xed\xfa\xcf":
		order, at = binary.BigEndian, header64
	default:
		return fmt.Errorf("%w: no header", ErrMalformed)
	}
	count, size := order.Uint32(head[16:]), int64(order.Uint32(head[20:]))
	if count > maxCommands || size > maxCommandBytes {
		return fmt.Errorf("%w: %d load commands of %d bytes", ErrMalformed, count, size)
	}
	b, err := p.bytes(at, size)
	if err != nil {
		return err
	}
	for range count {
		if len(b) < 8 {
			return fmt.Errorf("%w: a load command is missing", ErrMalformed)
		}
		n := int(min(order.Uint32(b[4:]), maxCommandBytes+1))
		if n < 8 || n > len(b) {
			return fmt.Errorf("%w: a load command of %d bytes", ErrMalformed, n)
		}
		if err := p.command(order, b[:n], out); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (p part) command(order binary.ByteOrder, b []byte, out *Info) error {
	switch order.Uint32(b) {
	case loadLibrary, loadLazy, loadWeak, loadReexported, loadUpward:
		if len(b) < 24 || int64(order.Uint32(b[8:])) > int64(len(b)) || len(out.Libraries) == maxArchitectures*maxLibraries {
			return fmt.Errorf("%w: a library without a name, or too many", ErrMalformed)
		}
		name, _, _ := bytes.Cut(b[order.Uint32(b[8:]):], []byte{0})
		out.Libraries = append(out.Libraries, string(name))
	case loadSignature:
		if len(b) < 16 {
			return fmt.Errorf("%w: a signature without a place", ErrMalformed)
		}
		return p.signature(int64(order.Uint32(b[8:])), out)
	}
	return nil
}

// signature looks for entitlements in the signature at an offset.
func (p part) signature(at int64, out *Info) error {
	head, err := p.bytes(at, 12)
	if err != nil {
		return err
	}
	be := binary.BigEndian
	count := int64(be.Uint32(head[8:]))
	if be.Uint32(head) != signatureMagic || count > maxBlobs {
		return fmt.Errorf("%w: what stands where its signature should be is none", ErrMalformed)
	}
	index, err := p.bytes(at+12, count*8)
	if err != nil {
		return err
	}
	for ; len(index) > 0; index = index[8:] {
		if be.Uint32(index) != entitlementsInPlace {
			continue
		}
		from := at + int64(be.Uint32(index[4:]))
		head, err := p.bytes(from, 8)
		if err != nil {
			return err
		}
		n := int64(be.Uint32(head[4:]))
		if be.Uint32(head) != entitlementsMagic || n < 8 || n > maxEntitlements {
			return fmt.Errorf("%w: entitlements of %d bytes", ErrMalformed, n)
		}
		text, err := p.bytes(from+8, n-8)
		if err != nil {
			return err
		}
		keys, err := entitlements(text)
		if err != nil {
			return err
		}
		out.Entitlements = append(out.Entitlements, keys...)
	}
	return nil
}

func (p part) bytes(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > p.size || n > p.size-at {
		return nil, fmt.Errorf("%w: %d bytes at %d reach beyond the file", ErrMalformed, n, at)
	}
	b := make([]byte, n)
	if k, err := p.r.ReadAt(b, at); k < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading %d bytes at %d: %w", n, at, err)
	}
	return b, nil
}
