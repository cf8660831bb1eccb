package zipfile

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/sallyport-project/sallyport/verify"
)

var le = binary.LittleEndian

const (
	endSize     = 22
	locatorSize = 20
	zip64Size   = 56 // of a Zip64 end record without extensible data
	maxComment  = math.MaxUint16
	maxZip64End = 64 << 10 // bytes of a Zip64 end record
)

var (
	endMark     = []byte("PK\x05\x06")
	locatorMark = []byte("PK\x06\x07")
	zip64Mark   = []byte("PK\x06\x06")
)

// end is what the end record, or the Zip64 one in its place, says.
type end struct {
	disk, directoryDisk uint32
	onDisk, count       uint64
	size, offset        uint64
}

// readEnd finds the end record and what it leads to, and returns how many entries there should be.
func (f *File) readEnd() (uint64, error) {
	tail := make([]byte, min(f.Size, endSize+maxComment))
	start := f.Size - int64(len(tail))
	if err := f.readAt(tail, start); err != nil {
		return 0, err
	}
	at, err := f.chooseEnd(tail, start)
	if err != nil {
		return 0, err
	}
	f.End = start + int64(at)
	record := tail[at:]
	copy(f.EndRecord[:], record)
	comment := int(le.Uint16(record[20:]))
	f.Comment = bytes.Clone(record[endSize : endSize+comment])
	e := end{
		disk: uint32(le.Uint16(record[4:])), directoryDisk: uint32(le.Uint16(record[6:])),
		onDisk: uint64(le.Uint16(record[8:])), count: uint64(le.Uint16(record[10:])),
		size: uint64(le.Uint32(record[12:])), offset: uint64(le.Uint32(record[16:])),
	}
	before := f.End
	if err := f.readZip64(&e); err != nil {
		return 0, err
	}
	if f.Zip64 != nil {
		before = f.Zip64.Offset
	}
	return e.count, f.place(e, before)
}

// chooseEnd returns where in tail the end record stands. Readers look backwards for its mark, and some of them believe
// one that the comment of another contains, or one whose comment does not end with the file.
func (f *File) chooseEnd(tail []byte, start int64) (int, error) {
	chosen, fallback := -1, -1
	for at := bytes.LastIndex(tail, endMark); at >= 0; at = bytes.LastIndex(tail[:at], endMark) {
		if at+endSize > len(tail) {
			continue
		}
		switch stop := at + endSize + int(le.Uint16(tail[at+20:])); {
		case stop == len(tail) && chosen < 0:
			chosen = at
		case stop == len(tail):
			f.note(verify.Invalid, "end-records", "", "Two end records, at bytes %d and %d, both reach to the end of the file: readers differ in which of them they follow.", start+int64(at), start+int64(chosen))
		case stop < len(tail) && fallback < 0 && chosen < 0:
			fallback = at
		}
	}
	switch {
	case chosen >= 0:
		if i := bytes.Index(tail[chosen+len(endMark):], endMark); i >= 0 {
			f.note(verify.Invalid, "end-records", "", "The comment after the end record at byte %d holds the mark of another at byte %d: readers differ in which of them they follow.",
				start+int64(chosen), start+int64(chosen+len(endMark)+i))
		}
		return chosen, nil
	case fallback >= 0:
		rest := len(tail) - fallback - endSize - int(le.Uint16(tail[fallback+20:]))
		f.note(verify.Invalid, "trailing-data", "", "%d bytes follow the end record: readers that want it at the end of the file look for another one.", rest)
		return fallback, nil
	}
	return 0, ErrNotZip
}

// readZip64 reads the Zip64 end record where there is one, and puts its numbers in place of those that do not fit
// (APPNOTE 4.4.1.4).
func (f *File) readZip64(e *end) error {
	sentinel := e.onDisk == math.MaxUint16 || e.count == math.MaxUint16 || e.size == math.MaxUint32 || e.offset == math.MaxUint32
	at := f.End - locatorSize
	locator := make([]byte, locatorSize)
	if at < 0 {
		if sentinel {
			return malformed("the end record needs a Zip64 one, and there is no room for it")
		}
		return nil
	}
	if err := f.readAt(locator, at); err != nil {
		return err
	}
	if !bytes.HasPrefix(locator, locatorMark) {
		if e.size == math.MaxUint32 || e.offset == math.MaxUint32 {
			return malformed("the end record needs a Zip64 one, and there is none")
		}
		return nil
	}
	record, offset, err := f.findZip64(locator, at)
	if err != nil {
		return err
	}
	f.Zip64 = &Zip64End{Offset: offset, Record: record, Locator: at, stated: le.Uint64(locator[8:])}
	if disks := le.Uint32(locator[16:]); le.Uint32(locator[4:]) != 0 || disks > 1 {
		f.note(verify.Inconclusive, "multi-disk", "", "The archive is one of %d parts; the others are not here.", disks)
	}
	if len(record) > zip64Size {
		f.note(verify.Valid, "zip64-data", "", "The Zip64 end record has %d bytes of extensible data.", len(record)-zip64Size)
	}
	return f.useZip64(e, record)
}

