package policy

import (
	"sort"
	"strings"
)

// nearest returns a hint that names the candidate most like word, or lists the candidates where none is like it.
func nearest(word string, candidates []string) string {
	hint := alike(word, candidates)
	switch {
	case hint != "":
		return hint
	case len(candidates) == 0:
		return ""
	case len(candidates) <= 12:
		sorted := append([]string(nil), candidates...)
		sort.Strings(sorted)
		return "there are: " + strings.Join(sorted, ", ")
	}
	return ""
}

// alike returns a hint that names the candidate most like word, if any is.
func alike(word string, candidates []string) string {
	best, least := "", len(word)/3+2
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c), least); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + quote(best) + "?"
}

// distance is the number of single-character edits between a and b (Levenshtein), or limit if it is not below it.
func distance(a, b string, limit int) int {
	ra, rb := []rune(a), []rune(b)
	if len(ra)-len(rb) >= limit || len(rb)-len(ra) >= limit || len(ra) > 256 {
		return limit
	}
	row := make([]int, len(rb)+1)
	for j := range row {
		row[j] = j
	}
	for i, ca := range ra {
		diagonal := row[0]
		row[0] = i + 1
		for j, cb := range rb {
			cost := diagonal
			if ca != cb {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(rb)], limit)
}
