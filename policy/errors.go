package policy

import (
	"fmt"
	"sort"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// Error is one thing that is wrong with a policy file.
type Error struct {
	File    string // as it was given to Load or Parse
	Line    int    // from 1; 0 if the whole file is meant
	Column  int    // from 1, in characters
	Message string // what is wrong
	Hint    string // the nearest right name, or what to write instead; may be empty
}

// Error returns "file:line:column: what is wrong; hint".
func (e Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	s += ": " + e.Message
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Errors is everything that is wrong with a policy file, in the order of the file.
type Errors []Error

// Error returns every error on a line of its own.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// maxErrors bounds how many errors are kept: nobody reads more, and a hostile file must not fill memory with them.
const maxErrors = 200

// problems collects errors while a file is read.
type problems struct {
	file string
	list Errors
	more int // errors beyond maxErrors
}

// at is a position in the file; nil stands for the file as a whole.
type at interface{ position() (line, column int) }

func (p *problems) add(where at, hint, format string, args ...any) {
	if len(p.list) >= maxErrors {
		p.more++
		return
	}
	e := Error{File: p.file, Message: fmt.Sprintf(format, args...), Hint: hint}
	if where != nil {
		e.Line, e.Column = where.position()
	}
	p.list = append(p.list, e)
}

// errors returns what was collected, sorted by position, or nil.
func (p *problems) errors() error {
	if len(p.list) == 0 {
		return nil
	}
	list := append(Errors(nil), p.list...)
	sort.SliceStable(list, func(i, j int) bool {
		if list[i].Line != list[j].Line {
			return list[i].Line < list[j].Line
		}
		return list[i].Column < list[j].Column
	})
	if p.more > 0 {
		list = append(list, Error{File: p.file, Message: fmt.Sprintf("and %d more errors", p.more)})
	}
	return list
}

// quote shows a word of the file in a message.
func quote(s string) string { return `"` + printable.Text(s, 80) + `"` }
