package policy

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// addYAML adds what keeps a file from being read as YAML, where it is and how it could be mended.
func addYAML(p *problems, data []byte, err error) {
	var one *yaml.LoadError
	var many *yaml.LoadErrors
	switch {
	case errors.Is(err, io.EOF):
		p.add(place{1, 1}, "", "the file is empty; the least a policy says is version: 1")
	case errors.As(err, &many) && len(many.Errors) > 0:
		for _, e := range many.Errors {
			addLoadError(p, data, e)
		}
	case errors.As(err, &one):
		addLoadError(p, data, one)
	default:
		p.add(noYAML(data), "save it as UTF-8", "this is no YAML: %s", quote(err.Error()))
	}
}

func addLoadError(p *problems, data []byte, e *yaml.LoadError) {
	msg, mark := e.Message, e.Mark
	if e.ContextMsg != "" {
		msg = fmt.Sprintf("%s, %s", e.ContextMsg, msg)
	}
	if e.ContextMark.Line > 0 && (strings.Contains(e.Message, "end of stream") || strings.Contains(e.Message, "expected ',' or '")) {
		mark = e.ContextMark // where what does not end begins
	}
	if mark.Line == 0 {
		p.add(noYAML(data), "remove the character, and save the file as UTF-8", "this is no YAML: %s", printable.Text(msg, 300))
		return
	}
	where := place{mark.Line, max(mark.Column, 1)}
	p.add(where, howToMend(newSourceText(data), where, msg), "this is no YAML: %s", printable.Text(msg, 300))
}

// howToMend says what to do about something that YAML does not take.
func howToMend(text sourceText, where place, msg string) string {
	c := cursor{text, where.line - 1, where.column - 1}
	switch at := c.next(); {
	case tabbed(text, where.line):
		return "indent with spaces: YAML takes no tab there"
	case strings.Contains(msg, "quoted scalar"):
		return "close the quotes"
	case strings.Contains(msg, "expected ',' or '"):
		return "close the bracket, or put a comma between its elements"
	case at != 0 && strings.ContainsRune("*&!%@`|>", at):
		return "put it in quotes: a text that begins with " + string(at) + " is something else to YAML"
	case strings.Contains(msg, "mapping values are not allowed"):
		return "put a text in quotes that has a colon and a space in it"
	case strings.Contains(msg, "expected key"), strings.Contains(msg, "'-' indicator"):
		return "begin the keys of a mapping, and the dashes of a list, in one column"
	}
	return "look at the indentation, the brackets and the quotes here and just before"
}

// tabbed reports whether a tab stands in the indentation of a line.
func tabbed(text sourceText, line int) bool {
	if line < 1 || line > len(text) {
		return false
	}
	whole := string(text[line-1])
	return strings.Contains(strings.TrimSuffix(whole, strings.TrimLeft(whole, " \t")), "\t")
}

// noYAML finds the first character that no YAML has, in a file that is no UTF-16; nil if there is none.
func noYAML(data []byte) at {
	if len(data) > 1 && (data[0] == 0xfe && data[1] == 0xff || data[0] == 0xff && data[1] == 0xfe) {
		return nil
	}
	text := strings.TrimPrefix(string(data), "\uFEFF")
	line, column := 1, 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && !strings.ContainsRune("\t\n\r", r), r == 0x7f:
			return place{line, column}
		case r == '\r' && strings.HasPrefix(text[i+1:], "\n"): // the line ends with what follows
		case r == '\n' || r == '\r' || strings.ContainsRune(oddLineBreaks, r):
			line, column = line+1, 0
			fallthrough
		default:
			column++
		}
		i += size
	}
	return nil
}
