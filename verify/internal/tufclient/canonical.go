package tufclient

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"
)

// canonicalize returns the canonical form (http://wiki.laptop.org/go/Canonical_JSON) of the one JSON object that data is: no white
// space, members in the order of their names' bytes, strings with nothing escaped but quotes and backslashes, integers only.
// It is stricter than encoding/json where two readers could disagree: a name twice in an object, invalid UTF-8, half a surrogate
// pair, a fraction, an exponent, an integer beyond 64 bits and a negative zero are errors.
func canonicalize(data []byte, depth int) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	c := canon{in: data, out: make([]byte, 0, len(data)), depth: depth}
	c.space()
	if c.peek() != '{' {
		return nil, c.fail("it is not a JSON object")
	}
	if err := c.value(); err != nil {
		return nil, err
	}
	c.space()
	if c.i != len(c.in) {
		return nil, c.fail("something follows the JSON object")
	}
	return c.out, nil
}

// errDeep is JSON that nests deeper than allowed.
type errDeep int

func (e errDeep) Error() string { return fmt.Sprintf("it nests more than %d deep", int(e)) }

// canon reads in from i and appends the canonical form to out.
type canon struct {
	in      []byte
	i       int
	out     []byte
	depth   int      // how much deeper it may go
	level   int      // how deep it is
	members []member // of all objects that are open, those of the innermost last
	scratch []byte
}

// member is a member of an object: its name without quotes at out[name:colon-1] and its value up to end.
type member struct{ name, colon, end uint32 }

func (c *canon) fail(format string, args ...any) error {
	return fmt.Errorf("byte %d: %s", c.i, fmt.Sprintf(format, args...))
}

func (c *canon) peek() byte {
	if c.i < len(c.in) {
		return c.in[c.i]
	}
	return 0
}

func (c *canon) space() {
	for c.i < len(c.in) {
		switch c.in[c.i] {
		case ' ', '\t', '\r', '\n':
			c.i++
		default:
			return
		}
	}
}

func (c *canon) value() error {
	switch b := c.peek(); {
	case b == '{':
		return c.nested(c.object)
	case b == '[':
		return c.nested(c.array)
	case b == '"':
		return c.text()
	case b == '-' || b >= '0' && b <= '9':
		return c.integer()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(c.in[c.i:], []byte(word)) {
			c.i += len(word)
			c.out = append(c.out, word...)
			return nil
		}
	}
	return c.fail("a value is missing")
}

func (c *canon) nested(read func() error) error {
	if c.level++; c.level > c.depth {
		return errDeep(c.depth)
	}
	defer func() { c.level-- }()
	c.out = append(c.out, c.in[c.i])
	c.i++
	c.space()
	return read()
}

func (c *canon) array() error {
	for first := true; ; first = false {
		if first && c.peek() == ']' {
			break
		}
		if !first {
			c.out = append(c.out, ',')
		}
		if err := c.value(); err != nil {
			return err
		}
		c.space()
		if c.peek() == ']' {
			break
		}
		if err := c.comma(); err != nil {
			return err
		}
	}
	c.i++
	c.out = append(c.out, ']')
	return nil
}

func (c *canon) comma() error {
	if c.peek() != ',' {
		return c.fail("a comma is missing")
	}
	c.i++
	c.space()
	return nil
}

func (c *canon) object() error {
	start, first, sorted := len(c.out), len(c.members), true
	for c.peek() != '}' || len(c.members) > first {
		if len(c.members) > first {
			c.out = append(c.out, ',')
		}
		m, err := c.member()
		if err != nil {
			return err
		}
		if n := len(c.members); n > first && sorted {
			switch order := compareNames(c.name(c.members[n-1]), c.name(m)); {
			case order == 0:
				return c.fail("the name %q is there twice", c.name(m))
			case order > 0:
				sorted = false
			}
		}
		c.members = append(c.members, m)
		c.space()
		if c.peek() == '}' {
			break
		}
		if err := c.comma(); err != nil {
			return err
		}
	}
	c.i++
	if !sorted {
		if err := c.sort(start, c.members[first:]); err != nil {
			return err
		}
	}
	c.members = c.members[:first]
	c.out = append(c.out, '}')
	return nil
}

func (c *canon) member() (m member, err error) {
	if c.peek() != '"' {
		return m, c.fail("the name of a member is missing")
	}
	m.name = uint32(len(c.out)) + 1
	if err := c.text(); err != nil {
		return m, err
	}
	m.colon = uint32(len(c.out))
	c.space()
	if c.peek() != ':' {
		return m, c.fail("a colon is missing")
	}
	c.i++
	c.out = append(c.out, ':')
	c.space()
	err = c.value()
	m.end = uint32(len(c.out))
	return m, err
}

func (c *canon) name(m member) []byte { return c.out[m.name : m.colon-1] }

// sort puts the members of the object whose content begins at start into order.
func (c *canon) sort(start int, members []member) error {
	slices.SortFunc(members, func(a, b member) int { return compareNames(c.name(a), c.name(b)) })
	c.scratch = c.scratch[:0]
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(c.name(members[i-1]), c.name(m)) {
				return c.fail("the name %q is there twice", c.name(m))
			}
			c.scratch = append(c.scratch, ',')
		}
		c.scratch = append(c.scratch, c.out[m.name-1:m.end]...)
	}
	copy(c.out[start:], c.scratch)
	return nil
}

// compareNames compares names, given in canonical form, by the bytes they stand for.
func compareNames(a, b []byte) int {
	if bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return bytes.Compare(a, b)
	}
	return bytes.Compare(unescape(a), unescape(b))
}

// unescape undoes the escapes of a canonical string.
func unescape(s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return out
}
