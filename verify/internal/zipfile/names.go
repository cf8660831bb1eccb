package zipfile

import (
	"path"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/verify"
)

// names looks for names that mean different things to different readers, and for attributes that hide something.
func (f *File) names() {
	exact, folded := make(map[string]*Entry, len(f.Entries)), make(map[string]*Entry, len(f.Entries))
	for _, e := range f.Entries {
		f.oneName(e)
		f.attributes(e)
		clean := Normalize(e.Name)
		if o := exact[clean]; o != nil {
			f.duplicate(e, o)
			continue
		}
		exact[clean] = e
		if _, ok := f.byName[e.Name]; !ok {
			f.byName[e.Name] = e
		}
		lower := strings.ToLower(strings.TrimSuffix(clean, "/"))
		if o := folded[lower]; o != nil {
			f.note(verify.Valid, "case-duplicate", e.Name, "The entry has the same name as %.120q but for upper and lower case: on Windows and macOS one replaces the other.", o.Name)
		} else {
			folded[lower] = e
		}
	}
}

// Normalize returns a name as the most lenient readers understand it: up to the first NUL, with slashes, without
// empty parts and dots.
func Normalize(name string) string {
	name, _, _ = strings.Cut(name, "\x00")
	name = strings.ReplaceAll(name, `\`, "/")
	if plain(name) {
		return name
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if strings.HasSuffix(name, "/") {
		clean += "/"
	}
	return clean
}

// plain reports whether nothing in a name needs cleaning.
func plain(name string) bool {
	return name != "" && !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, ".") && !strings.Contains(name, "//") && !strings.Contains(name, "/.")
}

func (f *File) duplicate(e, other *Entry) {
	switch {
	case e.IsDirectory() && other.IsDirectory():
		f.note(verify.Valid, "duplicate-folder", e.Name, "The folder is there twice.")
	case e.Name == other.Name && e.CRC32 == other.CRC32 && e.Size == other.Size && f.sameContent(e, other):
		f.note(verify.Valid, "duplicate-same", e.Name, "The entry is there twice, with the same %d bytes.", e.Size)
	case e.Name == other.Name:
		f.note(verify.Invalid, "duplicate", e.Name, "The entry is there twice, with different content: readers differ in which of them they take.")
	default:
		f.note(verify.Invalid, "duplicate", e.Name, "The entry has the same name as %.120q once both are cleaned: readers differ in which of them they take.", other.Name)
	}
}

// oneName reports names that lead out of where the archive is unpacked, or that are cut off by some readers.
func (f *File) oneName(e *Entry) {
	name := e.Name
	switch {
	case name == "":
		f.note(verify.Invalid, "bad-name", "", "The entry at byte %d has no name.", e.Local)
	case strings.ContainsRune(name, 0):
		f.note(verify.Invalid, "ambiguous-name", name, "The name holds a NUL, where some readers end it.")
	case climbs(name):
		f.note(verify.Invalid, "traversal", name, "The name leads out of the folder in which the archive is unpacked.")
	case strings.HasPrefix(name, "/") || strings.HasPrefix(name, `\`) || len(name) > 1 && name[1] == ':' && isLetter(name[0]):
		f.note(verify.Invalid, "absolute-name", name, "The name is an absolute one.")
	case strings.Contains(name, `\`):
		f.note(verify.Valid, "backslash", name, "The name holds backslashes, which divide folders on Windows and nowhere else.")
	case e.Flags&FlagUTF8 != 0 && !utf8.ValidString(name):
		f.note(verify.Invalid, "ambiguous-name", name, "The name is said to be UTF-8 and is not: readers differ in how they spell it.")
	}
	f.unicodeName(e, e.Extra)
	f.unicodeName(e, e.localExtra)
	if e.IsDirectory() && e.Size > 0 {
		f.note(verify.Invalid, "folder-data", name, "The folder has %d bytes of data, which most readers ignore.", e.Size)
	}
}

// climbs reports whether a part of a name is "..", spaces behind it aside, which Windows drops.
func climbs(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		if strings.TrimRight(part, " ") == ".." {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// attributes reports extra fields and comments that are larger than attributes need to be, or cannot be read.
func (f *File) attributes(e *Entry) {
	for _, extra := range [][]byte{e.Extra, e.localExtra} {
		if n := ragged(extra); n > 0 {
			f.note(verify.Valid, "extra-data", e.Name, "%d bytes in the entry's extra fields are no field.", n)
		} else if len(extra) > maxExtra && !allZero(extra[:]) {
			f.note(verify.Valid, "extra-data", e.Name, "The entry has %d bytes of extra fields, more than attributes need.", len(extra))
		}
	}
	if e.Encrypted() {
		f.note(verify.Inconclusive, "encrypted", e.Name, "The entry is encrypted.")
	} else if !e.Supported() {
		f.note(verify.Inconclusive, "unknown-method", e.Name, "The entry is compressed by method %d (%s), which is not read here.", e.Method, methodName(e.Method))
	}
}
