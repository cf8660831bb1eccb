package policy

import (
	"sort"
	"unicode/utf8"
)

// wildcard reports whether a name fits a pattern in which * stands for any run of characters and ? for one. Unlike a
// glob on a path it treats a slash as any other character ("Vestas Wind Systems A/S").
func wildcard(pattern, name string) bool {
	retry, from := -1, 0 // where to go on after the last *, and what of name it has taken
	i, j := 0, 0
	for j < len(name) {
		_, size := utf8.DecodeRuneInString(name[j:])
		switch {
		case i < len(pattern) && pattern[i] == '*':
			i++
			retry, from = i, j
		case i < len(pattern) && pattern[i] == '?':
			i++
			j += size
		case i < len(pattern) && pattern[i] == name[j]:
			i++
			j++
		case retry >= 0:
			_, skip := utf8.DecodeRuneInString(name[from:])
			from += skip
			i, j = retry, from
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}

// sortedKeys returns the names in a map, for messages.
func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
