package pe

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
)

// Limits of a resource tree (Microsoft PE and COFF Specification, The .rsrc Section).
const (
	maxResources       = 16384 // leaves
	maxResourceFolders = 16384
	maxResourceEntries = 4096 // of one folder
	maxResourceName    = 256  // UTF-16 units
	resourceDepth      = 3    // type, name, language
)

// Types of resources.
const (
	ResourceRCData  = "10"
	ResourceVersion = "16"
)

// Resource is one leaf of the resource tree.
type Resource struct {
	// Type, Name and Language are numbers in decimal digits, or texts; a text of digits has a "#" before it.
	Type, Name, Language string
	Offset, Size         int64 // of its data in the file
}

// resources is one walk through a tree.
type resources struct {
	r       io.ReaderAt
	info    *Info
	at, end int64 // of the tree in the file
	folders int
	out     []Resource
}

// Resources lists the leaves of the resource tree in its order; nil if there is no tree. Leaves whose data lies outside
// the file are left out. Errors wrap ErrMalformed or are r's.
func (i *Info) Resources(r io.ReaderAt) ([]Resource, error) {
	d := i.directories[resourceIndex]
	at, left := i.offset(d.address)
	if d.address == 0 || left == 0 {
		return nil, nil
	}
	w := &resources{r: r, info: i, at: at, end: at + left}
	err := w.folder(0, nil)
	return w.out, err
}

// folder walks one folder at an offset from the tree's beginning.
func (w *resources) folder(offset int64, path []string) error {
	if w.folders++; w.folders > maxResourceFolders {
		return fmt.Errorf("%w: more than %d folders of resources", ErrMalformed, maxResourceFolders)
	}
	head, err := w.bytes(offset, 16)
	if err != nil {
		return err
	}
	count := int64(binary.LittleEndian.Uint16(head[12:])) + int64(binary.LittleEndian.Uint16(head[14:]))
	if count > maxResourceEntries {
		return fmt.Errorf("%w: a folder of %d resources", ErrMalformed, count)
	}
	entries, err := w.bytes(offset+16, count*8)
	if err != nil {
		return err
	}
	for ; len(entries) > 0; entries = entries[8:] {
		name, err := w.name(binary.LittleEndian.Uint32(entries))
		if err != nil {
			return err
		}
		if err := w.entry(binary.LittleEndian.Uint32(entries[4:]), append(path[:len(path):len(path)], name)); err != nil {
			return err
		}
	}
	return nil
}

const highBit = 1 << 31 // marks names that are texts, and entries that are folders

func (w *resources) entry(to uint32, path []string) error {
	if to&highBit != 0 {
		if len(path) == resourceDepth {
			return fmt.Errorf("%w: resources more than %d levels deep", ErrMalformed, resourceDepth)
		}
		return w.folder(int64(to&^highBit), path)
	}
	b, err := w.bytes(int64(to), 16)
	if err != nil {
		return err
	}
	if len(w.out) == maxResources {
		return fmt.Errorf("%w: more than %d resources", ErrMalformed, maxResources)
	}
	path = append(path, "", "", "")
	at, left := w.info.offset(binary.LittleEndian.Uint32(b))
	size := int64(binary.LittleEndian.Uint32(b[4:]))
	if size > left {
		return nil
	}
	w.out = append(w.out, Resource{Type: path[0], Name: path[1], Language: path[2], Offset: at, Size: size})
	return nil
}

// name returns a number's digits, or a text.
func (w *resources) name(id uint32) (string, error) {
	if id&highBit == 0 {
		return strconv.FormatUint(uint64(id), 10), nil
	}
	offset := int64(id &^ highBit)
	b, err := w.bytes(offset, 2)
	if err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint16(b)
	if n > maxResourceName {
		return "", fmt.Errorf("%w: the name of a resource has %d characters", ErrMalformed, n)
	}
	if b, err = w.bytes(offset+2, int64(n)*2); err != nil {
		return "", err
	}
	text := decodeUTF16(b)
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		text = "#" + text
	}
	return text, nil
}

// bytes reads n bytes at an offset from the tree's beginning.
func (w *resources) bytes(offset, n int64) ([]byte, error) {
	if offset > w.end-w.at-n {
		return nil, fmt.Errorf("%w: %d bytes at %d reach beyond the resources", ErrMalformed, n, offset)
	}
	b := make([]byte, n)
	return b, readAt(w.r, b, w.at+offset)
}

// decodeUTF16 decodes little-endian UTF-16; what is no character becomes U+FFFD.
func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
