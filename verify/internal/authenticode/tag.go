package authenticode

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/sallyport-project/sallyport/verify"
)

// tag is what a vendor is known to put into the signatures of its own installers after signing, to tell an
// installation where it was downloaded from. Windows lets it, so others could; hence the narrow shapes.
type tag struct {
	code, vendor, text string
}

const (
	omahaMagic   = "Gact2.0Omaha"
	omahaText    = 2048     // bytes of text at most
	omahaArea    = 16 << 10 // bytes of tag and zero bytes after it at most
	mozillaMagic = "__MOZCUSTOM__"
	mozillaArea  = 1024 // bytes, magic included
)

// findTag reports whether b is a known tag, followed by nothing but the zero bytes of the area kept free for it.
func findTag(b []byte) (tag, bool) {
	switch {
	case bytes.HasPrefix(b, []byte(omahaMagic)):
		return omahaTag(b)
	case bytes.HasPrefix(b, []byte(mozillaMagic)):
		return mozillaTag(b)
	}
	return tag{}, false
}

// omahaTag reads what Google's Omaha and Chromium's updaters look for: magic, length of the text (2 bytes, big
// endian), text of the form key=value&key=value, zero bytes.
func omahaTag(b []byte) (tag, bool) {
	body := b[len(omahaMagic):]
	if len(b) > omahaArea || len(body) < 2 {
		return tag{}, false
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if n > omahaText || n > len(body) || !escaped(body[:n]) || !AllZero(body[n:]) || n > 0 && !bytes.ContainsRune(body[:n], '=') {
		return tag{}, false
	}
	return tag{code: "omaha-tag", vendor: "Omaha (Chromium updater)", text: string(body[:n])}, true
}

// mozillaTag reads Mozilla's stub attribution: magic, colon, URL-encoded text, zero bytes, tabs or spaces.
func mozillaTag(b []byte) (tag, bool) {
	// Alignment of the table may follow the area.
	if len(b) > mozillaArea+Alignment {
		return tag{}, false
	}
	text := bytes.TrimPrefix(b[len(mozillaMagic):], []byte(":"))
	text = bytes.TrimRight(text, "\x00\t ")
	if !escaped(text) {
		return tag{}, false
	}
	return tag{code: "mozilla-attribution", vendor: "Mozilla attribution", text: string(text)}, true
}

// escaped reports whether b has only those characters that stand in the text of a URL. Without angle brackets, quotes
// and parentheses it is no script that another program could be made to find in the file and run.
func escaped(b []byte) bool {
	for _, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && !bytes.ContainsRune([]byte("%&=._~{}[]+*,:;/!?@|$#-"), rune(c)) {
			return false
		}
	}
	return true
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

// KnownTag reports a known vendor's tag at the beginning of b, followed by nothing but zero bytes, and whether there is
// one.
func (x *Examination) KnownTag(b []byte, where string) bool {
	t, ok := findTag(b)
	if ok {
		x.tag(t, where)
	}
	return ok
}

// tag reports a known vendor's tag, in full: it is short and printable.
func (x *Examination) tag(t tag, where string) {
	x.Remark(verify.Valid, t.code, "A tag of the kind %s stands %s; no signature covers it; it says %q.", t.vendor, where, t.text)
}

// Texture describes unknown bytes by what they look like.
func Texture(b []byte) string {
	switch e := Entropy(b); {
	case AllZero(b):
		return "all zero"
	case printable(bytes.TrimRight(b, "\x00")):
		return "readable text"
	case e > 7.2 || len(b) < 1024 && e > 0.93*math.Log2(float64(max(len(b), 2))):
		return "like random, as encrypted or compressed data is"
	case e > 5:
		return "mixed, as program code is"
	}
	return "repetitive"
}

// Entropy returns Shannon's entropy of the bytes in bits a byte.
func Entropy(b []byte) float64 {
	var counts [256]int
	for _, c := range b {
		counts[c]++
	}
	var sum float64
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(b))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// AllZero reports whether b has no other bytes than zeros.
func AllZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Alignment is what signatures are aligned to in a certificate table, in bytes.
const Alignment = 8
