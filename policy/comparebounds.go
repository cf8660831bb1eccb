package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// How much of the changes is listed; all are counted.
const (
	maxListed      = 24       // of one kind
	maxListedBytes = 20 << 10 // of all kinds together
	maxShare       = 6 << 10  // bytes of one kind, so that none leaves no room for another
	maxNotes       = 8        // of one file
	maxNote        = 240      // characters
	maxListedPath  = 400      // characters
)

// list takes over the changes, sorted by path, as many as there is room for: those that matter most have it first, and of one kind
// what a system runs.
func (c *Changes) list(all *ChangedFiles) {
	c.Counts = ChangedCounts{
		Added: len(all.Added), Removed: len(all.Removed), Changed: len(all.Changed), Unsigned: len(all.Unsigned),
		Resigned: len(all.Resigned), Imports: len(all.Imports), Actions: len(all.Actions),
	}
	room := maxListedBytes
	c.Files.Unsigned = c.some(all.Unsigned, &room)
	c.Files.Actions = c.texts(all.Actions, &room)
	c.Files.Resigned = c.some(all.Resigned, &room)
	c.Files.Imports = c.some(all.Imports, &room)
	c.Files.Added = c.some(all.Added, &room)
	c.Files.Removed = c.some(all.Removed, &room)
	c.Files.Changed = c.some(all.Changed, &room)
}

func (c *Changes) some(all []ChangedFile, room *int) []ChangedFile {
	var out []ChangedFile
	share := min(*room, maxShare)
	for _, f := range byRank(all) {
		f = f.bounded()
		size := len(f.Path) + len(strings.Join(f.Notes, "")) + 80
		if len(out) == maxListed || size > share {
			break
		}
		share, *room = share-size, *room-size
		out = append(out, f)
	}
	c.LeftOut += len(all) - len(out)
	slices.SortFunc(out, func(a, b ChangedFile) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func byRank(files []ChangedFile) []ChangedFile {
	return slices.SortedFunc(slices.Values(files), func(a, b ChangedFile) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Path, b.Path))
	})
}

// rank puts the update itself first, then what a system runs: of that first what there is something to say of, and of this what was
// there before, since a new file is easily brought along.
func rank(f ChangedFile) int {
	said := len(f.Notes) > 0 && !strings.HasPrefix(f.Notes[0], sameBytes)
	switch {
	case f.Path == "":
		return 0
	case f.Format.Executable() && said && f.Size[0] > 0:
		return 1
	case f.Format.Executable() && said:
		return 2
	case f.Format.Executable():
		return 3
	}
	return 4
}

func (f ChangedFile) bounded() ChangedFile {
	f.Path = printable.Text(f.Path, maxListedPath)
	notes := make([]string, 0, min(len(f.Notes), maxNotes))
	for i, n := range f.Notes {
		if i == maxNotes-1 && len(f.Notes) > maxNotes {
			notes = append(notes, fmt.Sprintf("%d more", len(f.Notes)-i))
			break
		}
		notes = append(notes, printable.Text(n, maxNote))
	}
	if f.Notes = notes; len(notes) == 0 {
		f.Notes = nil
	}
	return f
}

// texts lists actions, of which new ones matter more than those that have changed.
func (c *Changes) texts(all []string, room *int) (out []string) {
	fresh := func(s string) int {
		if strings.Contains(s, actionNew) {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(fresh(a)-fresh(b), strings.Compare(a, b)) })
	share := min(*room, maxShare)
	for _, s := range all {
		s = printable.Text(s, maxListedPath+maxNote)
		if len(out) == maxListed || len(s) > share {
			break
		}
		share, *room = share-len(s), *room-len(s)
		out = append(out, s)
	}
	slices.Sort(out)
	c.LeftOut += len(all) - len(out)
	return out
}
