// Package cfb reads compound files ([MS-CFB] "Compound File Binary File Format", versions 3 and 4), in which Windows
// Installer keeps its databases: a file system of storages and streams inside one file.
//
// It is stricter than Windows, since a file that two readers understand differently is a hiding place: every chain has
// exactly the length that its stream declares, every sector has at most one owner, the directory is one tree in the
// order that the specification demands. And it accounts for every byte: what no structure uses is reported as Residue.
package cfb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrNotCompound says that the content does not begin as a compound file does.
var ErrNotCompound = errors.New("no compound file")

// ErrMalformed marks what contradicts the specification or itself. Other errors of this package are those of reading.
var ErrMalformed = errors.New("malformed compound file")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Magic is what a compound file begins with (section 2.2).
const Magic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// Special sector numbers (section 2.1).
const (
	maxRegular = 0xfffffffa
	difatMark  = 0xfffffffc
	fatMark    = 0xfffffffd
	endOfChain = 0xfffffffe
	free       = 0xffffffff
)

const (
	headerSize  = 512  // bytes that version 3 and 4 have in common
	inHeader    = 109  // FAT sectors that the header lists
	miniSector  = 64   // bytes
	miniCutoff  = 4096 // bytes from which on a stream does not lie in the mini stream
	entrySize   = 128  // bytes of a directory entry
	maxEntries  = 1 << 17
	maxDepth    = 32      // storages inside storages
	maxSectors  = 1 << 24 // of one file; 8 GiB in sectors of 512 bytes
	firstSector = 1       // the header takes the place of a sector
)

// File is an open compound file. It may be used by several goroutines at once.
type File struct {
	Version    int   // 3 or 4
	SectorSize int64 // bytes: 512 in version 3, 4096 in version 4
	Size       int64 // bytes of the whole file
	Root       *Entry
	// Entries are all storages and streams, the root first, those of one storage together in the order of its tree.
	Entries []*Entry

	r       io.ReaderAt
	header  header
	sectors int       // that lie in the file at least in part
	fat     []uint32  // what follows each sector
	owners  []owner   // by sector
	miniFAT []uint32  // what follows each mini sector
	minis   []owner   // by mini sector
	table   []*Entry  // the directory by number; nil where an entry is unused
	spare   []Residue // in the structures
}

// owner says what a sector is used for: one of the constants, or the number of a directory entry plus ownedByEntry.
type owner int32

const (
	nobody owner = iota
	ownedByFAT
	ownedByDIFAT
	ownedByDirectory
	ownedByMiniFAT
	ownedByEntry
)

// header is the part of the first sector that says something (section 2.2).
type header struct {
	fatSectors, directorySectors uint32
	directory, miniFAT, difat    uint32 // first sectors
	miniFATSectors, difatSectors uint32
	listed                       [inHeader]uint32
}

// Open reads the structure of a compound file of size bytes, but no stream. What is wrong with it matches ErrMalformed
// or ErrNotCompound.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, Size: size}
	for _, step := range []func() error{f.readHeader, f.readFAT, f.readDirectory, f.buildTree, f.readMiniFAT, f.claimStreams, f.checkOrphans} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *File) readHeader() error {
	b := make([]byte, headerSize)
	if f.Size < headerSize {
		return ErrNotCompound
	}
	if err := f.readFull(b, 0); err != nil {
		return err
	}
	if string(b[:len(Magic)]) != Magic {
		return ErrNotCompound
	}
	le := binary.LittleEndian
	shift := le.Uint16(b[30:])
	f.Version = int(le.Uint16(b[26:]))
	switch {
	case f.Version != 3 && f.Version != 4:
		return malformed("version %d", f.Version)
	case le.Uint16(b[28:]) != 0xfffe:
		return malformed("byte order mark %#x", le.Uint16(b[28:]))
	case f.Version == 3 && shift != 9 || f.Version == 4 && shift != 12:
		return malformed("sectors of 2^%d bytes in version %d", shift, f.Version)
	case le.Uint16(b[32:]) != 6 || le.Uint32(b[56:]) != miniCutoff:
		return malformed("mini sectors of 2^%d bytes for streams below %d bytes", le.Uint16(b[32:]), le.Uint32(b[56:]))
	}
	f.SectorSize = 1 << shift
	f.header = header{
		directorySectors: le.Uint32(b[40:]), fatSectors: le.Uint32(b[44:]), directory: le.Uint32(b[48:]),
		miniFAT: le.Uint32(b[60:]), miniFATSectors: le.Uint32(b[64:]), difat: le.Uint32(b[68:]), difatSectors: le.Uint32(b[72:]),
	}
	for i := range f.header.listed {
		f.header.listed[i] = le.Uint32(b[76+4*i:])
	}
	if f.Version == 3 && f.header.directorySectors != 0 {
		return malformed("%d directory sectors counted in version 3, where the field is reserved", f.header.directorySectors)
	}
	f.spares(b, 0, "reserved fields of the header", span{8, 24}, span{34, 40})
	return f.countSectors()
}

