package policy

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A policy is made of one file and of the fragments that it uses. So that a line number alone says in which of them it is, the
// lines of each follow those of the one before, and are told apart again where they are shown to somebody.

// span is the lines of one file.
type span struct {
	file     string
	fragment string  // its name; "" for the policy file
	before   int     // lines of the files before it
	breaks   []place // see oddBreaks
}

// position is a place in a file as it is shown.
type position struct {
	file         string
	line, column int
}

// locate says where a place of all files together is.
func (p *problems) locate(where at) position {
	if where == nil {
		return position{file: p.file}
	}
	line, column := where.position()
	s := p.spanAt(line)
	if line == 0 || s == nil {
		return position{p.file, line, column}
	}
	line -= s.before
	return s.shown(line, column)
}

// spanAt returns the file in which a line is; nil where nothing is known of any.
func (p *problems) spanAt(line int) *span {
	for i := len(p.spans) - 1; i >= 0; i-- {
		if line > p.spans[i].before || i == 0 {
			return &p.spans[i]
		}
	}
	return nil
}

// fragmentAt returns the name of the fragment that a node is from; "" for the policy file.
func (p *problems) fragmentAt(n at) string {
	line, _ := n.position()
	if s := p.spanAt(line); s != nil {
		return s.fragment
	}
	return ""
}

// addFile makes room for the lines of a file, and returns how many there are before it.
func (b *builder) addFile(file, fragment string, data []byte) int {
	before := len(b.source)
	b.source = append(b.source, newSourceText(data)...)
	b.spans = append(b.spans, span{file: file, fragment: fragment, before: before, breaks: oddBreaks(data)})
	return before
}

// shift moves a node and all below it down by some lines.
func shift(n *yaml.Node, by int) {
	if n == nil {
		return
	}
	n.Line += by
	for _, c := range n.Content {
		shift(c, by)
	}
}

// YAML ends lines where editors do not: at U+0085, U+2028 and U+2029.
const oddLineBreaks = "\u0085\u2028\u2029"

// oddBreaks returns for each line of YAML in which line of the file it begins, and after how many characters; nil if the two are the same.
func oddBreaks(data []byte) []place {
	if !bytes.ContainsAny(data, oddLineBreaks) {
		return nil
	}
	var out []place
	for i, line := range editorLines(string(data)) {
		out = append(out, place{i + 1, 0})
		for j, r := range []rune(line) {
			if strings.ContainsRune(oddLineBreaks, r) {
				out = append(out, place{i + 1, j + 1})
			}
		}
	}
	return out
}

// editorLines splits a text at line feeds and carriage returns.
func editorLines(text string) []string {
	text = strings.TrimPrefix(text, "\uFEFF")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return strings.Split(text, "\n")
}

// shown returns the place in the file of a line and column of YAML.
func (s *span) shown(line, column int) position {
	if line >= 1 && line <= len(s.breaks) {
		at := s.breaks[line-1]
		return position{s.file, at.line, at.column + column}
	}
	if n := len(s.breaks); n > 0 && line > n { // behind the end
		line += s.breaks[n-1].line - n
	}
	return position{s.file, line, column}
}
