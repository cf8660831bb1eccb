package reputation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

const sniffed = 64 << 10 // bytes that a format is told by

// detect tells a format by the beginning of the content.
func detect(head []byte) Format {
	body := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(body) > 0 && (body[0] == '{' || body[0] == '[' && jsonArray(body)) {
		return detectJSON(body)
	}
	if looksTabular(head) {
		return FormatCSV
	}
	return FormatPlain
}

// jsonArray tells an array from a plain line that begins with a bracket.
func jsonArray(b []byte) bool {
	b = bytes.TrimLeft(b[1:], " \t\r\n")
	return len(b) > 0 && (b[0] == '{' || b[0] == ']')
}

// detectJSON tells by the names of the outer members.
func detectJSON(body []byte) Format {
	names := outerNames(body)
	switch {
	case names["Event"] || names["Attribute"] || names["response"]:
		return FormatMISP
	case names["vulnerabilities"] && names["catalogVersion"]:
		return FormatKEV
	case names["objects"] || names["spec_version"]:
		return FormatSTIX
	case names["SHA-1"] || names["SHA-256"] || names["MD5"]:
		return FormatHashlookup
	}
	return FormatOSV
}

// outerNames returns the names of members at most three levels deep, as far as the beginning shows them.
func outerNames(body []byte) map[string]bool {
	names := map[string]bool{}
	d := newDocument(bytes.NewReader(body), limits{element: sniffed, depth: 64})
	var open []json.Delim
	name := true // whether a string is a name, in an object
	for {
		t, err := d.token()
		if err != nil {
			return names
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				open = append(open, t)
			} else if len(open) > 0 {
				open = open[:len(open)-1]
			}
			name = true
			continue
		case string:
			if len(open) > 0 && open[len(open)-1] == '{' && name {
				if len(open) <= 3 {
					names[t] = true
				}
				name = false
				continue
			}
		}
		name = true
	}
}

// looksTabular tells rows from single values: by a header, or because most lines have fields of which one is a value.
func looksTabular(head []byte) bool {
	l := newLines(bytes.NewReader(head), sniffed)
	rows, plain := 0, 0
	for l.next() && rows+plain < 50 {
		text := string(l.text)
		comment, ok := commentOf(l.text)
		if ok {
			text = comment
		}
		fields, whole := splitRow(nil, text, separator(text))
		if whole && len(fields) > 1 && newColumns(fields, "") != nil {
			return true
		}
		switch {
		case ok || text == "":
		case strings.HasPrefix(text, `"`), len(fields) > 2 && !strings.Contains(fields[0], "://"):
			rows++
		default:
			plain++
		}
	}
	return rows > plain
}

// peek returns the beginning of what can be read again from the start.
func peek(in io.Reader) ([]byte, error) {
	b, err := bufio.NewReaderSize(in, sniffed).Peek(sniffed)
	if err == io.EOF || err == bufio.ErrBufferFull {
		err = nil
	}
	return b, err
}
