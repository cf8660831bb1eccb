package tufclient

import (
	"fmt"
	"strconv"
)

// cursor reads canonical JSON. It checks the kinds of values, not their form: what it reads comes from canonicalize.
type cursor struct {
	b []byte
	i int
}

func (c *cursor) peek() byte {
	if c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

// object calls member for each member with its name; member reads the value.
func (c *cursor) object(member func(name string) error) error {
	return c.list('{', "an object", func() error {
		name, err := c.bytes()
		if err != nil {
			return err
		}
		c.i++
		if err := member(string(name)); err != nil {
			return fmt.Errorf("%s: %w", shorten(string(name)), err)
		}
		return nil
	})
}

// entries is object for objects with very many members: names are only valid until member returns.
func (c *cursor) entries(member func(name []byte) error) error {
	return c.list('{', "an object", func() error {
		name, err := c.bytes()
		if err != nil {
			return err
		}
		c.i++
		if err := member(name); err != nil {
			return fmt.Errorf("%s: %w", shorten(string(name)), err)
		}
		return nil
	})
}

// array calls element for each element, which it reads.
func (c *cursor) array(element func() error) error { return c.list('[', "a list", element) }

func (c *cursor) list(open byte, what string, element func() error) error {
	if c.peek() != open {
		return fmt.Errorf("it is not %s", what)
	}
	c.i++
	for end := open + 2; c.peek() != end; {
		if c.i >= len(c.b) {
			return fmt.Errorf("%s does not end", what)
		}
		if c.peek() == ',' {
			c.i++
		}
		if err := element(); err != nil {
			return err
		}
	}
	c.i++
	return nil
}

// bytes reads a string, without copying it where nothing is escaped.
func (c *cursor) bytes() ([]byte, error) {
	if c.peek() != '"' {
		return nil, fmt.Errorf("it is not a string")
	}
	start, escaped := c.i+1, false
	for c.i = start; c.i < len(c.b) && c.b[c.i] != '"'; c.i++ {
		if c.b[c.i] == '\\' {
			c.i, escaped = c.i+1, true
		}
	}
	if c.i >= len(c.b) {
		return nil, fmt.Errorf("it does not end")
	}
	s := c.b[start:c.i]
	c.i++
	if escaped {
		s = unescape(s)
	}
	return s, nil
}

func (c *cursor) string(into *string) error {
	s, err := c.bytes()
	*into = string(s)
	return err
}

// maxStrings bounds a list of strings.
const maxStrings = 1 << 16

func (c *cursor) strings(into *[]string) error {
	*into = []string{}
	return c.array(func() error {
		if len(*into) >= maxStrings {
			return fmt.Errorf("it has more than %d elements", maxStrings)
		}
		var s string
		err := c.string(&s)
		*into = append(*into, s)
		return err
	})
}

func (c *cursor) int64(into *int64) error {
	start := c.i
	for b := c.peek(); b == '-' || b >= '0' && b <= '9'; b = c.peek() {
		c.i++
	}
	n, err := strconv.ParseInt(string(c.b[start:c.i]), 10, 64)
	if err != nil {
		return fmt.Errorf("it is not an integer")
	}
	*into = n
	return nil
}

func (c *cursor) bool(into *bool) error {
	switch c.peek() {
	case 't':
		*into, c.i = true, c.i+len("true")
	case 'f':
		*into, c.i = false, c.i+len("false")
	default:
		return fmt.Errorf("it is neither true nor false")
	}
	return nil
}

// skip reads over one value and returns it.
func (c *cursor) skip() ([]byte, error) {
	start, depth := c.i, 0
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return c.b[start:c.i], nil
			}
		case ',':
			if depth == 0 {
				return c.b[start:c.i], nil
			}
		case '"':
			if _, err := c.bytes(); err != nil {
				return nil, err
			}
			continue
		}
		c.i++
	}
	return c.b[start:c.i], nil
}

// shorten makes text from elsewhere fit into a sentence.
func shorten(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strconv.QuoteToASCII(s)
}
