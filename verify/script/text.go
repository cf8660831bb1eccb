package script

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding is how a file's bytes stand for characters.
type encoding uint8

const (
	encodingASCII    encoding = iota
	encodingUTF16             // either order, with a mark
	encodingUTF8              // with a mark
	encodingBareUTF8          // without one, guessed
	encodingANSI              // Windows-1252
)

// text is a script's characters.
type text struct {
	units    []uint16 // UTF-16, the mark at the beginning included
	encoding encoding
}

// mark is the byte order mark.
const mark = 0xfeff

// decode reads a file's characters as Windows does before it hashes them: by the mark at the beginning, else as UTF-8 if
// the beginning looks like it (PowerShell's own scripts only), else in the ANSI code page, which is taken to be
// Windows-1252.
//
// Windows replaces what it cannot decode, so that different bytes become the same text; here that is an error, and so
// is a zero character, by which UTF-32 and UTF-16 without a mark show.
func decode(b []byte, s *style) (text, error) {
	t, err := decodeAs(b, guess(b, s))
	if err != nil {
		return text{}, err
	}
	for i, u := range t.units {
		if u == 0 {
			return text{}, fmt.Errorf("character %d is zero", i)
		}
	}
	return t, nil
}

func guess(b []byte, s *style) encoding {
	switch {
	case len(b) >= 2 && (b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff):
		return encodingUTF16
	case len(b) >= 3 && string(b[:3]) == "\xef\xbb\xbf":
		return encodingUTF8
	case ascii(b):
		return encodingASCII
	case s.utf8 && looksLikeUTF8(b[:min(len(b), guessed)]):
		return encodingBareUTF8
	}
	return encodingANSI
}

func decodeAs(b []byte, e encoding) (text, error) {
	t := text{encoding: e}
	switch e {
	case encodingUTF16:
		var order binary.ByteOrder = binary.LittleEndian
		if b[0] == 0xfe {
			order = binary.BigEndian
		}
		if len(b)%2 != 0 {
			return t, errors.New("half a character stands at the end")
		}
		t.units = make([]uint16, len(b)/2)
		for i := range t.units {
			t.units[i] = order.Uint16(b[2*i:])
		}
	case encodingUTF8, encodingBareUTF8:
		t.units = make([]uint16, 0, len(b))
		for at := 0; at < len(b); {
			r, n := utf8.DecodeRune(b[at:])
			if r == utf8.RuneError && n == 1 {
				return t, fmt.Errorf("byte %d is no UTF-8", at)
			}
			t.units = utf16.AppendRune(t.units, r)
			at += n
		}
	default:
		t.units = make([]uint16, len(b))
		for i, c := range b {
			t.units[i] = windows1252(c)
		}
	}
	return t, nil
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// guessed is how many first bytes decide whether text without a mark is UTF-8.
const guessed = 32

// looksLikeUTF8 reports whether b has sequences of more than one byte, all of them complete: the rule by which
// PowerShell's Subject Interface Package tells UTF-8.
func looksLikeUTF8(b []byte) bool {
	var left int
	var seen bool
	for _, c := range b {
		switch {
		case left > 0:
			if c&0xc0 != 0x80 {
				return false
			}
			left--
		case c&0x80 != 0:
			seen = true
			for lead := c << 1; lead&0x80 != 0; lead <<= 1 {
				left++
			}
			if left == 0 {
				return false
			}
		}
	}
	return seen && left == 0
}

// windows1252 decodes one byte. The five bytes that the code page leaves open stand for themselves, as in Windows.
func windows1252(c byte) uint16 {
	if c < 0x80 || c > 0x9f {
		return uint16(c)
	}
	return [...]uint16{
		0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
		0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
	}[c-0x80]
}

// syntax reports whether PowerShell takes a character beyond ASCII for a quote, a dash or a space.
func syntax(u uint16) bool {
	return u >= 0x2018 && u <= 0x201e || u >= 0x2013 && u <= 0x2015 || u == 0xa0 || u == 0x85 || u == 0x2028 || u == 0x2029
}

// ambiguous counts the characters of a script without a mark, b being its bytes, that mean something to PowerShell in one
// of the two ways in which its versions read it: Windows PowerShell in the ANSI code page, PowerShell 7 as UTF-8.
func ambiguous(b []byte, e encoding) int {
	if e != encodingANSI && e != encodingBareUTF8 {
		return 0
	}
	n := 0
	for at := 0; at < len(b); {
		r, size := utf8.DecodeRune(b[at:])
		if r != utf8.RuneError && r < 0x10000 && size > 1 && syntax(uint16(r)) {
			n++
		}
		for _, c := range b[at : at+size] {
			if c >= 0x80 && syntax(windows1252(c)) {
				n++
			}
		}
		at += size
	}
	return n
}
