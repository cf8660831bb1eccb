// Package pe reads as much of a Windows program (Microsoft PE and COFF Specification) as its signature needs: where the
// fields lie that the Authenticode digest leaves out, and what the attribute certificate table holds.
//
// Every number in the headers comes from an attacker and is checked against the file before it is used.
package pe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrNotPE is returned for a file without the header of a PE image, such as a DOS program.
var ErrNotPE = errors.New("not a PE image")

// ErrMalformed is wrapped where the headers contradict themselves or the file.
var ErrMalformed = errors.New("malformed PE image")

// Layout is where things lie in a PE image, in bytes from its start.
type Layout struct {
	Size      int64 // of the file
	Checksum  int64 // of the CheckSum field, 4 bytes that are not signed
	Directory int64 // of the security directory's entry, 8 bytes that are not signed; 0 if the image has no such entry
	Table     int64 // of the attribute certificate table; Size if there is none
	TableSize int64 // 0 if there is none
}

// Signed reports whether there is a certificate table.
func (l Layout) Signed() bool { return l.TableSize > 0 }

// Overlay returns how many bytes follow the certificate table.
func (l Layout) Overlay() int64 { return l.Size - l.Table - l.TableSize }

const (
	dosHeaderSize    = 64
	coffHeaderSize   = 24 // with the signature before it
	checksumOffset   = 64 // in the optional header, for both kinds
	securityIndex    = 4  // of the security directory
	directorySize    = 8
	maxHeaderOffset  = 16 << 20 // of the PE header: no linker comes near it
	magic32, magic64 = 0x10b, 0x20b
)

// header is the part of the headers that does not depend on the size of the file.
type header struct {
	checksum, directory int64
	table, tableSize    int64
	end                 int64 // of the optional header
}

// Parse reads the headers of an image of size bytes. Its errors wrap ErrNotPE, ErrMalformed, or are r's.
func Parse(r io.ReaderAt, size int64) (Layout, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return Layout{}, err
	}
	l := Layout{Size: size, Checksum: h.checksum, Directory: h.directory, Table: size}
	if h.table == 0 && h.tableSize == 0 {
		return l, nil
	}
	end := h.directory + directorySize
	switch {
	case h.tableSize == 0:
		return Layout{}, fmt.Errorf("%w: the security directory points to %d and is empty", ErrMalformed, h.table)
	case h.table < end:
		return Layout{}, fmt.Errorf("%w: the certificate table at %d lies within the headers", ErrMalformed, h.table)
	case h.table > size || h.tableSize > size-h.table:
		return Layout{}, fmt.Errorf("%w: the certificate table (%d bytes at %d) reaches beyond the file of %d bytes",
			ErrMalformed, h.tableSize, h.table, size)
	}
	l.Table, l.TableSize = h.table, h.tableSize
	return l, nil
}

// readHeader follows the headers as far as the security directory.
func readHeader(r io.ReaderAt, size int64) (header, error) {
	var dos [dosHeaderSize]byte
	if size < dosHeaderSize {
		return header{}, ErrNotPE
	}
	if err := readAt(r, dos[:], 0); err != nil {
		return header{}, err
	}
	at := int64(binary.LittleEndian.Uint32(dos[60:]))
	if dos[0] != 'M' || dos[1] != 'Z' || at < 4 || at > size-coffHeaderSize {
		return header{}, ErrNotPE
	}
	var coff [coffHeaderSize]byte
	if err := readAt(r, coff[:], at); err != nil {
		return header{}, err
	}
	if string(coff[:4]) != "PE\x00\x00" {
		return header{}, ErrNotPE
	}
	if at > maxHeaderOffset {
		return header{}, fmt.Errorf("%w: its header begins at byte %d only", ErrMalformed, at)
	}
	optional := int64(binary.LittleEndian.Uint16(coff[20:]))
	return readOptional(r, at+coffHeaderSize, optional, size)
}

// readOptional reads the optional header of length bytes at offset at.
func readOptional(r io.ReaderAt, at, length, size int64) (header, error) {
	buf := make([]byte, min(length, 256))
	if length > size-at {
		return header{}, fmt.Errorf("%w: its optional header of %d bytes reaches beyond the file", ErrMalformed, length)
	}
	if err := readAt(r, buf, at); err != nil {
		return header{}, err
	}
	if len(buf) < checksumOffset+4 {
		return header{}, fmt.Errorf("%w: its optional header has %d bytes only", ErrMalformed, length)
	}
	var directories int // offset of the data directories in the optional header
	switch magic := binary.LittleEndian.Uint16(buf); magic {
	case magic32:
		directories = 96
	case magic64:
		directories = 112
	default:
		return header{}, fmt.Errorf("%w: unknown kind of optional header %#x", ErrMalformed, magic)
	}
	h := header{checksum: at + checksumOffset, end: at + length}
	if len(buf) < directories {
		return header{}, fmt.Errorf("%w: its optional header has %d bytes only", ErrMalformed, length)
	}
	if count := binary.LittleEndian.Uint32(buf[directories-4:]); count <= securityIndex {
		return h, nil
	}
	entry := directories + securityIndex*directorySize
	if len(buf) < entry+directorySize {
		return header{}, fmt.Errorf("%w: its optional header of %d bytes has no room for its data directories", ErrMalformed, length)
	}
	h.directory = at + int64(entry)
	h.table = int64(binary.LittleEndian.Uint32(buf[entry:]))
	h.tableSize = int64(binary.LittleEndian.Uint32(buf[entry+4:]))
	return h, nil
}

// readAt fills b from r at offset off. Where r ends early, the caller was told a wrong size.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)
}
