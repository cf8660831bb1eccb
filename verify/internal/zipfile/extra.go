package zipfile

import (
	"hash/crc32"
	"iter"
	"math"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/verify"
)

// Kinds of extra fields (APPNOTE 4.5.2, 4.6).
const (
	extraZip64       = 0x0001
	extraStrong      = 0x0017
	extraUnicodeName = 0x7075
	maxExtra         = 4 << 10 // bytes of extra fields that are no more than attributes
)

// fields walks over extra fields (APPNOTE 4.5). What does not fill a field comes last, with ok false.
func fields(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(le.Uint16(b[2:]))
			if n > len(b)-4 {
				return
			}
			if !yield(le.Uint16(b), b[4:4+n]) {
				return
			}
			b = b[4+n:]
		}
	}
}

// ragged returns what is left after the last whole field, unless it is zero bytes: Android's tools align with them.
func ragged(b []byte) int {
	for len(b) >= 4 {
		n := int(le.Uint16(b[2:]))
		if n > len(b)-4 {
			break
		}
		b = b[4+n:]
	}
	for _, c := range b {
		if c != 0 {
			return len(b)
		}
	}
	return 0
}

// sizes64 are an entry's numbers that may stand in a Zip64 field instead.
type sizes64 struct {
	size, packed, offset, disk uint64
	withOffset                 bool // in the directory the field can hold offset and disk as well
}

// widen takes from the Zip64 field what does not fit elsewhere (APPNOTE 4.5.3). Some writers put numbers there that
// would have fitted; they must be the same.
func (f *File) widen(s *sizes64, extra []byte, e *Entry) error {
	var field []byte
	found := 0
	for id, data := range fields(extra) {
		if id == extraZip64 {
			field = data
			found++
		}
	}
	wanted := []*uint64{}
	for _, v := range []struct {
		p    *uint64
		max  uint64
		used bool
	}{{&s.size, math.MaxUint32, true}, {&s.packed, math.MaxUint32, true}, {&s.offset, math.MaxUint32, s.withOffset}, {&s.disk, math.MaxUint16, s.withOffset}} {
		if v.used && *v.p == v.max {
			wanted = append(wanted, v.p)
		}
	}
	if found > 1 {
		f.note(verify.Invalid, "zip64-extra", e.Name, "The entry has %d Zip64 fields.", found)
	}
	if found == 0 {
		if len(wanted) > 0 && s.withOffset {
			return malformed("the entry %.80q needs a Zip64 field and has none", e.Name)
		}
		return nil
	}
	e.zip64 = true
	return f.takeZip64(s, field, wanted, e)
}

func (f *File) takeZip64(s *sizes64, field []byte, wanted []*uint64, e *Entry) error {
	old := *s
	rest := field
	for _, p := range wanted {
		if p == &s.disk && len(rest) >= 4 {
			*p, rest = uint64(le.Uint32(rest)), rest[4:]
			continue
		}
		if len(rest) < 8 {
			return malformed("the Zip64 field of the entry %.80q is too short", e.Name)
		}
		*p, rest = le.Uint64(rest), rest[8:]
	}
	if len(rest) == 0 {
		return nil
	}
	// More than is wanted: a reader that takes the numbers by position must find what the others find.
	full := sizes64{size: s.size, packed: s.packed, offset: s.offset, disk: s.disk}
	same := true
	for i, p := range []*uint64{&full.size, &full.packed, &full.offset} {
		if len(field) >= 8*(i+1) && le.Uint64(field[8*i:]) != *p {
			same = false
		}
	}
	if !same && (len(wanted) > 0 || old.withOffset) {
		f.note(verify.Invalid, "zip64-extra", e.Name, "The Zip64 field has %d bytes more than the entry needs, and numbers that contradict it: readers differ in which they take.", len(rest))
	}
	return nil
}

// unicodeName compares the name in an Info-ZIP Unicode path field (APPNOTE 4.6.9) with the entry's own. They may
// differ where the entry's name is in a code page, but not in what both can spell.
func (f *File) unicodeName(e *Entry, extra []byte) {
	for id, data := range fields(extra) {
		if id != extraUnicodeName || len(data) < 5 {
			continue
		}
		name := string(data[5:])
		if name == e.Name {
			continue
		}
		stale := le.Uint32(data[1:]) != crc32.ChecksumIEEE([]byte(e.Name))
		if e.Flags&FlagUTF8 != 0 || stale || !utf8.ValidString(name) || skeleton(name) != skeleton(e.Name) {
			f.note(verify.Invalid, "ambiguous-name", e.Name, "The entry has a second name, %.120q, in a Unicode path field: readers differ in which they take.", name)
		}
	}
}

// skeleton keeps the ASCII characters of a name and puts one mark in place of each run of others.
func skeleton(s string) string {
	var out []byte
	for _, c := range []byte(s) {
		switch {
		case c < utf8.RuneSelf:
			out = append(out, c)
		case len(out) == 0 || out[len(out)-1] != utf8.RuneSelf:
			out = append(out, utf8.RuneSelf)
		}
	}
	return string(out)
}
