package verify

import (
	"encoding/binary"
	"strings"
)

// Archives that have no magic of their own, but a header of fixed form.
const (
	asarHead = 17  // bytes: four numbers and the JSON text's first character
	newcHead = 110 // bytes of cpio's header in hexadecimal digits ("newc", with and without checksums)
	odcHead  = 76  // bytes of cpio's header in octal digits (POSIX.1-2001, pax, "cpio Interchange Format")
)

// sniffArchive recognises Electron's archives and cpio.
func sniffArchive(head []byte) Format {
	switch {
	case isASAR(head):
		return "asar"
	case len(head) >= newcHead && (string(head[:6]) == "070701" || string(head[:6]) == "070702") && digits(head[6:newcHead], "0123456789abcdefABCDEF"),
		len(head) >= odcHead && string(head[:6]) == "070707" && digits(head[6:odcHead], "01234567"):
		return "cpio"
	}
	return ""
}

// isASAR reports whether b begins with two Pickles, one in the other, of which the inner one is a JSON object's text.
func isASAR(b []byte) bool {
	if len(b) < asarHead {
		return false
	}
	le := binary.LittleEndian
	outer, header, payload, text := le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	return outer == 4 && header >= 8 && payload == header-4 && text <= payload-4 && text+11 >= payload && b[16] == '{'
}

func digits(b []byte, of string) bool {
	return strings.Trim(string(b), of) == ""
}

// undecidedArchive reports whether more bytes could turn head into such an archive.
func undecidedArchive(head []byte) bool {
	return len(head) < asarHead && strings.HasPrefix("\x04\x00\x00\x00", string(head[:min(4, len(head))])) ||
		len(head) < newcHead && strings.HasPrefix("070701", string(head[:min(5, len(head))]))
}
