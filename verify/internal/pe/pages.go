package pe

import (
	"bytes"
	"context"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// PageSize is the usual size of a page in bytes; images aligned otherwise in memory have pages of their alignment.
const PageSize = 4096

// ErrPages is wrapped where an image has no pages that could be told apart: its sections overlap, reach beyond the file,
// or are aligned in a way that no linker knows.
var ErrPages = errors.New("the image has no pages to be hashed")

// Pages is where the pages of an image lie, as its page hashes count them: the headers, then each section.
type Pages struct {
	layout   Layout
	headers  int64 // bytes of headers
	size     int64 // bytes of a page
	sections []section
}

type section struct{ at, size int64 }

// ReadPages reads the section headers. size is that of a page; 0 means the alignment of the sections in memory. Errors
// wrap ErrPages, or are r's.
func ReadPages(r io.ReaderAt, l Layout, size int64) (*Pages, error) {
	var word [4]byte
	if err := readAt(r, word[:], 60); err != nil {
		return nil, err
	}
	at := int64(binary.LittleEndian.Uint32(word[:]))
	head := make([]byte, coffHeaderSize+checksumOffset)
	if err := readAt(r, head, at); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	p := &Pages{layout: l, headers: int64(le.Uint32(head[coffHeaderSize+60:])), size: size}
	if size == 0 {
		p.size = int64(le.Uint32(head[coffHeaderSize+32:]))
	}
	table := make([]byte, 40*int(le.Uint16(head[6:])))
	at += coffHeaderSize + int64(le.Uint16(head[20:]))
	if at+int64(len(table)) > l.Table {
		return nil, fmt.Errorf("%w: its section headers reach beyond the file", ErrPages)
	}
	if err := readAt(r, table, at); err != nil {
		return nil, err
	}
	for ; len(table) > 0; table = table[40:] {
		if s := (section{at: int64(le.Uint32(table[20:])), size: int64(le.Uint32(table[16:]))}); s.size > 0 {
			p.sections = append(p.sections, s)
		}
	}
	return p, p.check()
}

// check bounds what hashing costs: no byte of the file is hashed twice, and padding is no more than the file.
func (p *Pages) check() error {
	if p.size < 512 || p.size > 4<<20 || p.size&(p.size-1) != 0 {
		return fmt.Errorf("%w: its sections are aligned to %d bytes", ErrPages, p.size)
	}
	if p.headers > p.size || p.headers < p.layout.Directory+directorySize || p.headers > p.layout.Table {
		return fmt.Errorf("%w: its headers have %d bytes", ErrPages, p.headers)
	}
	total, padded := int64(0), int64(0)
	for _, s := range p.sections {
		if s.at > p.layout.Table || s.size > p.layout.Table-s.at {
			return fmt.Errorf("%w: a section of %d bytes at %d reaches beyond the file", ErrPages, s.size, s.at)
		}
		total += s.size
		padded += (s.size + p.size - 1) / p.size * p.size
	}
	if total > p.layout.Table || padded > 2*p.layout.Table+16<<20 {
		return fmt.Errorf("%w: its sections are larger than the file", ErrPages)
	}
	return nil
}

// Count returns how many entries the table of the image's page hashes has, the last of which only marks the end.
func (p *Pages) Count() int64 {
	n := int64(2)
	for _, s := range p.sections {
		n += (s.size + p.size - 1) / p.size
	}
	return n
}

// Check compares a table of page hashes with the image: for each page its offset in the file (4 bytes, little endian)
// and its digest; at the end the offset where the last section ends and a digest of zeros. It returns the offset of the
// first page that differs, and -1 if none does.
func (p *Pages) Check(ctx context.Context, r io.ReaderAt, f crypto.Hash, table []byte) (int64, error) {
	width := 4 + f.Size()
	if int64(len(table)) != p.Count()*int64(width) {
		return 0, nil
	}
	c := checker{table: table, width: width, hash: f.New()}
	buf := make([]byte, p.size)
	page := func(at, size int64, uncovered bool) (bool, error) {
		clear(buf[size:])
		if err := readAt(r, buf[:size], at); err != nil {
			return false, err
		}
		c.hash.Reset()
		if uncovered {
			p.writeHeaders(c.hash, buf)
		} else {
			c.hash.Write(buf)
		}
		return c.next(at, c.hash.Sum(nil)), ctx.Err()
	}
	if ok, err := page(0, p.headers, true); !ok || err != nil {
		return 0, err
	}
	last := int64(0)
	for _, s := range p.sections {
		for at := s.at; at < s.at+s.size; at += p.size {
			if ok, err := page(at, min(p.size, s.at+s.size-at), false); !ok || err != nil {
				return at, err
			}
		}
		last = s.at + s.size
	}
	if !c.next(last, make([]byte, f.Size())) {
		return last, nil
	}
	return -1, nil
}

// writeHeaders hashes the page of the headers without the fields that the image digest leaves out too.
func (p *Pages) writeHeaders(h hash.Hash, page []byte) {
	NewFilter(Layout{Checksum: p.layout.Checksum, Directory: p.layout.Directory, Table: p.size}, func(b []byte) { h.Write(b) }).Write(page)
}

// checker walks through a table.
type checker struct {
	table []byte
	width int
	hash  hash.Hash
}

func (c *checker) next(at int64, sum []byte) bool {
	entry := c.table[:c.width]
	c.table = c.table[c.width:]
	return int64(binary.LittleEndian.Uint32(entry)) == at && bytes.Equal(entry[4:], sum)
}
