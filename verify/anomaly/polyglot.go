package anomaly

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
)

// Limits of the search for a second kind of file, in bytes.
const (
	tailLength = 22 + 65535 // the end record of a zip file and its comment (APPNOTE 4.3.16)
	maxEntries = 64         // central directory entries that are looked at for a Java manifest
)

var tails = sync.Pool{New: func() any { return new([tailLength]byte) }}

// twice looks for a zip file at the end of a file of another kind: some programs read a file from its beginning, and
// others, Java among them, from its end.
func twice(a *verify.Artifact) ([]verify.Finding, error) {
	switch a.Format {
	case "zip", "jar", "apk", "msix", "nupkg", "vsix", "whl", "xpi", "crx", "":
		return nil, nil // it is meant to be one, or is nothing that is run
	}
	n := min(a.Size, tailLength)
	if n < 22 {
		return nil, nil
	}
	buf := tails.Get().(*[tailLength]byte)
	defer tails.Put(buf)
	tail := buf[:n]
	if k, err := a.Content.ReadAt(tail, a.Size-n); k < len(tail) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	for _, at := range slices.Backward(endRecords(tail)) {
		if f, found := zipAt(a, tail[at:], a.Size-n+int64(at)); found {
			return []verify.Finding{f}, nil
		}
	}
	return nil, nil
}

// endRecords returns where in tail an end record may begin, in order.
func endRecords(tail []byte) (at []int) {
	for next := 0; ; next++ {
		i := bytes.Index(tail[next:len(tail)-22+4], []byte("PK\x05\x06"))
		if i < 0 {
			return at
		}
		next += i
		at = append(at, next)
	}
}

// zipAt reports whether an end record that begins at position end belongs to a directory of entries before it.
func zipAt(a *verify.Artifact, record []byte, end int64) (verify.Finding, bool) {
	le := binary.LittleEndian
	entries, size := int(le.Uint16(record[10:])), int64(le.Uint32(record[12:]))
	if size < 46 || size > end || entries == 0 {
		return verify.Finding{}, false
	}
	start := end - size
	var mark [4]byte
	if k, _ := a.Content.ReadAt(mark[:], start); k < len(mark) || string(mark[:]) != "PK\x01\x02" {
		return verify.Finding{}, false
	}
	head := make([]byte, min(size, 64<<10))
	if k, _ := a.Content.ReadAt(head, start); k < len(head) {
		return verify.Finding{}, false
	}
	if java(head) {
		return odd("", "polyglot", "It is a file of format %s and at the same time, read from its end, a Java archive with %d entries.", a.Format, entries), true
	}
	return odd("", "polyglot", "It is a file of format %s and at the same time, read from its end, a zip file with %d entries.", a.Format, entries), true
}

// java reports whether a central directory names what makes a zip file one that Java runs.
func java(directory []byte) bool {
	le := binary.LittleEndian
	for range maxEntries {
		if len(directory) < 46 || string(directory[:4]) != "PK\x01\x02" {
			return false
		}
		name, rest := int(le.Uint16(directory[28:])), int(le.Uint16(directory[30:]))+int(le.Uint16(directory[32:]))
		if len(directory) < 46+name+rest {
			return false
		}
		if bytes.EqualFold(directory[46:46+name], []byte("META-INF/MANIFEST.MF")) {
			return true
		}
		directory = directory[46+name+rest:]
	}
	return false
}
