package policy

import (
	"fmt"
	"slices"
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
	file  string
	spans []span // the lines of the policy file and of all fragments; empty if everything is in file
	list  Errors
	more  int // errors beyond maxErrors
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

// errors returns what was collected, sorted by position, and how much there is besides; nil if there is nothing.
func (p *problems) errors() error {
	if len(p.list) == 0 {
		return nil
	}
	return p.sorted().and(p.more, p.file)
}

// and adds to errors how many more there are.
func (es Errors) and(more int, file string) Errors {
	if more > 0 {
		return append(es, Error{File: file, Message: fmt.Sprintf("and %d more errors", more)})
	}
	return es
}

// sorted returns what was collected, sorted by position, each once.
func (p *problems) sorted() Errors {
	list := append(Errors(nil), p.list...)
	sort.SliceStable(list, func(i, j int) bool {
		if list[i].Line != list[j].Line {
			return list[i].Line < list[j].Line
		}
		return list[i].Column < list[j].Column
	})
	list = slices.Compact(list) // what a use adds to several channels is read several times
	for i, e := range list {
		at := p.locate(place{e.Line, e.Column})
		list[i].File, list[i].Line, list[i].Column = at.file, at.line, at.column
	}
	return list
}

// quote shows a word of the file in a message.
func quote(s string) string { return `"` + printable.Text(s, 80) + `"` }

// Sort puts errors in the order of the files: those of the policy file first.
func (es Errors) Sort(policyFile string) {
	sort.SliceStable(es, func(i, j int) bool {
		a, b := es[i], es[j]
		switch {
		case a.File != b.File:
			return a.File == policyFile || b.File != policyFile && a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
}
