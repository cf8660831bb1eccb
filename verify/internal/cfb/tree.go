package cfb

import (
	"cmp"
	"unicode"
)

// buildTree puts the entries together to storages (section 2.6.4). Every entry in use must be in exactly one place.
func (f *File) buildTree() error {
	if f.Root.left != noEntry || f.Root.right != noEntry {
		return malformed("the root has siblings")
	}
	seen := make([]bool, len(f.table))
	seen[0] = true
	f.Entries = []*Entry{f.Root}
	level := []*Entry{f.Root}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth {
			return malformed("storages lie more than %d deep in each other", maxDepth)
		}
		var next []*Entry
		for _, storage := range level {
			if err := f.children(storage, seen); err != nil {
				return err
			}
			for _, e := range storage.Children {
				if e.Kind == Storage {
					next = append(next, e)
				}
			}
		}
		level = next
	}
	for n, e := range f.table {
		if e != nil && !seen[n] {
			return malformed("%s, %q, belongs to no storage", e.label(), e.Name())
		}
	}
	return nil
}

// children walks the tree of one storage in order. The tree may be as deep as it has entries: some writers make lists.
func (f *File) children(storage *Entry, seen []bool) error {
	var path []*Entry
	at := storage.child
	for at != noEntry || len(path) > 0 {
		for at != noEntry {
			if int64(at) >= int64(len(f.table)) || f.table[at] == nil {
				return malformed("%s refers to entry %d, which is none", storage.label(), at)
			}
			if seen[at] {
				return malformed("directory entry %d is in two places", at)
			}
			seen[at] = true
			path = append(path, f.table[at])
			at = f.table[at].left
		}
		e := path[len(path)-1]
		path = path[:len(path)-1]
		if n := len(storage.Children); n > 0 && CompareNames(storage.Children[n-1].Units, e.Units) >= 0 {
			return malformed("the names %q and %q in one storage are the same or out of order", storage.Children[n-1].Name(), e.Name())
		}
		storage.Children = append(storage.Children, e)
		f.Entries = append(f.Entries, e)
		at = e.right
	}
	return nil
}

// CompareNames orders names as the directory does (section 2.6.4): shorter ones first, then by their units in upper
// case. Names that differ only in case are the same.
func CompareNames(a, b []uint16) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	for i := range a {
		if c := cmp.Compare(upper(a[i]), upper(b[i])); c != 0 {
			return c
		}
	}
	return 0
}

// upper is the simple upper case of one unit; surrogates have none.
func upper(u uint16) uint16 {
	if u < 0x80 {
		if u >= 'a' && u <= 'z' {
			return u - 'a' + 'A'
		}
		return u
	}
	if r := unicode.ToUpper(rune(u)); r <= 0xffff {
		return uint16(r)
	}
	return u
}
