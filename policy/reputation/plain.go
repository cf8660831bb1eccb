package reputation

import (
	"bytes"
	"io"
	"strings"
	"time"
)

// readPlain reads one value a line, with comments, in any of the shapes that tools write.
func (r *reader) readPlain(in io.Reader) error {
	l := newLines(in, r.limits.line)
	for l.next() {
		if err := r.step(); err != nil {
			return err
		}
		if l.long {
			r.unreadable(l.number, "a line is longer than %d bytes", r.limits.line)
			continue
		}
		if len(l.text) == 0 {
			continue
		}
		if comment, ok := commentOf(l.text); ok {
			r.remark(comment)
			continue
		}
		if s := &r.summary; s.Entries+s.Ignored+s.Unreadable == 0 && meaning(plainName(string(l.text))) != nil && len(l.text) < 32 {
			r.summary.Ignored++ // a title
			continue
		}
		if err := r.plainLine(l.text, l.number); err != nil {
			return err
		}
	}
	return l.err
}

func commentOf(line []byte) (string, bool) {
	for _, mark := range []string{"#", ";", "//"} {
		if bytes.HasPrefix(line, []byte(mark)) {
			return string(bytes.TrimSpace(line[len(mark):])), true
		}
	}
	return "", false
}

// remark looks for the list's own date in a comment, as in "Last updated: 2026-07-30 11:07:12 UTC".
func (r *reader) remark(s string) {
	name, value, ok := strings.Cut(strings.TrimRight(s, "# \t"), ":")
	if !ok {
		return
	}
	switch name = strings.ToLower(strings.TrimSpace(name)); {
	case strings.HasSuffix(name, "updated"), strings.HasSuffix(name, "update"), strings.HasSuffix(name, "modified"), strings.HasSuffix(name, "date"),
		strings.HasPrefix(name, "generated"):
		r.dated(parseTime(strings.TrimSpace(value)))
	}
}

func (r *reader) plainLine(line []byte, number int) error {
	if sum, label, ok := digestLine(line); ok && r.Values != ValuesSerial {
		kind := fileKind(len(sum))
		if r.Values == ValuesCertificate {
			kind = certificateKind(len(sum))
		}
		if kind != KindNone && (r.Values == ValuesAuto || r.Values == ValuesFile || r.Values == ValuesCertificate) {
			return r.take(digestEntry(kind, sum), number, string(label), time.Time{})
		}
	}
	value, label := splitPlain(string(line))
	e, err := r.value(value)
	if err != nil {
		r.unreadable(number, "%s: %v", quote(value), err)
		return nil
	}
	return r.take(e, number, label, time.Time{})
}

// digestLine reads "HEX", "HEX  file", "HEX *file", "HEX,label", "HEX:size:name", "HEX # label" and "SHA256 (file) = HEX".
func digestLine(line []byte) (sum, label []byte, ok bool) {
	n := 0
	for n < len(line) && isHex(line[n]) {
		n++
	}
	if sum, ok = digest(line[:n]); !ok {
		return bsdLine(line)
	}
	rest := line[n:]
	if len(rest) == 0 {
		return sum, nil, true
	}
	if bytes.IndexByte([]byte(" \t,;:|#"), rest[0]) < 0 {
		return nil, nil, false
	}
	if rest[0] == ':' { // ClamAV: digest, size, name
		rest = rest[1:]
		i := bytes.IndexByte(rest, ':')
		if i < 0 || !isDigits(string(rest[:i])) && string(rest[:i]) != "*" {
			return nil, nil, false
		}
		rest, _, _ = bytes.Cut(rest[i+1:], []byte(":"))
		return sum, rest, true
	}
	return sum, bytes.Trim(rest, " \t,;|#*\""), true
}

func bsdLine(line []byte) (sum, label []byte, ok bool) {
	i := bytes.LastIndex(line, []byte(") = "))
	name, rest, found := bytes.Cut(line, []byte(" ("))
	if i < 0 || !found || len(line)-len(rest) > i {
		return nil, nil, false
	}
	if sum, ok = digest(line[i+4:]); !ok || !strings.EqualFold(strings.ReplaceAll(string(name), "-", ""), fileKind(len(sum)).String()) {
		return nil, nil, false
	}
	return sum, line[len(name)+2 : i], true
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// splitPlain splits off a comment behind the value, and the address before a name in a hosts file.
func splitPlain(line string) (value, label string) {
	value = line
	for _, mark := range []string{" #", "\t#", " ;"} {
		if v, l, ok := strings.Cut(value, mark); ok {
			value, label = v, strings.TrimSpace(l)
		}
	}
	value = strings.TrimSpace(value)
	if fields := strings.Fields(value); len(fields) == 2 && (fields[0] == "0.0.0.0" || fields[0] == "127.0.0.1" || fields[0] == "::") {
		value = fields[1]
	}
	return value, label
}
