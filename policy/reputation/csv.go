package reputation

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"
)

// readCSV reads rows. Which column means what is told by a header, which may be a comment, by Column, or by the values.
func (r *reader) readCSV(in io.Reader) error {
	l := newLines(in, r.limits.line)
	t := table{r: r}
	for l.next() {
		if err := r.step(); err != nil {
			return err
		}
		switch comment, ok := commentOf(l.text); {
		case l.long:
			r.unreadable(l.number, "a line is longer than %d bytes", r.limits.line)
		case len(l.text) == 0:
		case ok:
			r.remark(comment)
			if t.rows == 0 && t.header(comment) {
				t.width = len(t.fields)
			}
		default:
			if err := t.line(string(l.text), l.number); err != nil {
				return err
			}
		}
	}
	if l.err == nil && t.rows > 0 && !t.found() {
		return refusef("it has no column %s", quote(r.Column))
	}
	return l.err
}

// table is a CSV list being read.
type table struct {
	r       *reader
	comma   byte
	columns *columns
	width   int // fields of a header that is a comment, which may be none; 0 is no such header
	rows    int
	fields  []string
}

func (t *table) found() bool {
	return t.r.Column == "" || isDigits(t.r.Column) || t.columns != nil && t.columns.value >= 0
}

// header takes a line for the header if it names columns that are known, or the one that is asked for, and holds no value.
func (t *table) header(line string) bool {
	comma := separator(line)
	names, ok := splitRow(nil, line, comma)
	if !ok || len(names) < 2 && t.r.Column == "" || slices.ContainsFunc(names, isValue) {
		return false
	}
	if c := newColumns(names, t.r.Column); c != nil {
		t.columns, t.comma, t.fields = c, comma, names
		return true
	}
	return false
}

func isValue(s string) bool {
	_, sum := digest([]byte(s))
	return sum || strings.Contains(s, "://")
}

func (t *table) line(line string, number int) error {
	if t.rows == 0 && t.columns == nil && t.header(line) {
		return nil
	}
	if t.rows++; t.rows == 1 {
		t.first(line)
	}
	var ok bool
	if t.fields, ok = splitRow(t.fields[:0], line, t.comma); !ok {
		t.r.unreadable(number, "%s: a quote is not closed", quote(line))
		return nil
	}
	before := t.r.summary
	if err := t.row(number); err != nil {
		return err
	}
	if s := t.r.summary; s.Entries == before.Entries && s.Ignored == before.Ignored && s.Unreadable == before.Unreadable {
		t.r.unreadable(number, "%s: there is no value in this row", quote(line))
	}
	return nil
}

// first settles with the first row what separates fields, and whether a comment was a header or only looked like one.
func (t *table) first(line string) {
	if t.width != 0 {
		if row, _ := splitRow(nil, line, t.comma); len(row) != t.width {
			t.columns, t.comma = nil, 0
		}
	}
	if t.comma == 0 {
		t.comma = separator(line)
	}
}

func (t *table) row(number int) error {
	switch {
	case t.columns != nil:
		return t.columns.row(t.r, t.fields, number)
	case isDigits(t.r.Column):
		return newNumbered(t.r.Column).row(t.r, t.fields, number)
	}
	return t.r.anyColumn(t.fields, number)
}

// anyColumn takes the strongest digest of a row without header, else the first URL.
func (r *reader) anyColumn(fields []string, line int) error {
	var best []byte
	for _, f := range fields {
		if sum, ok := digest([]byte(f)); ok && len(sum) <= 32 && len(sum) > len(best) {
			best = sum
		}
	}
	if best != nil && r.Values == ValuesAuto || r.Values == ValuesFile {
		return r.take(digestEntry(fileKind(len(best)), best), line, "", time.Time{})
	}
	for _, f := range fields {
		if r.Values == ValuesAuto && !strings.Contains(f, "://") && !strings.HasPrefix(f, "pkg:") {
			continue
		}
		if e, err := r.value(f); err == nil {
			return r.take(e, line, "", time.Time{})
		}
	}
	return nil
}

// separator returns what separates the fields of a line: a comma, semicolon, tab or bar, whichever there are most of.
func separator(line string) byte {
	best, most := byte(','), 0
	for _, c := range []byte(",;\t|") {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// splitRow splits a line into fields (RFC 4180, but with spaces allowed around quoted fields, and no line ends in them).
func splitRow(fields []string, line string, comma byte) ([]string, bool) {
	for {
		line = strings.TrimLeft(line, " ")
		if strings.HasPrefix(line, `"`) {
			field, after, ok := quoted(line[1:])
			if !ok {
				return fields, false
			}
			fields = append(fields, strings.TrimSpace(field))
			line = strings.TrimLeft(after, " ")
			if line == "" {
				return fields, true
			}
			if line[0] != comma {
				return fields, false
			}
			line = line[1:]
			continue
		}
		i := strings.IndexByte(line, comma)
		if i < 0 {
			return append(fields, strings.TrimSpace(line)), true
		}
		fields = append(fields, strings.TrimSpace(line[:i]))
		line = line[i+1:]
	}
}

// quoted reads up to the closing quote; two quotes are one.
func quoted(s string) (field, after string, ok bool) {
	i := strings.IndexByte(s, '"')
	if i < 0 {
		return "", "", false
	}
	if !strings.HasPrefix(s[i+1:], `"`) {
		return s[:i], s[i+1:], true
	}
	var b bytes.Buffer
	for {
		b.WriteString(s[:i])
		if s = s[i+1:]; !strings.HasPrefix(s, `"`) {
			return b.String(), s, true
		}
		b.WriteByte('"')
		s = s[1:]
		if i = strings.IndexByte(s, '"'); i < 0 {
			return "", "", false
		}
	}
}
