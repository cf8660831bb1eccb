package audit

import "bytes"

// skipped are the members of a record that Each does not read. They are most of its bytes.
var skipped = [][]byte{[]byte(`"findings"`), []byte(`"contents"`), []byte(`"evidence"`)}

// withoutSkipped returns a record's line without the members that Each does not read. A line that is not written as the log writes them
// comes back as it is. The bytes may be those of line.
func withoutSkipped(line []byte) []byte {
	if len(line) == 0 || line[0] != '{' {
		return line
	}
	out := line[:0:0]
	kept := 0 // up to here line is in out
	for at := 1; at < len(line); {
		name, value, end := member(line, at)
		if end < 0 || line[end] == ']' {
			return line
		}
		for _, s := range skipped {
			if bytes.Equal(line[name:value], s) && name >= 2 { // never the first member
				out = append(out, line[kept:name-1]...) // with the comma before it
				kept = end
				break
			}
		}
		if line[end] == '}' {
			if kept == 0 || end != len(line)-1 {
				return line
			}
			return append(out, line[kept:]...)
		}
		at = end + 1
	}
	return line
}

// member finds the member of an object that begins at a place: where its name ends, and what follows its value. end is below 0 where
// there is none.
func member(line []byte, at int) (name, colon, end int) {
	stop := textEnd(line, at)
	if stop < 0 || stop >= len(line) || line[stop] != ':' {
		return 0, 0, -1
	}
	return at, stop, valueEnd(line, stop+1)
}
