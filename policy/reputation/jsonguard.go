package reputation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
)

// guard lets JSON through to a decoder that itself knows no bounds: not nested deeper than depth, and no element longer than
// limit. It remembers where lines end, so that positions can be told as lines.
type guard struct {
	r            io.Reader
	depth, level int
	text, escape bool
	position     int64 // bytes let through
	allowed      int64 // may be let through before the next element begins
	ends         []int64
	line         int // of the first position in ends
}

var errElement = errors.New("element too long")

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	if g.position >= g.allowed {
		return 0, errElement
	}
	n, err := g.r.Read(p[:min(int64(len(p)), g.allowed-g.position)])
	for i, c := range p[:n] {
		if c == '\n' {
			g.ends = append(g.ends, g.position+int64(i))
		}
		if e := g.see(c); e != nil {
			return 0, e
		}
	}
	g.position += int64(n)
	return n, err
}

func (g *guard) see(c byte) error {
	switch {
	case g.escape:
		g.escape = false
	case g.text:
		g.escape, g.text = c == '\\', c != '"'
	case c == '"':
		g.text = true
	case c == '{' || c == '[':
		if g.level++; g.level > g.depth {
			return refusef("it is nested deeper than %d", g.depth)
		}
	case c == '}' || c == ']':
		g.level--
	}
	return nil
}

// lineAt returns the line of a position, which must not go backwards.
func (g *guard) lineAt(position int64) int {
	i := 0
	for i < len(g.ends) && g.ends[i] < position {
		i++
	}
	g.ends, g.line = g.ends[i:], g.line+i
	return g.line + 1
}

// document is JSON being read element by element.
type document struct {
	guard *guard
	dec   *json.Decoder
	limit int64
}

func newDocument(in io.Reader, l limits) *document {
	g := &guard{r: in, depth: l.depth, allowed: l.element}
	return &document{guard: g, dec: json.NewDecoder(g), limit: l.element}
}

func (d *document) line() int { return d.guard.lineAt(d.dec.InputOffset()) }

// fail explains an error of the decoder.
func (d *document) fail(err error) error {
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errElement):
		return refusef("line %d: an element is longer than %d bytes", d.line(), d.limit)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refusef("line %d: it ends in the middle", d.line())
	case errors.As(err, &syntax):
		return refusef("line %d: %s", d.line(), syntax)
	}
	return err
}

// more reports whether another element or value follows.
func (d *document) more() bool {
	d.guard.allowed = d.dec.InputOffset() + d.limit
	return d.dec.More()
}

// token reads one token of the structure.
func (d *document) token() (json.Token, error) {
	d.guard.allowed = d.dec.InputOffset() + d.limit
	t, err := d.dec.Token()
	return t, d.fail(err)
}

// end reports whether there is nothing more.
func (d *document) end() (bool, error) {
	if d.more() {
		return false, nil
	}
	if _, err := d.dec.Token(); err == io.EOF {
		return true, nil
	} else {
		return true, d.fail(err)
	}
}

// value reads a whole value. That it does not fit v is told apart from errors: the value is passed over then.
func (d *document) value(v any) (misfit error, err error) {
	d.guard.allowed = d.dec.InputOffset() + d.limit
	err = d.dec.Decode(v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s is a %s", strings.TrimPrefix(wrong.Field, "."), wrong.Value), nil
	}
	return nil, d.fail(err)
}

// skip passes over a value.
func (d *document) skip() error {
	var raw json.RawMessage
	_, err := d.value(&raw)
	return err
}

// object calls member with every key of an object whose opening brace was read; member reads the value.
func (d *document) object(member func(name string) error) error {
	for d.more() {
		t, err := d.token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

// array calls element before every element of an array whose opening bracket was read; element reads it.
func (d *document) array(element func() error) error {
	for d.more() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

// counter counts what is read through it, and refuses beyond max.
type counter struct {
	r    io.Reader
	left *atomic.Int64
}

// Read implements io.Reader.
func (c counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left.Add(-int64(n)) < 0 {
		return 0, refusef("it unpacks to more than is allowed for its size")
	}
	return n, err
}

// peek returns the first byte of the next value without reading it.
func (d *document) peek() (byte, error) {
	if !d.more() {
		return 0, nil
	}
	var b [64]byte
	in := d.dec.Buffered()
	for {
		n, err := in.Read(b[:])
		for _, c := range b[:n] {
			if c != ' ' && c != '\t' && c != '\r' && c != '\n' && c != ',' {
				return c, nil
			}
		}
		if err != nil {
			return 0, nil
		}
	}
}
