// Package printable makes text from strangers safe to show on a terminal, in a status line, on a page or in a log.
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s with everything escaped that could do more than be read: control characters, line ends, characters
// that are invisible or turn the direction of writing, and bytes that are not UTF-8. Spaces of any kind become one
// kind. What is longer than max runes is cut, with "…" as the last of them; max below 1 means no limit.
func Text(s string, max int) string {
	var b strings.Builder
	n := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = `\x` + hex2(s[i])
		case r == ' ' || unicode.IsPrint(r):
		case unicode.Is(unicode.Zs, r):
			piece = " "
		default:
			q := strconv.QuoteRuneToASCII(r)
			piece = q[1 : len(q)-1]
		}
		n += utf8.RuneCountInString(piece)
		if max > 0 && (n > max || n == max && i+size < len(s)) {
			b.WriteRune('…')
			return b.String()
		}
		b.WriteString(piece)
		i += size
	}
	return b.String()
}

// ASCII is Text with everything outside ASCII escaped too, for places such as an HTTP status line and header fields.
// What is longer than max bytes is cut, after a word where there is one, with "..." at its end.
func ASCII(s string, max int) string {
	const ellipsis = "..."
	t := Text(s, 0)
	var b strings.Builder
	for _, r := range t {
		piece := string(r)
		if r >= utf8.RuneSelf {
			q := strconv.QuoteRuneToASCII(r)
			piece = q[1 : len(q)-1]
		}
		if max > 0 && b.Len()+len(piece) > max {
			return shorten(b.String(), max, ellipsis)
		}
		b.WriteString(piece)
	}
	return b.String()
}

// shorten makes room for an ellipsis at the end of ASCII text.
func shorten(s string, max int, ellipsis string) string {
	if max <= len(ellipsis) {
		return s
	}
	s = s[:min(len(s), max-len(ellipsis))]
	if i := strings.LastIndexByte(s, ' '); i > max/2 {
		s = s[:i]
	}
	return s + ellipsis
}

func hex2(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}
