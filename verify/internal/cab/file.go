package cab

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Folder indices of files that have parts in other cabinets of the set ([MS-CAB] 2.3).
const (
	continuedFromPrev        = 0xfffd
	continuedToNext          = 0xfffe
	continuedFromPrevAndNext = 0xffff
)

func (c *Cabinet) readFiles(count int) error {
	in := &cursor{r: c.r, at: c.FilesOffset, limit: c.Declared}
	if c.FilesOffset > c.Declared {
		return malformed("the table of files at %d lies beyond its end at %d", c.FilesOffset, c.Declared)
	}
	for i := range count {
		b, err := in.next(fileSize)
		if err != nil {
			return err
		}
		f := File{Size: int64(le.Uint32(b)), Start: int64(le.Uint32(b[4:])), Attributes: le.Uint16(b[14:])}
		if err := c.place(&f, le.Uint16(b[8:])); err != nil {
			return err
		}
		name, err := in.text()
		if err != nil {
			return err
		}
		if len(name) == 0 {
			return malformed("file %d has no name", i+1)
		}
		f.RawName = bytes.Clone(name)
		f.Name, f.BadName = decodeName(name, f.Attributes&attributeUTF8 != 0)
		c.continues = c.continues || f.Continued&FromPrev != 0
		c.Files = append(c.Files, f)
	}
	c.FilesEnd = in.at
	return nil
}

// place translates a file's folder index.
func (c *Cabinet) place(f *File, index uint16) error {
	switch index {
	case continuedFromPrev:
		f.Continued = FromPrev
	case continuedToNext:
		f.Folder, f.Continued = len(c.Folders)-1, ToNext
	case continuedFromPrevAndNext:
		f.Continued = FromPrev | ToNext
	default:
		f.Folder = int(index)
	}
	switch {
	case f.Folder >= len(c.Folders):
		return malformed("a file in folder %d of %d", f.Folder, len(c.Folders))
	case f.Continued&FromPrev != 0 && c.Flags&FlagPrev == 0, f.Continued&ToNext != 0 && c.Flags&FlagNext == 0:
		return malformed("a file continues in another cabinet, but none belongs to this one")
	case f.Continued == FromPrev|ToNext && len(c.Folders) != 1:
		return malformed("a file that fills the cabinet, which has %d folders", len(c.Folders))
	}
	return nil
}

// decodeName returns a name as UTF-8 with "/" between its parts. Names without the UTF-8 flag are in a code page that
// nothing tells: those that are valid UTF-8 are taken as such, of others each byte becomes the character of that number.
func decodeName(raw []byte, utf bool) (name string, bad bool) {
	if !utf8.Valid(raw) {
		bad = utf
		var b strings.Builder
		for _, c := range raw {
			b.WriteRune(rune(c))
		}
		return strings.ReplaceAll(b.String(), `\`, "/"), bad
	}
	return strings.ReplaceAll(string(raw), `\`, "/"), false
}

// checkFiles compares each file's place with the size of its folder's stream.
func (c *Cabinet) checkFiles() error {
	for i := range c.Files {
		f := &c.Files[i]
		folder := &c.Folders[f.Folder]
		if f.Continued != 0 || c.Partial(f.Folder) {
			continue
		}
		if f.Start+f.Size > folder.Unpacked {
			return malformed("the file %q says that it ends at byte %d of folder %d, which has %d", f.Name, f.Start+f.Size, f.Folder, folder.Unpacked)
		}
	}
	return nil
}

// Partial reports whether the beginning of a folder's stream lies in the previous cabinet of the set, so that nothing of
// it can be unpacked from this one alone.
func (c *Cabinet) Partial(folder int) bool { return folder == 0 && c.continues }
