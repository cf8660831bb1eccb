package script

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf16"
)

// block is where a signature block stands in a text, in UTF-16 units, and what it holds.
type block struct {
	from, to int    // of the whole block, the line end before it and the one after it included
	der      []byte // the signature
	loose    bool   // a line of the block ends otherwise than with CR LF
}

// line is one line of a text, without what ends it.
type line struct {
	from, to, next int // beginning, end, and beginning of the next line
}

// find returns the block of a text, nil if there is none. An error says why there is one that is wrong.
func (s *style) find(units []uint16) (*block, error) {
	begin, end := utf16.Encode([]rune(s.begin)), utf16.Encode([]rune(s.end))
	var begins, ends []line
	for at := 0; at < len(units); {
		l := lineAt(units, at)
		switch {
		case equal(units[l.from:l.to], begin):
			begins = append(begins, l)
		case equal(units[l.from:l.to], end):
			ends = append(ends, l)
		}
		at = l.next
	}
	switch {
	case len(begins) == 0 && len(ends) == 0, s.inner && len(begins) == 0:
		return nil, nil
	case len(begins) != 1 || len(ends) != 1:
		return nil, fmt.Errorf("it begins %d times and ends %d times, not once", len(begins), len(ends))
	case ends[0].from < begins[0].next:
		return nil, errors.New("its end stands before its beginning")
	case begins[0].from == 0:
		return nil, errors.New("it stands at the very beginning, where nothing is left to be signed")
	}
	return s.read(units, begins[0], ends[0])
}

// read decodes the lines between begin and end.
func (s *style) read(units []uint16, begin, end line) (*block, error) {
	k := &block{from: begin.from, to: end.next, loose: !crlf(units, begin)}
	if k.from >= 2 && units[k.from-1] == '\n' && units[k.from-2] == '\r' {
		k.from -= 2
	} else {
		k.loose = true // what ends the line before it stays in the text, as if it were signed
	}
	var encoded []byte
	for at := begin.next; at < end.from; {
		l := lineAt(units, at)
		inner, ok := s.unwrap(units[l.from:l.to])
		if !ok {
			return nil, fmt.Errorf("one of its lines is none of base64 text, at character %d", l.from)
		}
		encoded = append(encoded, inner...)
		k.loose = k.loose || !crlf(units, l)
		at = l.next
	}
	var err error
	if k.der, err = base64.StdEncoding.Strict().DecodeString(string(encoded)); err != nil || len(k.der) == 0 {
		return nil, errors.New("it is no base64 text")
	}
	return k, nil
}

// unwrap removes the comment marks of a line; what is left must be base64 characters.
func (s *style) unwrap(l []uint16) ([]byte, bool) {
	if len(l) <= len(s.open)+len(s.closer) {
		return nil, false
	}
	out := make([]byte, len(l))
	for i, u := range l {
		if u > 0x7e {
			return nil, false
		}
		out[i] = byte(u)
	}
	inner := out[len(s.open) : len(out)-len(s.closer)]
	if string(out[:len(s.open)]) != s.open || string(out[len(out)-len(s.closer):]) != s.closer {
		return nil, false
	}
	for _, c := range inner {
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=') {
			return nil, false
		}
	}
	return inner, true
}

// lineAt returns the line that begins at an offset. A line ends with LF; a CR before that belongs to the end.
func lineAt(units []uint16, at int) line {
	l := line{from: at}
	for i := at; i < len(units); i++ {
		if units[i] == '\n' {
			l.to, l.next = i, i+1
			if i > at && units[i-1] == '\r' {
				l.to--
			}
			return l
		}
	}
	l.to, l.next = len(units), len(units)
	return l
}

// crlf reports whether a line ends with CR LF.
func crlf(units []uint16, l line) bool {
	return l.next-l.to == 2 && units[l.to] == '\r'
}

func equal(a, b []uint16) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
