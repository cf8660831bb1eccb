// Package ziptest writes zip files for tests, right ones and every kind of wrong one.
package ziptest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
)

// Entry is one entry. Only Name is needed.
type Entry struct {
	Name     string
	Content  []byte
	Packed   []byte // the data as they are stored, where they are not what Deflate and Content give
	Deflate  bool
	Blocks   int    // with Deflate: a full flush after every so many bytes
	Method   uint16 // where it is neither stored nor deflated
	Flags    uint16
	Extra    []byte // in both headers
	Comment  string
	Creator  uint16
	External uint32

	Descriptor bool   // sizes and checksum follow the data
	NoMark     bool   // of the descriptor
	Wide       bool   // sizes of eight bytes, in a Zip64 field and in the descriptor
	Unlisted   bool   // not in the directory
	SameAs     int    // the directory's entry points to that of entry number SameAs-1
	Before     []byte // bytes before the local header
	DiskNumber uint16

	LocalName, CentralName string // where the names differ
	LocalExtra             []byte
	CRC32                  uint32 // where it is not the right one
	LocalSize              uint32 // where it is not the right one
	CentralSize            uint32 // where it is not the right one
}

// File is a zip file.
type File struct {
	Entries  []Entry
	Prefix   []byte // before everything; offsets count it unless Shifted
	Shifted  bool   // offsets are relative to what follows Prefix
	Gap      []byte // before the directory
	Tail     []byte // in the directory, after its entries
	Comment  string
	Trailing []byte // after everything
	Zip64    bool   // with a Zip64 end record, as Windows' packaging tools write it
	Count    int    // added to the number of entries in the end record
}

var le = binary.LittleEndian

// Placed says where an entry lies in the file.
type Placed struct{ Local, Data, End int64 }

// Bytes writes the file.
func (f File) Bytes() []byte {
	b, _ := f.Build()
	return b
}

// Build writes the file and says where its entries lie.
func (f File) Build() ([]byte, []Placed) {
	out := bytes.Clone(f.Prefix)
	base := int64(0)
	if f.Shifted {
		base = int64(len(f.Prefix))
	}
	var placed []Placed
	var directory []byte
	listed := 0
	for _, e := range f.Entries {
		out = append(out, e.Before...)
		p := Placed{Local: int64(len(out))}
		packed := e.pack()
		out = append(out, e.local(packed)...)
		p.Data = int64(len(out))
		out = append(append(out, packed...), e.descriptor(packed)...)
		p.End = int64(len(out))
		placed = append(placed, p)
		if e.Unlisted {
			continue
		}
		at := p.Local
		if e.SameAs > 0 {
			at = placed[e.SameAs-1].Local
		}
		directory = append(directory, e.central(packed, at-base)...)
		listed++
	}
	out = append(out, f.Gap...)
	start := int64(len(out)) - base
	directory = append(directory, f.Tail...)
	out = append(out, directory...)
	out = append(out, f.end(uint64(listed+f.Count), uint64(len(directory)), uint64(start), uint64(len(out)))...)
	return append(out, f.Trailing...), placed
}

func (f File) end(count, size, start, at uint64) []byte {
	var b []byte
	if f.Zip64 {
		b = append(b, "PK\x06\x06"...)
		b = le.AppendUint64(b, 44)
		b = le.AppendUint16(le.AppendUint16(b, 45), 45)
		b = le.AppendUint64(b, 0) // disks
		b = le.AppendUint64(le.AppendUint64(b, count), count)
		b = le.AppendUint64(le.AppendUint64(b, size), start)
		b = append(b, "PK\x06\x07\x00\x00\x00\x00"...)
		b = le.AppendUint32(le.AppendUint64(b, at), 1)
		b = append(b, "PK\x05\x06"...)
		b = append(b, bytes.Repeat([]byte{0xff}, 16)...)
	} else {
		b = append(b, "PK\x05\x06\x00\x00\x00\x00"...)
		b = le.AppendUint16(le.AppendUint16(b, uint16(count)), uint16(count))
		b = le.AppendUint32(le.AppendUint32(b, uint32(size)), uint32(start))
	}
	return append(le.AppendUint16(b, uint16(len(f.Comment))), f.Comment...)
}

