package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Warning is something about a policy that is not wrong but worth knowing.
type Warning struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`   // from 1; 0 if the whole file is meant
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it; may be empty
}

// String returns "file:line:column: what is worth knowing; hint".
func (w Warning) String() string { return Error(w).Error() }

// placed is where something of a policy stands, for warnings that depend on the time.
type placed struct {
	line, column int // among the lines of all files
	in           position
}

func (b *builder) placed(where at) placed {
	line, column := where.position()
	return placed{line, column, b.locate(where)}
}

// noted is a warning that is found while a policy is read.
type noted struct {
	placed
	message, hint string
}

// warn notes something at a place.
func (b *builder) warn(where at, hint, format string, args ...any) {
	if len(b.policy.noted) < maxErrors {
		b.policy.noted = append(b.policy.noted, noted{b.placed(where), fmt.Sprintf(format, args...), hint})
	}
}

// keyOf returns the key of a name in a section that is a mapping from names.
func (b *builder) keyOf(section, name string) node {
	for _, pair := range b.root.get(section).pairs() {
		if pair.key.text() == name {
			return pair.key
		}
	}
	return b.root
}

// soon is how long before its end an exception is called to mind.
const soon = 14 * 24 * time.Hour

// Warnings returns what is not wrong but worth knowing, such as an exception that has expired at time now, in the order of the file.
func (p *Policy) Warnings(now time.Time) []Warning {
	all := slices.Clone(p.noted)
	for _, e := range p.exceptions {
		day := e.expires.UTC().Format("2006-01-02 15:04 MST")
		switch {
		case e.expires.Before(now):
			all = append(all, noted{e.placed, fmt.Sprintf("exception %s (%s) expired on %s and is ignored", quote(e.name), quote(e.owner), day), "remove it, or have its owner give it another end"})
		case e.expires.Before(now.Add(soon)):
			all = append(all, noted{e.placed, fmt.Sprintf("exception %s (%s) expires on %s: then what it lets through is judged as everything else", quote(e.name), quote(e.owner), day), ""})
		}
	}
	slices.SortStableFunc(all, func(a, b noted) int { return cmp.Or(a.line-b.line, a.column-b.column) })
	out := make([]Warning, 0, len(all))
	said := map[Warning]bool{}
	for _, n := range all {
		w := Warning{n.in.file, n.in.line, n.in.column, n.message, n.hint}
		if !said[w] { // what a use adds to several channels is read several times
			out = append(out, w)
		}
		said[w] = true
	}
	return out
}
