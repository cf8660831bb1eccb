package msidb

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// pool is all strings of a database. A reference is the number of a string; 0 is the null string.
type pool struct {
	data      []byte
	ends      []int // by number, where each string ends; it begins where the one before it ends
	reference int   // bytes of a reference in tables: 2 or 3
	codepage  int
	decoded   map[uint32]string // so that no string is decoded, and held in memory, more than once
}

// readStrings reads the tables _StringPool and _StringData. The first has four bytes a string: its length in bytes and
// how often it is used. A string of 64 KiB and more
// has the length 0, and its length in the four bytes that follow.
func (d *Database) readStrings() error {
	index, err := d.read("_StringPool")
	if err != nil {
		return err
	}
	if d.strings.data, err = d.read("_StringData"); err != nil {
		return err
	}
	p := &d.strings
	if len(index) < 4 || len(index)%4 != 0 {
		return malformed("a string pool of %d bytes", len(index))
	}
	if len(index)/4 > maxStrings {
		return malformed("%d strings, more than %d", len(index)/4, maxStrings)
	}
	p.decoded = map[uint32]string{}
	first := binary.LittleEndian.Uint32(index)
	p.codepage, p.reference = int(first&0x7fffffff), 2
	if first&0x80000000 != 0 {
		p.reference = 3
	}
	d.Codepage = p.codepage
	p.ends = append(make([]int, 0, len(index)/4), 0)
	end := int64(0)
	for at := 4; at < len(index); at += 4 {
		length, uses := int64(binary.LittleEndian.Uint16(index[at:])), binary.LittleEndian.Uint16(index[at+2:])
		if length == 0 && uses != 0 {
			if at += 4; at == len(index) {
				return malformed("the string pool ends within an entry")
			}
			length = int64(binary.LittleEndian.Uint32(index[at:]))
		}
		if end += length; end > int64(len(p.data)) {
			return malformed("string %d ends at byte %d of %d", len(p.ends), end, len(p.data))
		}
		p.ends = append(p.ends, int(end))
	}
	if end != int64(len(p.data)) {
		return malformed("%d bytes behind the last string", int64(len(p.data))-end)
	}
	return nil
}

// text returns a string; "" for one that does not exist.
func (p *pool) text(n uint32) string {
	if n == 0 || int64(n) >= int64(len(p.ends)) {
		return ""
	}
	s, ok := p.decoded[n]
	if !ok {
		s = decode(p.data[p.ends[n-1]:p.ends[n]], p.codepage)
		p.decoded[n] = s
	}
	return s
}

var codepages = map[int]encoding.Encoding{
	874: charmap.Windows874, 932: japanese.ShiftJIS, 936: simplifiedchinese.GBK, 949: korean.EUCKR, 950: traditionalchinese.Big5,
	1250: charmap.Windows1250, 1251: charmap.Windows1251, 1253: charmap.Windows1253, 1254: charmap.Windows1254,
	1255: charmap.Windows1255, 1256: charmap.Windows1256, 1257: charmap.Windows1257, 1258: charmap.Windows1258,
}

// decode turns a string into text. What is neither UTF-8 nor of a known code page is taken for Windows-1252.
func decode(b []byte, codepage int) string {
	if codepage == 65001 || isASCII(b) {
		return strings.ToValidUTF8(string(b), string(utf8.RuneError))
	}
	e := codepages[codepage]
	if e == nil {
		e = charmap.Windows1252
	}
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), string(utf8.RuneError))
	}
	return string(out)
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func itoa(n int) string { return strconv.Itoa(n) }
