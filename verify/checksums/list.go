package checksums

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// Limits of a list.
const (
	maxList    = 1 << 20 // bytes
	maxEntries = 1 << 14
	maxLine    = 4 << 10 // bytes
)

// algorithm is a digest function that lists use. Those that are not strong vouch for nothing.
type algorithm struct {
	name   string // as in BSD style
	size   int    // bytes
	strong bool
}

// algorithms are those that a line of GNU style can mean, told apart by their length; the rest of the names, which BSD
// style writes out, follow.
var algorithms = []algorithm{
	{"MD5", 16, false},
	{"SHA1", 20, false},
	{"SHA224", 28, false},
	{"SHA256", 32, true},
	{"SHA384", 48, true},
	{"SHA512", 64, true},
	{"RMD160", 20, false},
	{"SHA512/256", 32, false}, // strong, but nobody publishes it: not computed here
	{"BLAKE2b", 64, false},    // likewise
	{"SM3", 32, false},
}

// entry is one line of a list.
type entry struct {
	algorithm algorithm
	sum       []byte
	path      string // as written, without "./" before it
}

// list is a list of digests that was read completely.
type list struct{ entries []entry }

// parseList reads lines as sha256sum(1) and cksum(1) write them. Every line must be one, empty, or a comment that begins
// with "#": a text of another kind that a key has signed, and that quotes digests among other things, is no list.
func parseList(text []byte) (*list, error) {
	if len(text) > maxList {
		return nil, fmt.Errorf("%d bytes are more than %d", len(text), maxList)
	}
	l := &list{}
	for n, rest := 1, text; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if len(l.entries) == maxEntries {
			return nil, fmt.Errorf("there are more than %d lines", maxEntries)
		}
		e, ok := parseLine(line)
		if !ok {
			return nil, fmt.Errorf("line %d is none of a list of digests", n)
		}
		l.entries = append(l.entries, e)
	}
	return l, nil
}

func parseLine(line []byte) (entry, bool) {
	if len(line) > maxLine || bytes.IndexByte(line, 0) >= 0 {
		return entry{}, false
	}
	s := string(line)
	s, escaped := strings.CutPrefix(s, `\`)
	e, ok := parseGNU(s)
	if !ok {
		e, ok = parseBSD(s)
	}
	if ok && escaped {
		e.path, ok = unescape(e.path)
	}
	e.path = strings.TrimPrefix(e.path, "./")
	return e, ok && e.path != ""
}

// parseGNU reads "digest  name", "digest *name", and "digest name", which old programs wrote.
func parseGNU(s string) (entry, bool) {
	digest, name, found := strings.Cut(s, " ")
	if !found || name == "" {
		return entry{}, false
	}
	if name[0] == ' ' || name[0] == '*' {
		name = name[1:]
	}
	sum, err := hex.DecodeString(digest)
	if err != nil {
		return entry{}, false
	}
	for _, a := range algorithms {
		if a.size == len(sum) {
			return entry{a, sum, name}, true
		}
	}
	return entry{}, false
}

// parseBSD reads "SHA256 (name) = digest".
func parseBSD(s string) (entry, bool) {
	kind, rest, found := strings.Cut(s, " (")
	end := strings.LastIndex(rest, ") = ")
	if !found || end < 0 {
		return entry{}, false
	}
	sum, err := hex.DecodeString(rest[end+len(") = "):])
	if err != nil {
		return entry{}, false
	}
	for _, a := range algorithms {
		if a.name == kind && a.size == len(sum) {
			return entry{a, sum, rest[:end]}, true
		}
	}
	return entry{}, false
}

// unescape undoes what GNU programs do to names with a backslash or a line end in them.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		switch s[i] {
		case '\\':
			b.WriteByte('\\')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		default:
			return "", false
		}
	}
	return b.String(), true
}

// find returns the lines about a file. Where none has just its name, those count whose last part it is, if they all
// have one and the same path; several says that they have not.
func (l *list) find(name string) (found []entry, several bool) {
	for _, e := range l.entries {
		if e.path == name {
			found = append(found, e)
		}
	}
	if found != nil {
		return found, false
	}
	for _, e := range l.entries {
		if path.Base(e.path) != name {
			continue
		}
		if found != nil && found[0].path != e.path {
			return nil, true
		}
		found = append(found, e)
	}
	return found, false
}
