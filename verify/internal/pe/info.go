package pe

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Indices of data directories (Microsoft PE and COFF Specification, Optional Header Data Directories).
const (
	importIndex   = 1
	resourceIndex = 2
	debugIndex    = 6
	delayIndex    = 13
)

// Limits of what ReadInfo reads.
const (
	maxSections     = 96 // the loader's own limit
	sectionHeader   = 40
	maxDirectories  = 16
	maxDebugEntries = 64
	debugEntry      = 28
	debugRepro      = 16 // IMAGE_DEBUG_TYPE_REPRO
	fileDLL         = 0x2000
)

// Info is what a program's headers say of it besides its signature.
type Info struct {
	Machine         uint16
	Characteristics uint16 // of the file header
	// TimeDateStamp is when it was linked, in seconds since 1970, or a hash where Reproducible is set.
	TimeDateStamp uint32
	// Reproducible says that the linker was told to leave times out: TimeDateStamp is none.
	Reproducible bool
	PE32Plus     bool
	Sections     []Section
	// OverlayAt is where the data of the last section ends in the file; what lies between there and the certificate
	// table is the overlay. It is at most the file's size.
	OverlayAt int64

	base        uint32 // the lower half of the address at which it wants to be loaded
	directories [maxDirectories]directory
	size        int64
}

// Section is one section of an image.
type Section struct {
	Name            string
	VirtualAddress  uint32
	VirtualSize     uint32
	Offset, Size    int64 // of its data in the file, cut off at the file's end
	Characteristics uint32
}

type directory struct{ address, size uint32 }

// IsDLL reports whether the image is a library.
func (i *Info) IsDLL() bool { return i.Characteristics&fileDLL != 0 }

// ReadInfo reads headers, section table and debug directory of an image of size bytes. Errors wrap ErrNotPE, ErrMalformed,
// or are r's. A section that reaches beyond the file is no error: its data is what there is of it.
func ReadInfo(r io.ReaderAt, size int64) (*Info, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	i := &Info{size: size}
	sections, err := i.readCOFF(r)
	if err != nil {
		return nil, err
	}
	if err := i.readDirectories(r, h); err != nil {
		return nil, err
	}
	if err := i.readSections(r, h.end, sections); err != nil {
		return nil, err
	}
	return i, i.readDebug(r)
}

func (i *Info) readCOFF(r io.ReaderAt) (sections int, err error) {
	var dos [4]byte
	if err := readAt(r, dos[:], 60); err != nil {
		return 0, err
	}
	var coff [coffHeaderSize]byte
	if err := readAt(r, coff[:], int64(binary.LittleEndian.Uint32(dos[:]))); err != nil {
		return 0, err
	}
	i.Machine = binary.LittleEndian.Uint16(coff[4:])
	i.TimeDateStamp = binary.LittleEndian.Uint32(coff[8:])
	i.Characteristics = binary.LittleEndian.Uint16(coff[22:])
	sections = int(binary.LittleEndian.Uint16(coff[6:]))
	if sections > maxSections {
		return 0, fmt.Errorf("%w: %d sections", ErrMalformed, sections)
	}
	return sections, nil
}

// readDirectories reads as many data directories as there are in the optional header.
func (i *Info) readDirectories(r io.ReaderAt, h header) error {
	at := h.checksum - checksumOffset
	b := make([]byte, min(h.end-at, 240))
	if err := readAt(r, b, at); err != nil {
		return err
	}
	first := 96
	if i.PE32Plus = binary.LittleEndian.Uint16(b) == magic64; i.PE32Plus {
		first = 112
		i.base = binary.LittleEndian.Uint32(b[24:])
	} else {
		i.base = binary.LittleEndian.Uint32(b[28:])
	}
	count := int(min(binary.LittleEndian.Uint32(b[first-4:]), maxDirectories))
	for n := range count {
		entry := first + n*directorySize
		if entry+directorySize > len(b) {
			break
		}
		i.directories[n] = directory{binary.LittleEndian.Uint32(b[entry:]), binary.LittleEndian.Uint32(b[entry+4:])}
	}
	return nil
}

func (i *Info) readSections(r io.ReaderAt, at int64, count int) error {
	if int64(count*sectionHeader) > i.size-at {
		return fmt.Errorf("%w: %d section headers at %d reach beyond the file", ErrMalformed, count, at)
	}
	b := make([]byte, count*sectionHeader)
	if err := readAt(r, b, at); err != nil {
		return err
	}
	i.OverlayAt = at + int64(len(b))
	for ; len(b) > 0; b = b[sectionHeader:] {
		s := Section{
			Name:            strings.TrimRight(string(b[:8]), "\x00"),
			VirtualSize:     binary.LittleEndian.Uint32(b[8:]),
			VirtualAddress:  binary.LittleEndian.Uint32(b[12:]),
			Characteristics: binary.LittleEndian.Uint32(b[36:]),
		}
		size, offset := int64(binary.LittleEndian.Uint32(b[16:])), int64(binary.LittleEndian.Uint32(b[20:]))
		if s.Offset = min(offset, i.size); size > 0 {
			s.Size = min(size, i.size-s.Offset)
			i.OverlayAt = max(i.OverlayAt, s.Offset+s.Size)
		}
		i.Sections = append(i.Sections, s)
	}
	return nil
}

// readDebug looks for the mark of a reproducible build.
func (i *Info) readDebug(r io.ReaderAt) error {
	d := i.directories[debugIndex]
	n := min(int64(d.size), maxDebugEntries*debugEntry) / debugEntry * debugEntry
	at, left := i.offset(d.address)
	if n = min(n, left/debugEntry*debugEntry); n == 0 {
		return nil
	}
	b := make([]byte, n)
	if err := readAt(r, b, at); err != nil {
		return err
	}
	for ; len(b) > 0; b = b[debugEntry:] {
		if binary.LittleEndian.Uint32(b[12:]) == debugRepro {
			i.Reproducible = true
		}
	}
	return nil
}

// offset translates a relative virtual address to an offset in the file, with how many bytes of the same section's data
// follow from there; 0, 0 if the file holds nothing there.
func (i *Info) offset(address uint32) (at, left int64) {
	for _, s := range i.Sections {
		if address < s.VirtualAddress {
			continue
		}
		if into := int64(address - s.VirtualAddress); into < s.Size {
			return s.Offset + into, s.Size - into
		}
	}
	return 0, 0
}

// Section returns the first section of that name, nil if there is none.
func (i *Info) Section(name string) *Section {
	for n := range i.Sections {
		if i.Sections[n].Name == name {
			return &i.Sections[n]
		}
	}
	return nil
}

// HasImports reports whether the image has an import directory, as every ordinary program has.
func (i *Info) HasImports() bool { return i.directories[importIndex].size > 0 }