func (e Entry) pack() []byte {
	switch {
	case e.Packed != nil:
		return e.Packed
	case !e.Deflate:
		return e.Content
	}
	return Deflate(e.Content, e.Blocks)
}

// Deflate compresses b, with a full flush after every so many bytes, if that is not 0.
func Deflate(b []byte, every int) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 6)
	if err != nil {
		panic(err)
	}
	for every > 0 && len(b) > every {
		w.Write(b[:every])
		w.Flush()
		b = b[every:]
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func (e Entry) method() uint16 {
	if e.Deflate {
		return 8
	}
	return e.Method
}

func (e Entry) flags() uint16 {
	if e.Descriptor {
		return e.Flags | 8
	}
	return e.Flags
}

func (e Entry) sum() uint32 {
	if e.CRC32 != 0 {
		return e.CRC32
	}
	return crc32.ChecksumIEEE(e.Content)
}

func either[T comparable](v, otherwise T) T {
	var zero T
	if v != zero {
		return v
	}
	return otherwise
}

func (e Entry) local(packed []byte) []byte {
	b := le.AppendUint16([]byte("PK\x03\x04"), 20)
	b = le.AppendUint16(le.AppendUint16(b, e.flags()), e.method())
	b = le.AppendUint32(b, 0x58210000)
	if e.Descriptor {
		b = append(b, make([]byte, 12)...)
	} else {
		b = le.AppendUint32(le.AppendUint32(b, e.sum()), uint32(len(packed)))
		b = le.AppendUint32(b, either(e.LocalSize, uint32(len(e.Content))))
	}
	name, extra := either(e.LocalName, e.Name), append(bytes.Clone(e.Extra), e.LocalExtra...)
	b = le.AppendUint16(le.AppendUint16(b, uint16(len(name))), uint16(len(extra)))
	return append(append(b, name...), extra...)
}

func (e Entry) descriptor(packed []byte) []byte {
	if !e.Descriptor {
		return nil
	}
	var b []byte
	if !e.NoMark {
		b = append(b, "PK\x07\x08"...)
	}
	b = le.AppendUint32(b, e.sum())
	if e.Wide {
		return le.AppendUint64(le.AppendUint64(b, uint64(len(packed))), uint64(len(e.Content)))
	}
	return le.AppendUint32(le.AppendUint32(b, uint32(len(packed))), uint32(len(e.Content)))
}

func (e Entry) central(packed []byte, at int64) []byte {
	b := le.AppendUint16([]byte("PK\x01\x02"), either(e.Creator, 20))
	b = le.AppendUint16(b, 20)
	b = le.AppendUint16(le.AppendUint16(b, e.flags()), e.method())
	b = le.AppendUint32(le.AppendUint32(b, 0x58210000), e.sum())
	size, extra := uint64(either(e.CentralSize, uint32(len(e.Content)))), bytes.Clone(e.Extra)
	if e.Wide {
		extra = append(extra, 1, 0, 24, 0)
		extra = le.AppendUint64(le.AppendUint64(le.AppendUint64(extra, size), uint64(len(packed))), uint64(at))
		b = append(b, bytes.Repeat([]byte{0xff}, 8)...)
	} else {
		b = le.AppendUint32(le.AppendUint32(b, uint32(len(packed))), uint32(size))
	}
	name := either(e.CentralName, e.Name)
	b = le.AppendUint16(le.AppendUint16(b, uint16(len(name))), uint16(len(extra)))
	b = le.AppendUint16(le.AppendUint16(b, uint16(len(e.Comment))), e.DiskNumber)
	b = le.AppendUint32(le.AppendUint16(b, 0), e.External)
	if e.Wide {
		b = append(b, 0xff, 0xff, 0xff, 0xff)
	} else {
		b = le.AppendUint32(b, uint32(at))
	}
	return append(append(append(b, name...), extra...), e.Comment...)
}
