package zipfile

import (
	"bytes"
	"math"

	"github.com/sallyport-project/sallyport/verify"
)

const centralSize = 46

var centralMark = []byte("PK\x01\x02")

// readDirectory reads all entries of the directory (APPNOTE 4.3.12), which must fill it.
func (f *File) readDirectory(count uint64) error {
	b := make([]byte, f.DirectorySize)
	if err := f.readAt(b, f.Directory); err != nil {
		return err
	}
	if count > uint64(len(b)/centralSize) {
		return malformed("%d entries in a directory of %d bytes", count, len(b))
	}
	f.Entries = make([]*Entry, 0, count)
	rest := b
	for bytes.HasPrefix(rest, centralMark) {
		e, n, err := f.parseCentral(rest, f.Directory+int64(len(b)-len(rest)))
		if err != nil {
			return err
		}
		if len(f.Entries) == MaxEntries {
			return malformed("more than %d entries", MaxEntries)
		}
		f.Entries = append(f.Entries, e)
		rest = rest[n:]
	}
	if uint64(len(f.Entries)) != count {
		f.note(verify.Invalid, "count", "", "The directory holds %d entries, but its end record counts %d: some readers stop at the count and others do not.", len(f.Entries), count)
	}
	if len(rest) > 0 {
		f.directoryRest(rest)
	}
	return nil
}

// directoryRest reports what follows the entries inside the directory: at most a digital signature (APPNOTE 4.3.13).
func (f *File) directoryRest(rest []byte) {
	if bytes.HasPrefix(rest, []byte("PK\x05\x05")) && len(rest) >= 6 && len(rest) == 6+int(le.Uint16(rest[4:])) {
		f.note(verify.Valid, "directory-signature", "", "The directory ends with a digital signature record of %d bytes, which no reader checks.", len(rest))
		return
	}
	f.note(verify.Invalid, "gap", "", "%d bytes in the directory after its %d entries are none.", len(rest), len(f.Entries))
}

// parseCentral reads one entry of the directory at the beginning of b and returns its length.
func (f *File) parseCentral(b []byte, at int64) (*Entry, int, error) {
	if len(b) < centralSize {
		return nil, 0, malformed("the directory ends inside an entry")
	}
	name, extra, comment := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	n := centralSize + name + extra + comment
	if n > len(b) {
		return nil, 0, malformed("the directory ends inside an entry")
	}
	e := &Entry{
		Creator: le.Uint16(b[4:]), Needed: le.Uint16(b[6:]), Flags: le.Uint16(b[8:]), Method: le.Uint16(b[10:]), Time: le.Uint32(b[12:]),
		CRC32: le.Uint32(b[16:]), External: le.Uint32(b[38:]),
		Name: string(b[centralSize : centralSize+name]), Extra: b[centralSize+name : centralSize+name+extra : centralSize+name+extra],
		Comment: b[centralSize+name+extra : n : n], Record: at, RecordSize: int64(n), disk: uint32(le.Uint16(b[34:])),
	}
	sizes := sizes64{size: uint64(le.Uint32(b[24:])), packed: uint64(le.Uint32(b[20:])), offset: uint64(le.Uint32(b[42:])), disk: uint64(e.disk), withOffset: true}
	if err := f.widen(&sizes, e.Extra, e); err != nil {
		return nil, 0, err
	}
	if sizes.disk != 0 {
		f.note(verify.Inconclusive, "multi-disk", e.Name, "The entry lies in part %d of the archive, which is not here.", sizes.disk)
	}
	limit := uint64(f.Directory - f.Base)
	if sizes.packed > limit || sizes.offset > limit || sizes.size > math.MaxInt64 {
		return nil, 0, malformed("the entry %.80q of %d bytes at byte %d lies outside the file", e.Name, sizes.packed, sizes.offset)
	}
	e.Packed, e.Size, e.Local = int64(sizes.packed), int64(sizes.size), f.Base+int64(sizes.offset)
	return e, n, nil
}
