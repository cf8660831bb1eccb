package unpack

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/ulikunitz/xz/lzma"
)

// Errors of readSevenZip. Others are the reader's.
var (
	errSevenZipMalformed = errors.New("malformed 7z archive")
	errSevenZipUnknown   = errors.New("not supported or beyond the limits")
)

func sevenZipBad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errSevenZipMalformed, fmt.Sprintf(format, args...))
}

func sevenZipUnknown(format string, args ...any) error {
	return fmt.Errorf("%s (%w)", fmt.Sprintf(format, args...), errSevenZipUnknown)
}

// Limits of a 7z archive.
const (
	maxSevenZipHeader  = 16 << 20  // bytes, packed and unpacked
	maxSevenZipMemory  = 192 << 20 // bytes that the dictionaries of one folder need
	maxSevenZipTotal   = 8 << 30   // of all folders, one after the other
	maxSevenZipFolders = 4096
	maxSevenZipCoders  = 8
	maxSevenZipStreams = 16 // of one folder
	maxSevenZipFiles   = 200_000
	sevenZipStart      = 32 // bytes before the content
)

// sevenZip is what the headers of an archive say, checked.
type sevenZip struct {
	end     int64 // of the archive in the file
	folders []sevenZipFolder
	files   []sevenZipFile
	owned   [][2]int64 // stretches of the file that something in the headers owns
}

// own notes a stretch of the content, which begins after the start header.
func (a *sevenZip) own(from, size uint64) {
	a.owned = append(a.owned, [2]int64{sevenZipStart + int64(from), sevenZipStart + int64(from+size)})
}

// gaps returns the stretches that nothing owns; ok is false where one is owned twice.
func (a *sevenZip) gaps() (gaps [][2]int64, ok bool) {
	slices.SortFunc(a.owned, func(x, y [2]int64) int { return cmp.Compare(x[0], y[0]) })
	at := int64(sevenZipStart)
	for _, o := range a.owned {
		switch {
		case o[0] == o[1]:
			continue
		case o[0] < at:
			return nil, false
		case o[0] > at:
			gaps = append(gaps, [2]int64{at, o[0]})
		}
		at = o[1]
	}
	return gaps, true
}

// sevenZipFolder is one stream of files.
type sevenZipFolder struct {
	size   uint64 // unpacked
	packed int    // streams
	memory uint64 // bytes of dictionaries
	unread string // why it cannot be unpacked
	files  int
	sum    uint32
	hasSum bool
}

// sevenZipFile is one file or folder of the archive.
type sevenZipFile struct {
	name      string
	size      int64
	directory bool
	empty     bool
	link      bool
	sum       uint32
	hasSum    bool
	unread    string
}

// readSevenZip reads the start header and the header that it points to.
func readSevenZip(r io.ReaderAt, size int64) (*sevenZip, error) {
	if size < sevenZipStart {
		return nil, sevenZipBad("it has %d bytes", size)
	}
	var b [sevenZipStart]byte
	if err := readFull(r, b[:], 0); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(b[:6]) != sevenZipMagic || crc32.ChecksumIEEE(b[12:]) != le.Uint32(b[8:]) {
		return nil, sevenZipBad("the checksum of its start is wrong")
	}
	offset, length := le.Uint64(b[12:]), le.Uint64(b[20:])
	rest := uint64(size - sevenZipStart)
	if offset > rest || length > rest-offset {
		return nil, sevenZipBad("its header of %d bytes at %d reaches beyond the file", length, offset)
	}
	a := &sevenZip{end: sevenZipStart + int64(offset+length)}
	if length == 0 {
		return a, nil
	}
	a.own(offset, length)
	if length > maxSevenZipHeader {
		return nil, sevenZipUnknown("its header has %d bytes", length)
	}
	header := make([]byte, length)
	if err := readFull(r, header, sevenZipStart+int64(offset)); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(header) != le.Uint32(b[28:]) {
		return nil, sevenZipBad("the checksum of its header is wrong")
	}
	return a, a.readHeader(r, header, offset)
}

// readHeader reads a plain header, or unpacks one that is packed, once.
func (a *sevenZip) readHeader(r io.ReaderAt, header []byte, limit uint64) error {
	p := &sevenZipParser{b: header, limit: limit}
	switch id := p.byte(); {
	case p.err != nil:
	case id == szHeader:
		p.header(a)
	case id == szEncodedHeader:
		p.streams()
		if p.err == nil && len(p.b) > 0 {
			p.bad("%d bytes follow the header", len(p.b))
		}
		if p.err != nil {
			return p.err
		}
		p.ownStreams(a)
		plain, err := p.unpackHeader(r)
		if err != nil {
			return err
		}
		if len(plain) == 0 || plain[0] != szHeader {
			return sevenZipBad("what is unpacked is no header")
		}
		p = &sevenZipParser{b: plain[1:], limit: limit}
		p.header(a)
	default:
		p.bad("a header of kind %d", id)
	}
	return p.err
}

// ownStreams notes where the packed streams lie.
func (p *sevenZipParser) ownStreams(a *sevenZip) {
	total := uint64(0)
	for _, size := range p.packs {
		total += size
	}
	a.own(p.packAt, total)
}

// unpackHeader unpacks a header that is one LZMA stream, as 7-Zip writes it.
func (p *sevenZipParser) unpackHeader(r io.ReaderAt) ([]byte, error) {
	if len(p.folders) != 1 || len(p.packs) != 1 {
		return nil, sevenZipUnknown("its header is packed in %d streams", len(p.packs))
	}
	f := p.folders[0]
	switch {
	case f.unread != "":
		return nil, sevenZipUnknown("its list of files: %s", f.unread)
	case f.size > maxSevenZipHeader:
		return nil, sevenZipUnknown("its header unpacks to %d bytes", f.size)
	case len(p.lzma) != 5:
		return nil, sevenZipUnknown("its header is packed in a way that is not LZMA")
	}
	packed := make([]byte, p.packs[0])
	if err := readFull(r, packed, sevenZipStart+int64(p.packAt)); err != nil {
		return nil, err
	}
	classic := binary.LittleEndian.AppendUint64(bytes.Clone(p.lzma), f.size)
	in, err := lzma.NewReader(io.MultiReader(bytes.NewReader(classic), bytes.NewReader(packed)))
	if err != nil {
		return nil, sevenZipBad("its packed header: %s", err)
	}
	plain := make([]byte, f.size)
	if _, err := io.ReadFull(in, plain); err != nil {
		return nil, sevenZipBad("its packed header: %s", err)
	}
	if f.hasSum && crc32.ChecksumIEEE(plain) != f.sum {
		return nil, sevenZipBad("the checksum of its packed header is wrong")
	}
	return plain, nil
}
