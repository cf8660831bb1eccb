package tufclient

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string.
func (c *canon) text() error {
	c.i++
	c.out = append(c.out, '"')
	for {
		run := c.i
		for c.i < len(c.in) && c.in[c.i] >= ' ' && c.in[c.i] != '"' && c.in[c.i] != '\\' {
			c.i++
		}
		c.out = append(c.out, c.in[run:c.i]...)
		switch {
		case c.i >= len(c.in):
			return c.fail("a string does not end")
		case c.in[c.i] == '"':
			c.i++
			c.out = append(c.out, '"')
			return nil
		case c.in[c.i] != '\\':
			return c.fail("a control character stands in a string")
		}
		if err := c.escape(); err != nil {
			return err
		}
	}
}

// escape reads what a backslash begins.
func (c *canon) escape() error {
	if c.i++; c.i >= len(c.in) {
		return c.fail("a string does not end")
	}
	b := c.in[c.i]
	c.i++
	switch b {
	case '"', '\\':
		c.out = append(c.out, '\\', b)
	case '/':
		c.out = append(c.out, '/')
	case 'b':
		c.out = append(c.out, '\b')
	case 'f':
		c.out = append(c.out, '\f')
	case 'n':
		c.out = append(c.out, '\n')
	case 'r':
		c.out = append(c.out, '\r')
	case 't':
		c.out = append(c.out, '\t')
	case 'u':
		return c.codePoint()
	default:
		return c.fail("a string has the escape \\%c", b)
	}
	return nil
}

func (c *canon) codePoint() error {
	r, err := c.hex4()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		if !bytes.HasPrefix(c.in[c.i:], []byte(`\u`)) {
			return c.fail("half of a surrogate pair stands in a string")
		}
		c.i += 2
		low, err := c.hex4()
		if err != nil {
			return err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return c.fail("half of a surrogate pair stands in a string")
		}
	}
	if r == '"' || r == '\\' {
		c.out = append(c.out, '\\')
	}
	c.out = utf8.AppendRune(c.out, r)
	return nil
}

func (c *canon) hex4() (rune, error) {
	var r rune
	for range 4 {
		b := c.peek()
		switch {
		case b >= '0' && b <= '9':
			r = r<<4 | rune(b-'0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			r = r<<4 | rune(b|0x20-'a'+10)
		default:
			return 0, c.fail("a string has a broken escape")
		}
		c.i++
	}
	return r, nil
}

func (c *canon) integer() error {
	start := c.i
	if c.peek() == '-' {
		c.i++
	}
	digits := c.i
	for b := c.peek(); b >= '0' && b <= '9'; b = c.peek() {
		c.i++
	}
	text := c.in[start:c.i]
	switch b := c.peek(); {
	case c.i == digits, c.in[digits] == '0' && len(text) > 1:
		return c.fail("a number is malformed")
	case b == '.', b|0x20 == 'e':
		return c.fail("a number is no integer")
	case len(text) > 20:
		return c.fail("an integer is beyond 64 bits")
	}
	if _, err := strconv.ParseInt(string(text), 10, 64); err != nil {
		return c.fail("an integer is beyond 64 bits")
	}
	c.out = append(c.out, text...)
	return nil
}
