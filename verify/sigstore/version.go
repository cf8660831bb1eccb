package sigstore

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// version is a version as it stands in the name of a file, such that later ones can be told from earlier ones.
type version struct {
	text    string
	numbers []uint64 // two to five
	pre     []string // identifiers of a pre-release; nil: it is none
}

// dotted finds versions in names: two to five numbers with dots between them, and what may follow for a pre-release. What follows
// without such a word (a platform, an architecture) is no part of it.
var dotted = regexp.MustCompile(`(?i)[0-9]{1,16}(?:\.[0-9]{1,16}){1,4}(?:[-_.~]?(?:alpha|beta|dev|pre|preview|rc|canary|next|nightly|insiders?|snapshot|a|b|c)(?:[-_.]?[0-9]{1,16})*\b)?`)

// findVersion returns the first version in s and where it stands. A number before it that a letter precedes belongs to it ("v1.2").
func findVersion(s string) (v version, from, to int, ok bool) {
	for _, at := range dotted.FindAllStringIndex(s, 8) {
		if v, ok = parseVersion(s[at[0]:at[1]]); ok {
			return v, at[0], at[1], true
		}
	}
	return version{}, 0, 0, false
}

var (
	leading  = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)*`)
	piece    = regexp.MustCompile(`[0-9]+|[A-Za-z]+`)
	npmBuild = regexp.MustCompile(`\+.*$`)
)

// parseVersion reads a version: numbers with dots between them, then identifiers of a pre-release.
func parseVersion(s string) (version, bool) {
	v := version{text: s}
	plain := npmBuild.ReplaceAllString(s, "")
	head := leading.FindString(plain)
	for part := range strings.SplitSeq(head, ".") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return version{}, false
		}
		v.numbers = append(v.numbers, n)
	}
	v.pre = piece.FindAllString(plain[len(head):], 16)
	return v, len(v.numbers) >= 2 && len(v.numbers) <= 5
}

// compare orders versions as semantic versioning does (https://semver.org, section 11), with numbers that are missing as zeros.
func (v version) compare(w version) int {
	for i := range max(len(v.numbers), len(w.numbers)) {
		if c := cmp.Compare(number(v.numbers, i), number(w.numbers, i)); c != 0 {
			return c
		}
	}
	if len(v.pre) == 0 || len(w.pre) == 0 {
		return cmp.Compare(len(w.pre), len(v.pre)) // none is later than any
	}
	for i := range min(len(v.pre), len(w.pre)) {
		if c := compareIdentifiers(v.pre[i], w.pre[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(v.pre), len(w.pre))
}

func number(all []uint64, i int) uint64 {
	if i < len(all) {
		return all[i]
	}
	return 0
}

func compareIdentifiers(a, b string) int {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	switch {
	case errX == nil && errY == nil:
		return cmp.Compare(x, y)
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}
