package policy

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// nearest returns a hint that names the candidate most like word, or lists the candidates where none is like it.
func nearest(word string, candidates []string) string {
	hint := alike(word, candidates)
	switch {
	case hint != "":
		return hint
	case len(candidates) == 0:
		return "none is defined"
	}
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	if more := len(sorted) - maxNamedCandidates; more > 1 {
		sorted = append(sorted[:maxNamedCandidates], fmt.Sprintf("and %d more", more))
	}
	return "there are: " + strings.Join(sorted, ", ")
}

const maxNamedCandidates = 12

// alike returns a hint that names the candidate most like word, if any is.
func alike(word string, candidates []string) string {
	if best := likely(word, candidates); best != "" {
		return "did you mean " + quote(best) + "?"
	}
	return ""
}

// likely returns the candidate most like word, if any is.
func likely(word string, candidates []string) string {
	n := utf8.RuneCountInString(word)
	best, least := "", min(n/3+2, max(n, 2)) // something of the word is to be left
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c), least); d < least {
			best, least = c, d
		}
	}
	return best
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
