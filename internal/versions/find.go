package versions

import (
	"regexp"
	"strings"
)

// versionInName is at least two numbers with dots between them, and what makes a version one before the release.
var versionInName = regexp.MustCompile(`(?i)[0-9]+(?:\.[0-9]+)+(?:[-._~]?(?:alpha|beta|preview|pre|rc|dev|nightly|snapshot)(?:[-.]?[0-9]+)?|[abc][0-9]+)?`)

var (
	extension  = regexp.MustCompile(`\.(?:[a-z][a-z0-9]{0,7}|7z)$`)
	notOne     = regexp.MustCompile(`(?i)^\.(?:alpha|beta|preview|pre|rc|dev|nightly|snapshot)[0-9]*$`)
	maxEndings = 3 // that one name has: .tar.gz.sig
)

// Find tells where in a file name its version stands: s[from:to]. A name with no version, or with several different ones, has none.
func Find(s string) (from, to int, ok bool) {
	if len(s) > 4096 {
		return 0, 0, false
	}
	stem := withoutExtensions(s)
	for _, m := range versionInName.FindAllStringIndex(stem, 8) {
		switch {
		case m[0] > 0 && stem[m[0]-1] == '.' || m[1]-m[0] > maxVersion:
			return 0, 0, false
		case !ok:
			from, to, ok = m[0], m[1], true
		case stem[m[0]:m[1]] != stem[from:to]:
			return 0, 0, false
		}
	}
	return from, to, ok
}

func withoutExtensions(s string) string {
	for range maxEndings {
		end := extension.FindString(strings.ToLower(s))
		if end == "" || notOne.MatchString(end) {
			break
		}
		s = s[:len(s)-len(end)]
	}
	return s
}
