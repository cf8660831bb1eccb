package signify

import (
	"strconv"
	"strings"
	"time"
)

// Fields is what minisign writes into a trusted comment unless it is told otherwise:
// "timestamp:1610131681\tfile:hello_world.txt\thashed". The holder of the key claims it; nobody confirms it.
type Fields struct {
	Time    time.Time // zero if there is none
	File    string
	HasFile bool
}

// maxTime bounds what is believed to be a time at all: the last second of the year 9999.
const maxTime = 253402300799

// Fields reads the trusted comment. Fields are separated by tabs; in a comment of the signer's own making there may be
// none of those that are known. HasFile is true wherever a field begins with "file:", an empty name included;
// of several, the first is File.
func (s *Signature) Fields() Fields {
	var f Fields
	for _, field := range strings.Split(s.Comment, "\t") {
		if v, ok := strings.CutPrefix(field, "file:"); ok && !f.HasFile {
			f.File, f.HasFile = v, true
		}
		if v, ok := strings.CutPrefix(field, "timestamp:"); ok && f.Time.IsZero() {
			if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 && n <= maxTime {
				f.Time = time.Unix(n, 0).UTC()
			}
		}
	}
	return f
}

// Names reports whether the trusted comment allows a file to be called name: each of its "file:" fields says so, or it
// has none.
func (s *Signature) Names(name string) bool {
	for _, field := range strings.Split(s.Comment, "\t") {
		if v, ok := strings.CutPrefix(field, "file:"); ok && v != name {
			return false
		}
	}
	return true
}