// countSectors finds out how many sectors the file has, and looks at what fills the header up to a whole one.
func (f *File) countSectors() error {
	n := (f.Size - 1) / f.SectorSize
	if n < 1 {
		return malformed("%d bytes, which is no more than a header", f.Size)
	}
	if n > maxSectors {
		return malformed("%d sectors, more than %d", n, maxSectors)
	}
	f.sectors = int(n)
	f.owners = make([]owner, f.sectors)
	if f.SectorSize == headerSize {
		return nil
	}
	b := make([]byte, f.SectorSize-headerSize)
	if err := f.readFull(b, headerSize); err != nil {
		return err
	}
	f.spares(b, headerSize, "reserved fields of the header", span{0, len(b)})
	return nil
}

// offset returns where in the file a sector begins, in bytes.
func (f *File) offset(sector int) int64 { return int64(sector+firstSector) * f.SectorSize }

// sectorBytes returns how many bytes of a sector lie in the file: all of them, except perhaps of the last.
func (f *File) sectorBytes(sector int) int64 { return min(f.SectorSize, f.Size-f.offset(sector)) }

// claim gives a sector to an owner. It must exist whole in the file unless partial, and have no owner yet.
func (f *File) claim(sector uint32, o owner, partial bool) error {
	if sector >= maxRegular || int64(sector) >= int64(f.sectors) {
		return malformed("sector %#x of %s does not exist: the file has %d", sector, f.ownerName(o), f.sectors)
	}
	if f.owners[sector] != nobody {
		return malformed("sector %d belongs to %s and to %s", sector, f.ownerName(f.owners[sector]), f.ownerName(o))
	}
	if !partial && f.sectorBytes(int(sector)) < f.SectorSize {
		return malformed("sector %d of %s lies only in part in the file", sector, f.ownerName(o))
	}
	f.owners[sector] = o
	return nil
}

func (f *File) ownerName(o owner) string {
	switch o {
	case nobody:
		return "nobody"
	case ownedByFAT:
		return "the FAT"
	case ownedByDIFAT:
		return "the DIFAT"
	case ownedByDirectory:
		return "the directory"
	case ownedByMiniFAT:
		return "the mini FAT"
	case ownedByEntry:
		return "the mini stream"
	}
	return fmt.Sprintf("directory entry %d", o-ownedByEntry)
}

// Owner says who uses a sector, for people; "nobody" if it is no structure's and no stream's. Sectors are counted from
// 0, the one after the header.
func (f *File) Owner(sector int) string {
	if sector < 0 || sector >= len(f.owners) {
		return "nobody"
	}
	return f.ownerName(f.owners[sector])
}

// Sectors returns how many sectors after the header lie in the file, the last one perhaps in part.
func (f *File) Sectors() int { return f.sectors }

// readFull reads all of b at a place that is known to lie in the file.
func (f *File) readFull(b []byte, offset int64) error {
	n, err := f.r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(b), offset, err)
}

// run is a row of sectors that follow each other.
type run struct{ first, count int }

// chain follows the FAT from first and claims every sector for o. It must have exactly want sectors; want < 0 is as
// many as there are. The last sector may lie in the file only in part if partial.
func (f *File) chain(first uint32, want int64, o owner, partial bool) ([]run, error) {
	var runs []run
	n := int64(0)
	at := first
	for ; at != endOfChain; n++ {
		if n == want {
			return nil, malformed("the chain of %s goes on after its %d sectors", f.ownerName(o), want)
		}
		if err := f.claim(at, o, partial); err != nil {
			return nil, err
		}
		if l := len(runs) - 1; l >= 0 && runs[l].first+runs[l].count == int(at) {
			runs[l].count++
		} else {
			runs = append(runs, run{int(at), 1})
		}
		if int64(at) >= int64(len(f.fat)) {
			return nil, malformed("sector %d of %s is beyond the FAT", at, f.ownerName(o))
		}
		at = f.fat[at]
	}
	if want >= 0 && n != want {
		return nil, malformed("the chain of %s has %d sectors instead of %d", f.ownerName(o), n, want)
	}
	return runs, nil
}

// sectorsFor returns how many units hold size bytes.
func sectorsFor(size, unit int64) int64 {
	if size > math.MaxInt64-unit {
		return math.MaxInt64
	}
	return (size + unit - 1) / unit
}

// ReadRaw reads all of b from offset in the file, whoever owns what is there.
func (f *File) ReadRaw(b []byte, offset int64) error {
	if offset < 0 || offset > f.Size-int64(len(b)) {
		return io.ErrUnexpectedEOF
	}
	return f.readFull(b, offset)
}
