package cfb

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// Kind is what a directory entry stands for (section 2.6.1).
type Kind uint8

// Kinds of entries; 0 is an unused one.
const (
	Storage Kind = 1
	Stream  Kind = 2
	Root    Kind = 5
)

const noEntry = 0xffffffff // where a tree ends

// Entry is a storage or a stream.
type Entry struct {
	Number   int      // in the directory
	Kind     Kind     // Storage, Stream or Root
	Units    []uint16 // its name, UTF-16 without the terminator; 1 to 31 units
	CLSID    [16]byte // as it stands in the file; of streams all zero
	State    uint32   // user-defined bits
	Created  uint64   // FILETIME: units of 100 ns since 1601
	Modified uint64   // FILETIME
	Size     int64    // bytes of a stream; of the root, bytes of the mini stream
	Children []*Entry // of a storage or the root, in the order of the tree

	left, right, child uint32
	start              uint32
	content            *Content
}

// Name returns the name as text; halves of surrogate pairs become U+FFFD.
func (e *Entry) Name() string { return string(utf16.Decode(e.Units)) }

// NameBytes returns the name in UTF-16, little endian, without the terminator.
func (e *Entry) NameBytes() []byte {
	b := make([]byte, 0, 2*len(e.Units))
	for _, u := range e.Units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// readDirectory reads every directory entry (section 2.6).
func (f *File) readDirectory() error {
	want := int64(-1)
	if f.Version == 4 {
		want = int64(f.header.directorySectors)
	}
	runs, err := f.chain(f.header.directory, want, ownedByDirectory, false)
	if err != nil {
		return err
	}
	perSector := int(f.SectorSize / entrySize)
	b := make([]byte, f.SectorSize)
	for _, r := range runs {
		for sector := r.first; sector < r.first+r.count; sector++ {
			if err := f.readFull(b, f.offset(sector)); err != nil {
				return err
			}
			for i := range perSector {
				offset := f.offset(sector) + int64(i*entrySize)
				if err := f.readEntry(b[i*entrySize:(i+1)*entrySize], offset); err != nil {
					return err
				}
			}
		}
	}
	if len(f.table) == 0 || f.table[0] == nil || f.table[0].Kind != Root {
		return malformed("the directory does not begin with the root")
	}
	f.Root = f.table[0]
	return nil
}

// readEntry appends one entry, or nil for an unused one, to the table.
func (f *File) readEntry(b []byte, offset int64) error {
	if len(f.table) == maxEntries {
		return malformed("more than %d directory entries", maxEntries)
	}
	e := &Entry{Number: len(f.table), Kind: Kind(b[66])}
	f.table = append(f.table, nil)
	if e.Kind == 0 {
		// Its three references to other entries are "none", or zero.
		f.spares(b, offset, "unused directory entries", span{0, 68}, span{80, entrySize})
		f.unusedReferences(b[68:80], offset+68)
		return nil
	}
	if e.Kind != Storage && e.Kind != Stream && (e.Kind != Root || e.Number != 0) {
		return malformed("directory entry %d is of type %d", e.Number, e.Kind)
	}
	if err := e.readName(b); err != nil {
		return err
	}
	le := binary.LittleEndian
	if b[67] > 1 {
		return malformed("directory entry %d has the colour %d", e.Number, b[67])
	}
	e.left, e.right, e.child = le.Uint32(b[68:]), le.Uint32(b[72:]), le.Uint32(b[76:])
	e.CLSID = [16]byte(b[80:])
	e.State, e.Created, e.Modified = le.Uint32(b[96:]), le.Uint64(b[100:]), le.Uint64(b[108:])
	e.start = le.Uint32(b[116:])
	if err := f.readSize(e, b, offset); err != nil {
		return err
	}
	f.spares(b, offset, "directory entries behind the names", span{2*len(e.Units) + 2, 64})
	f.table[e.Number] = e
	return nil
}

func (f *File) unusedReferences(b []byte, offset int64) {
	for i := 0; i < len(b); i += 4 {
		if binary.LittleEndian.Uint32(b[i:]) != noEntry {
			f.spares(b, offset, "unused directory entries", span{i, i + 4})
		}
	}
}

// readName reads the name and its length (section 2.6.1): 1 to 31 units and a terminator.
func (e *Entry) readName(b []byte) error {
	n := int(binary.LittleEndian.Uint16(b[64:]))
	if n < 4 || n > 64 || n%2 != 0 {
		return malformed("directory entry %d has a name of %d bytes", e.Number, n)
	}
	e.Units = make([]uint16, n/2-1)
	for i := range e.Units {
		u := binary.LittleEndian.Uint16(b[2*i:])
		if u == 0 || u == '/' || u == '\\' || u == ':' || u == '!' {
			return malformed("the name of directory entry %d has the character %q", e.Number, rune(u))
		}
		e.Units[i] = u
	}
	if b[n-2] != 0 || b[n-1] != 0 {
		return malformed("the name of directory entry %d has no end", e.Number)
	}
	return nil
}

// readSize reads the size. In version 3 its upper half means nothing (section 2.6.1), and is left to be accounted for.
// A storage has no bytes of its own.
func (f *File) readSize(e *Entry, b []byte, offset int64) error {
	size := binary.LittleEndian.Uint64(b[120:])
	if f.Version == 3 {
		f.spares(b, offset, "the upper half of sizes", span{124, 128})
		size &= 0xffffffff
	}
	if e.Kind == Storage {
		end := 128
		if f.Version == 3 {
			end = 124
		}
		f.spares(b, offset, "start and size of storages", span{116, end})
		return nil
	}
	if size > uint64(f.Size) {
		return malformed("directory entry %d has %d bytes, the whole file %d", e.Number, size, f.Size)
	}
	e.Size = int64(size)
	if e.Kind == Stream && (e.child != noEntry || e.CLSID != [16]byte{}) {
		return malformed("directory entry %d is a stream with the attributes of a storage", e.Number)
	}
	return nil
}

// label names an entry for people.
func (e *Entry) label() string { return fmt.Sprintf("directory entry %d", e.Number) }
