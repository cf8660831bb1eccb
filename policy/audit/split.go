package audit

import "bytes"

// The functions of this file take JSON apart without decoding it, where it is written without spaces, as the log writes it. They do
// not check it: whoever decodes the parts does.

// cut appends to a buffer the object that begins at a place, without the members of some names. Of those take is called with the
// place in names and that of the value, and returns the place behind the value. The end is the place behind the object. It is below 0 for
// what is no such object, for one that has such a name twice, and where take returns less than 0.
func cut(to, text []byte, at int, names []string, take func(i, at int) int) (rest []byte, end int) {
	start, seen := len(to), uint64(0)
	to = append(to, '{')
	end = eachMember(text, at, func(name []byte, from, value int) int {
		for i, cut := range names {
			if string(name) == cut {
				if seen&(1<<i) != 0 {
					return -1
				}
				seen |= 1 << i
				return take(i, value)
			}
		}
		end := valueEnd(text, value)
		if end < 0 {
			return -1
		}
		if len(to) > start+1 {
			to = append(to, ',')
		}
		to = append(to, text[from:end]...)
		return end
	})
	return append(to, '}'), end
}

// eachMember calls take for each member of the object that begins at a place, with its name between the quotes, and where the member
// and its value begin. It returns the place behind the value, and eachMember that behind the object.
func eachMember(text []byte, at int, take func(name []byte, from, value int) int) (end int) {
	if at >= len(text) || text[at] != '{' {
		return -1
	}
	if at++; at < len(text) && text[at] == '}' {
		return at + 1
	}
	for {
		colon := textEnd(text, at)
		if colon < 0 || colon >= len(text) || text[colon] != ':' {
			return -1
		}
		end := take(text[at+1:colon-1], at, colon+1)
		switch {
		case end < 0 || end >= len(text):
			return -1
		case text[end] == '}':
			return end + 1
		case text[end] != ',':
			return -1
		}
		at = end + 1
	}
}

// eachElement calls take for each element of the array that begins at a place, with its own. It returns the place behind the element, and
// eachElement that behind the array.
func eachElement(text []byte, at int, take func(at int) int) (end int) {
	if at >= len(text) || text[at] != '[' {
		return -1
	}
	if at++; at < len(text) && text[at] == ']' {
		return at + 1
	}
	for {
		end := take(at)
		switch {
		case end < 0 || end >= len(text):
			return -1
		case text[end] == ']':
			return end + 1
		case text[end] != ',':
			return -1
		}
		at = end + 1
	}
}

// valueEnd returns the place behind the value that begins at a place, where a comma or bracket follows; below 0 where none does.
func valueEnd(text []byte, at int) int {
	depth := 0
	for i := at; i < len(text); {
		switch text[i] {
		case '"':
			if i = textEnd(text, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}

// textEnd returns the place behind the text in quotes that begins at a place; below 0 where none does.
func textEnd(text []byte, at int) int {
	if at >= len(text) || text[at] != '"' {
		return -1
	}
	for i := at + 1; i < len(text); {
		next := bytes.IndexByte(text[i:], '"')
		if next < 0 {
			return -1
		}
		i += next
		slashes := 0
		for text[i-1-slashes] == '\\' {
			slashes++
		}
		if i++; slashes%2 == 0 {
			return i
		}
	}
	return -1
}
