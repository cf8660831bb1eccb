package policy

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// sourceText is the lines of the policy file, as YAML counts them, in characters.
type sourceText [][]rune

func newSourceText(data []byte) sourceText {
	if !utf8.Valid(data) {
		return nil
	}
	var out sourceText
	for _, line := range editorLines(string(data)) {
		for {
			i := strings.IndexAny(line, oddLineBreaks)
			if i < 0 {
				break
			}
			_, size := utf8.DecodeRuneInString(line[i:])
			out = append(out, []rune(line[:i]))
			line = line[i+size:]
		}
		out = append(out, []rune(line))
	}
	return out
}

// cursor is a character of the file, by line and column from 0.
type cursor struct {
	text         sourceText
	line, column int
}

// next returns the character at the cursor; 0 at the end of the file.
func (c *cursor) next() rune {
	switch {
	case c.line >= len(c.text):
		return 0
	case c.column >= len(c.text[c.line]):
		return '\n'
	}
	return c.text[c.line][c.column]
}

func (c *cursor) advance() {
	if c.line >= len(c.text) {
		return
	}
	if c.column++; c.column > len(c.text[c.line]) {
		c.line, c.column = c.line+1, 0
	}
}

func (c *cursor) place() place { return place{c.line + 1, c.column + 1} }

// places returns where each character of a scalar stands in the file, by walking through the scalar as it is written and as it reads, side by
// side: YAML leaves out indentation, folds lines and has escapes. Every character that is no space is placed exactly; so are spaces that were not
// folded. It returns nil if the two do not go together, which happens only where escapes stand beside folded lines.
func (t sourceText) places(n *yaml.Node) []place {
	if n.Line < 1 || n.Line > len(t) {
		return nil
	}
	c := &cursor{t, n.Line - 1, max(n.Column-1, 0)}
	double, single := n.Style&yaml.DoubleQuotedStyle != 0, n.Style&yaml.SingleQuotedStyle != 0
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		c.line, c.column = c.line+1, 0 // what follows | or > is no part of the text
	case double || single:
		c.advance()
	}
	value := []rune(n.Value)
	out := make([]place, len(value))
	for i := 0; i < len(value); {
		switch r := c.next(); {
		case double && r == '\\':
			at := c.place()
			if c.escape() {
				out[i] = at
				i++
			}
		case single && r == '\'' && value[i] == '\'':
			out[i] = c.place()
			i++
			c.advance()
			c.advance()
		case blank(r) && (c.folds() || !blank(value[i])):
			i = c.fold(value, out, i)
		case r == value[i]:
			out[i] = c.place()
			i++
			c.advance()
		case blank(value[i]) && (r == 0 || r == '\n'):
			out[i] = c.place() // a line end that the scalar ends in
			i++
		default:
			return nil
		}
	}
	return out
}

func blank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }

// folds reports whether the run of spaces at the cursor has a line end in it.
func (c *cursor) folds() bool {
	for d := *c; ; d.advance() {
		switch r := d.next(); {
		case r == '\n':
			return true
		case !blank(r):
			return false
		}
	}
}

// fold passes over a run of spaces in the file and in the text that it reads as, which may be none.
func (c *cursor) fold(value []rune, out []place, i int) int {
	at := c.place()
	for blank(c.next()) {
		c.advance()
	}
	for ; i < len(value) && blank(value[i]); i++ {
		out[i] = at
	}
	return i
}

// escape passes over an escape of a double-quoted scalar, and reports whether it stands for a character.
func (c *cursor) escape() bool {
	c.advance()
	length := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c.next()]
	if c.next() == '\n' { // the line goes on in the next
		for blank(c.next()) {
			c.advance()
		}
		return false
	}
	c.advance()
	for range length {
		if _, err := strconv.ParseUint(string(c.next()), 16, 8); err != nil {
			break
		}
		c.advance()
	}
	return true
}
