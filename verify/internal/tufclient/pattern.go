package tufclient

import (
	"strings"
	"unicode/utf8"
)

// scanned is how many characters are searched for a byte in the time of one step.
const scanned = 64

// matchPath reports whether a path matches a pattern (PATHPATTERN, section 4.5): * is any text and ? any character within one segment, [a-z]
// and [!a-z] are one character of a set, and no wildcard matches a slash. Where the reference implementations read a pattern
// differently, one with a backslash or one with [^, it matches nothing. Each step takes from work what it looks at, and below zero nothing
// matches.
func matchPath(pattern, path string, work *int) bool {
	if *work -= 1 + (len(pattern)+len(path))/scanned; *work < 0 || strings.Contains(pattern, `\`) || strings.Contains(pattern, "[^") {
		return false
	}
	if !strings.ContainsAny(pattern, "*?[") {
		return pattern == path
	}
	if strings.Count(pattern, "/") != strings.Count(path, "/") {
		return false
	}
	for more := true; more; {
		var p, s string
		p, pattern, more = strings.Cut(pattern, "/")
		s, path, _ = strings.Cut(path, "/")
		if !matchSegment(p, s, work) {
			return false
		}
	}
	return true
}

// matchSegment matches one segment. After a mismatch only the last star takes one character more: an earlier one never needs to.
func matchSegment(p, s string, work *int) bool {
	star, rest := "", ""
	starred := false
	for s != "" || p != "" {
		if *work--; *work < 0 {
			return false
		}
		if strings.HasPrefix(p, "*") {
			p = p[1:]
			star, rest, starred = p, s, true
			continue
		}
		if used, width, ok := matchOne(p, s, work); ok {
			p, s = p[used:], s[width:]
			continue
		}
		if !starred || rest == "" {
			return false
		}
		_, width := utf8.DecodeRuneInString(rest)
		rest = rest[width:]
		p, s = star, rest
	}
	return true
}

// matchOne matches the first element of a pattern with the first character of s, and returns how many bytes of each that takes.
func matchOne(p, s string, work *int) (used, width int, ok bool) {
	if p == "" || s == "" {
		return 0, 0, false
	}
	r, width := utf8.DecodeRuneInString(s)
	switch p[0] {
	case '?':
		return 1, width, true
	case '[':
		if used, in := matchSet(p, r, work); used > 0 {
			return used, width, in
		}
	}
	q, used := utf8.DecodeRuneInString(p)
	return used, width, q == r
}

// matchSet reads the set that p begins with, and reports whether r is in it. used is 0 where the set does not end: then the
// bracket stands for itself.
func matchSet(p string, r rune, work *int) (used int, in bool) {
	i := 1
	negated := strings.HasPrefix(p[i:], "!")
	if negated {
		i++
	}
	for first := true; i < len(p); first = false {
		if *work--; *work < 0 {
			return 0, false
		}
		if p[i] == ']' && !first {
			return i + 1, in != negated
		}
		low, width := utf8.DecodeRuneInString(p[i:])
		i += width
		high := low
		if strings.HasPrefix(p[i:], "-") && len(p) > i+1 && p[i+1] != ']' {
			high, width = utf8.DecodeRuneInString(p[i+1:])
			i += 1 + width
		}
		in = in || low <= r && r <= high
	}
	return 0, false
}
