package msidb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
)

// Limits of the summary.
const (
	maxSummary    = 1 << 20 // bytes
	maxSummaries  = 256     // properties
	templateID    = 7
	typeText      = 30 // VT_LPSTR
	summaryHeader = 48
)

// template reads the property Template of the summary ([MS-OLEPS], Windows Installer's Summary Property Set): platforms,
// a semicolon, languages. It is empty where there is none.
func template(f *cfb.File, storage *cfb.Entry) (string, error) {
	for _, e := range storage.Children {
		if e.Kind != cfb.Stream || DecodeName(e.Units).Text != Summary {
			continue
		}
		if e.Size > maxSummary {
			return "", malformed("a summary of %d bytes", e.Size)
		}
		b := make([]byte, e.Size)
		if n, err := f.Open(e).ReadAt(b, 0); n < len(b) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return "", fmt.Errorf("reading the summary: %w", err)
		}
		return summaryText(b, templateID)
	}
	return "", nil
}

// summaryText returns a text of the first section of a property set; "" where it has none of that number.
func summaryText(b []byte, id uint32) (string, error) {
	le := binary.LittleEndian
	if len(b) < summaryHeader || uint64(le.Uint32(b[44:]))+8 > uint64(len(b)) {
		return "", malformed("a summary of %d bytes", len(b))
	}
	section := b[le.Uint32(b[44:]):]
	count := le.Uint32(section[4:])
	if count > maxSummaries || uint64(len(section)) < 8+8*uint64(count) {
		return "", malformed("a summary of %d properties", count)
	}
	for i := range count {
		entry := section[8+8*i:]
		if le.Uint32(entry) != id {
			continue
		}
		at := uint64(le.Uint32(entry[4:]))
		if at+8 > uint64(len(section)) {
			return "", malformed("a property of the summary at %d of %d", at, len(section))
		}
		value := section[at:]
		n := uint64(le.Uint32(value[4:]))
		if le.Uint32(value) != typeText || n > uint64(len(value))-8 {
			return "", malformed("a property of the summary that is no text of %d bytes", n)
		}
		text := value[8 : 8+n]
		for len(text) > 0 && text[len(text)-1] == 0 {
			text = text[:len(text)-1]
		}
		return string(text), nil
	}
	return "", nil
}
