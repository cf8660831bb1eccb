package versions

import (
	"regexp"
	"strings"
)

// The version scheme of Python packages, PEP 440, appendix B.
var pythonVersion = regexp.MustCompile(`^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]*))?` +
	`((?:-([0-9]+))|(?:[-_.]?(?:post|rev|r)[-_.]?([0-9]*)))?([-_.]?dev[-_.]?([0-9]*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)

type python struct {
	epoch, pre, preNumber, post, dev string
	release                          []string
	hasPost, hasDev                  bool
	local                            []string
}

func parsePython(s string) (v python, ok bool) {
	if len(s) > maxVersion {
		return v, false
	}
	m := pythonVersion.FindStringSubmatch(strings.ToLower(strings.TrimSpace(s)))
	if m == nil {
		return v, false
	}
	v = python{epoch: m[1], release: strings.Split(m[2], "."), preNumber: m[4], post: m[6] + m[7], dev: m[9], hasPost: m[5] != "", hasDev: m[8] != ""}
	switch m[3] {
	case "alpha", "a":
		v.pre = "a"
	case "beta", "b":
		v.pre = "b"
	case "preview", "pre", "c", "rc":
		v.pre = "c"
	}
	if m[10] != "" {
		v.local = pypiSeparators.Split(m[10], -1)
	}
	return v, true
}

// phase orders what may follow the release numbers: 1.0.dev1, 1.0a1, 1.0, 1.0.post1.
func (v python) phase() string {
	switch {
	case v.pre != "":
		return v.pre
	case v.hasDev && !v.hasPost:
		return ""
	}
	return "z"
}

func comparePython(a, b string) (int, bool) {
	x, ok := parsePython(a)
	y, fine := parsePython(b)
	if !ok || !fine {
		return 0, false
	}
	order := compareNumbers(x.epoch, y.epoch)
	for i := 0; order == 0 && i < max(len(x.release), len(y.release)); i++ {
		order = compareNumbers(at(x.release, i), at(y.release, i))
	}
	for _, next := range []func() int{
		func() int { return strings.Compare(x.phase(), y.phase()) },
		func() int { return compareNumbers(x.preNumber, y.preNumber) },
		func() int { return comparePresent(x.hasPost, y.hasPost, x.post, y.post, 1) },
		func() int { return comparePresent(x.hasDev, y.hasDev, x.dev, y.dev, -1) },
		func() int { return compareLocal(x.local, y.local) },
	} {
		if order == 0 {
			order = next()
		}
	}
	return order, true
}

// comparePresent orders a part that may be missing; having it counts as have.
func comparePresent(a, b bool, x, y string, have int) int {
	switch {
	case a && b:
		return compareNumbers(x, y)
	case a:
		return have
	case b:
		return -have
	}
	return 0
}

func compareLocal(a, b []string) int {
	for i := range min(len(a), len(b)) {
		order := compareIdentifier(a[i], b[i])
		if isDigits(a[i]) != isDigits(b[i]) {
			order = -order // a number is above a word here
		}
		if order != 0 {
			return order
		}
	}
	return sign(len(a) - len(b))
}
