package main

import "strings"

// nearest returns the name that was most likely meant by got, or "" if none is near enough to be worth a guess: a
// third of the letters may differ, and case does not count.
func nearest(got string, names []string) string {
	const longest = 64
	if len(got) > longest {
		return ""
	}
	best, bestAt := "", max(1, len(got)/3)+1
	for _, name := range names {
		if d := editDistance(strings.ToLower(got), strings.ToLower(name)); d < bestAt {
			best, bestAt = name, d
		}
	}
	return best
}

// editDistance is how many letters have to be put in, taken out, replaced or swapped with their neighbour to turn a
// into b (optimal string alignment).
func editDistance(a, b string) int {
	before, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