// findZip64 reads the Zip64 end record that ends where the locator begins.
func (f *File) findZip64(locator []byte, at int64) ([]byte, int64, error) {
	offset := le.Uint64(locator[8:])
	if offset > uint64(at) || at-int64(offset) > f.Size {
		return nil, 0, malformed("the Zip64 locator points behind itself, to byte %d", offset)
	}
	head := make([]byte, 12)
	for _, from := range []int64{int64(offset), at - zip64Size} {
		if from < 0 || from+zip64Size > at {
			continue
		}
		if err := f.readAt(head, from); err != nil {
			return nil, 0, err
		}
		size := le.Uint64(head[4:])
		if !bytes.HasPrefix(head, zip64Mark) || size > maxZip64End || from+12+int64(size) != at || size < zip64Size-12 {
			continue
		}
		record := make([]byte, 12+size)
		return record, from, f.readAt(record, from)
	}
	return nil, 0, malformed("the Zip64 locator points to byte %d, where no Zip64 end record ends before it", offset)
}

// useZip64 compares both end records: where the old one has a number that fits, it must be the same.
func (f *File) useZip64(e *end, record []byte) error {
	z := end{
		disk: le.Uint32(record[16:]), directoryDisk: le.Uint32(record[20:]),
		onDisk: le.Uint64(record[24:]), count: le.Uint64(record[32:]), size: le.Uint64(record[40:]), offset: le.Uint64(record[48:]),
	}
	for _, c := range []struct {
		what     string
		old, new uint64
		max      uint64
	}{
		{"disk number", uint64(e.disk), uint64(z.disk), math.MaxUint16},
		{"disk of the directory", uint64(e.directoryDisk), uint64(z.directoryDisk), math.MaxUint16},
		{"count of entries on this disk", e.onDisk, z.onDisk, math.MaxUint16},
		{"count of entries", e.count, z.count, math.MaxUint16},
		{"size of the directory", e.size, z.size, math.MaxUint32},
		{"offset of the directory", e.offset, z.offset, math.MaxUint32},
	} {
		if c.old != c.max && c.old != c.new {
			f.note(verify.Invalid, "end-mismatch", "", "The two end records differ: the %s is %d in one and %d in the other; which one is believed depends on the reader.", c.what, c.old, c.new)
		}
	}
	*e = z
	return nil
}

// place finds the directory, which must end where the end record before begins.
func (f *File) place(e end, before int64) error {
	if e.disk != 0 || e.directoryDisk != 0 || e.onDisk != e.count {
		f.note(verify.Inconclusive, "multi-disk", "", "The archive is part %d of several, of which the others are not here.", e.disk)
	}
	if e.count > MaxEntries || e.size > MaxDirectory {
		return malformed("%d entries in a directory of %d bytes, more than %d or %d", e.count, e.size, MaxEntries, MaxDirectory)
	}
	if e.size > uint64(before) || e.offset > uint64(before) {
		return malformed("a directory of %d bytes at byte %d does not fit before byte %d", e.size, e.offset, before)
	}
	f.DirectorySize = int64(e.size)
	f.Directory = int64(e.offset)
	if f.Directory+f.DirectorySize == before {
		f.checkLocator()
		return nil
	}
	base := before - f.DirectorySize - f.Directory
	if base < 0 {
		return malformed("a directory of %d bytes at byte %d reaches into the end record at byte %d", e.size, e.offset, before)
	}
	if f.isDirectoryAt(f.Directory+base) && !f.isDirectoryAt(f.Directory) {
		f.Base, f.Directory = base, f.Directory+base
		f.note(verify.Valid, "prefix", "", "%d bytes stand before the archive: all its offsets are relative to what follows them.", base)
		f.checkLocator()
		return nil
	}
	f.note(verify.Invalid, "gap", "", "%d bytes stand between the directory and the end record: readers that look for the directory right before its end find another one.", base)
	return nil
}

// checkLocator demands that the Zip64 locator points to the record that was found before it.
func (f *File) checkLocator() {
	if z := f.Zip64; z != nil && uint64(z.Offset-f.Base) != z.stated {
		f.note(verify.Invalid, "end-mismatch", "", "The Zip64 locator points to byte %d, and the Zip64 end record before it begins at byte %d: readers differ in which they follow.", z.stated, z.Offset)
	}
}

func (f *File) isDirectoryAt(at int64) bool {
	mark := make([]byte, 4)
	return f.readAt(mark, at) == nil && (bytes.Equal(mark, centralMark) || f.DirectorySize == 0)
}
