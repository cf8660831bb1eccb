package zipfile

import (
	"bytes"
	"fmt"
	"math"

	"github.com/sallyport-project/sallyport/verify"
)

const localSize = 30

var (
	localMark      = []byte("PK\x03\x04")
	descriptorMark = []byte("PK\x07\x08")
)

// readLocals reads the local header of each entry and compares it with the directory.
func (f *File) readLocals() error {
	buffer := make([]byte, localSize+512)
	for _, e := range f.Entries {
		if err := f.readLocal(e, &buffer); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) readLocal(e *Entry, buffer *[]byte) error {
	b := (*buffer)[:min(int64(len(*buffer)), f.Directory-e.Local)]
	if len(b) < localSize {
		return malformed("the entry %.80q points into the directory", e.Name)
	}
	if err := f.readAt(b, e.Local); err != nil {
		return err
	}
	if !bytes.HasPrefix(b, localMark) {
		return malformed("there is no entry at byte %d, where the directory has %.80q", e.Local, e.Name)
	}
	name, extra := int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	n := localSize + name + extra
	if int64(n) > f.Directory-e.Local {
		return malformed("the header of the entry %.80q reaches into the directory", e.Name)
	}
	if n > len(b) {
		*buffer = make([]byte, n)
		b = *buffer
		if err := f.readAt(b, e.Local); err != nil {
			return err
		}
	}
	e.Data = e.Local + int64(n)
	e.DataEnd = e.Data + e.Packed
	e.EntryEnd = e.DataEnd
	if e.DataEnd > f.Directory {
		return malformed("the data of the entry %.80q reach into the directory", e.Name)
	}
	e.localExtra = bytes.Clone(b[localSize+name : n])
	return f.compare(e, b[:localSize], string(b[localSize:localSize+name]))
}

// compare reports where the local header says something else than the directory.
func (f *File) compare(e *Entry, b []byte, name string) error {
	flags := le.Uint16(b[6:])
	differs := func(what string, local, central any) {
		f.note(verify.Invalid, "local-mismatch", e.Name, "The entry's own header differs from the directory: its %s is %v there and %v here; readers that unpack from the beginning see another archive.", what, local, central)
	}
	if name != e.Name {
		differs("name", fmt.Sprintf("%.120q", name), fmt.Sprintf("%.120q", e.Name))
	}
	if m := le.Uint16(b[8:]); m != e.Method {
		differs("method", m, e.Method)
	}
	if (flags^e.Flags)&^FlagDescriptor != 0 {
		differs("flags", fmt.Sprintf("%#x", flags), fmt.Sprintf("%#x", e.Flags))
	}
	s := sizes64{size: uint64(le.Uint32(b[22:])), packed: uint64(le.Uint32(b[18:]))}
	if err := f.widen(&s, e.localExtra, e); err != nil {
		return err
	}
	masked := e.Flags&FlagMasked != 0
	streamed := flags&FlagDescriptor != 0
	e.Endless = streamed && e.Packed > 0 && s.packed != uint64(e.Packed)
	// Where a descriptor follows, what was not known yet may be left zero; some writers fill in the size alone. That it
	// follows must stand here: a reader without the directory goes on right after what this header counts.
	differ := func(local, central, max uint64) bool {
		return local != central && !(streamed && (local == 0 || local == max))
	}
	crc := le.Uint32(b[14:])
	if masked {
		return nil
	}
	if differ(s.size, uint64(e.Size), math.MaxUint32) {
		differs("size", s.size, e.Size)
	}
	if differ(s.packed, uint64(e.Packed), math.MaxUint32) {
		differs("compressed size", s.packed, e.Packed)
	}
	if differ(uint64(crc), uint64(e.CRC32), 0) {
		differs("checksum", fmt.Sprintf("%08x", crc), fmt.Sprintf("%08x", e.CRC32))
	}
	if streamed {
		return f.descriptor(e, s.packed != uint64(e.Packed))
	}
	return nil
}

// descriptor reads the data descriptor (APPNOTE 4.3.9), which comes with and without a mark, with sizes of four and of
// eight bytes. needed says that a reader without the directory has nothing else.
func (f *File) descriptor(e *Entry, needed bool) error {
	b := make([]byte, min(24, f.Directory-e.DataEnd))
	if err := f.readAt(b, e.DataEnd); err != nil {
		return err
	}
	mark := 0
	if bytes.HasPrefix(b, descriptorMark) {
		mark = 4
	}
	for _, at := range []int{mark, 0} {
		for _, wide := range []bool{e.zip64, !e.zip64} {
			if n := descriptorFits(b[at:], e, wide); n > 0 {
				e.EntryEnd = e.DataEnd + int64(at+n)
				return nil
			}
		}
	}
	switch {
	case mark > 0:
		f.note(verify.Invalid, "local-mismatch", e.Name, "The data descriptor after the entry has another checksum or size than the directory: readers that unpack from the beginning see another archive.")
	case needed && e.Packed > 0:
		f.note(verify.Invalid, "local-mismatch", e.Name, "The entry promises a data descriptor and none follows it.")
	default:
		f.note(verify.Valid, "no-descriptor", e.Name, "The entry promises a data descriptor and none follows it; its header has all that it would say.")
	}
	return nil
}

func descriptorFits(b []byte, e *Entry, wide bool) int {
	switch {
	case wide && len(b) >= 20 && le.Uint32(b) == e.CRC32 && le.Uint64(b[4:]) == uint64(e.Packed) && le.Uint64(b[12:]) == uint64(e.Size):
		return 20
	case !wide && len(b) >= 12 && le.Uint32(b) == e.CRC32 && le.Uint32(b[4:]) == uint32(e.Packed) && le.Uint32(b[8:]) == uint32(e.Size):
		return 12
	}
	return 0
}
