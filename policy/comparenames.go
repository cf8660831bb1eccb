package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

var pathIdentifier = regexp.MustCompile(`\{?[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\}?`)

// minDigest is from how many hexadecimal digits on a word that has one of the ten in it is a digest.
const minDigest = 7

// placeOf is what a path keeps over releases: it is the same for app-1.2/a.dll and app-1.10.3/a.dll. Identifiers, hexadecimal
// digests, and numbers with dots, dashes and underscores between them are left out.
func placeOf(path string) string {
	if !strings.ContainsAny(path, "0123456789") {
		return strings.ToLower(path)
	}
	if strings.Count(path, "-") >= 4 {
		path = pathIdentifier.ReplaceAllString(path, "#")
	}
	path = withoutRuns(path, isHexadecimal, func(run string) bool {
		return len(run) >= minDigest && strings.ContainsAny(run, "0123456789")
	})
	return strings.ToLower(withoutRuns(path, isDecimal, func(string) bool { return true }))
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func isDecimal(path string, i int) bool {
	return digit(path[i]) || strings.IndexByte("._-", path[i]) >= 0 && i > 0 && digit(path[i-1]) && i+1 < len(path) && digit(path[i+1])
}

func isHexadecimal(path string, i int) bool {
	c := path[i] | 0x20
	return digit(path[i]) || c >= 'a' && c <= 'f'
}

// withoutRuns puts "#" in the place of runs of bytes that belong together.
func withoutRuns(path string, belongs func(string, int) bool, replace func(string) bool) string {
	var b strings.Builder
	for i := 0; i < len(path); {
		end := i
		for end < len(path) && belongs(path, end) {
			end++
		}
		switch {
		case end == i:
			b.WriteByte(path[i])
			end++
		case replace(path[i:end]):
			b.WriteByte('#')
		default:
			b.WriteString(path[i:end])
		}
		i = end
	}
	return b.String()
}

// matchFiles brings the files of two releases together: those with the same path, then, of those whose paths differ by a version at
// most, those with the same bytes, then the others in the order of their paths.
func matchFiles(before, after []*verify.Inner) (pairs [][2]*verify.Inner, added, removed []*verify.Inner) {
	paths := make(map[string]*verify.Inner, len(before))
	for _, in := range before {
		paths[in.Path] = in
	}
	places := map[string]*[2][]*verify.Inner{}
	var order []string
	leave := func(in *verify.Inner, side int) {
		place := placeOf(in.Path)
		if places[place] == nil {
			places[place] = &[2][]*verify.Inner{}
			order = append(order, place)
		}
		places[place][side] = append(places[place][side], in)
	}
	for _, in := range after {
		if old := paths[in.Path]; old != nil {
			pairs = append(pairs, [2]*verify.Inner{old, in})
			delete(paths, in.Path)
		} else {
			leave(in, 1)
		}
	}
	for _, in := range before {
		if paths[in.Path] != nil {
			leave(in, 0)
		}
	}
	for _, place := range order {
		more, gone, come := matchPlace(places[place][0], places[place][1])
		pairs, removed, added = append(pairs, more...), append(removed, gone...), append(added, come...)
	}
	return pairs, added, removed
}

// matchPlace matches files whose paths differ by a version at most.
func matchPlace(before, after []*verify.Inner) (pairs [][2]*verify.Inner, gone, come []*verify.Inner) {
	same := map[verify.Digest][]*verify.Inner{}
	for _, in := range before {
		same[in.SHA256] = append(same[in.SHA256], in)
	}
	taken := map[*verify.Inner]bool{}
	for _, in := range after {
		if list := same[in.SHA256]; len(list) > 0 {
			pairs = append(pairs, [2]*verify.Inner{list[0], in})
			taken[list[0]], same[in.SHA256] = true, list[1:]
		} else {
			come = append(come, in)
		}
	}
	for _, in := range before {
		if !taken[in] {
			gone = append(gone, in)
		}
	}
	byPath := func(a, b *verify.Inner) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(gone, byPath)
	slices.SortFunc(come, byPath)
	n := min(len(gone), len(come))
	for i := range n {
		pairs = append(pairs, [2]*verify.Inner{gone[i], come[i]})
	}
	return pairs, gone[n:], come[n:]
}
