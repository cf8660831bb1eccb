package versions

import "strings"

// semver is a version as Semantic Versioning 2.0.0 has it, with a "v" before it (Go) and a fourth number (NuGet) allowed.
type semver struct {
	numbers    []string
	prerelease []string
}

func parseSemver(s string) (v semver, ok bool) {
	if len(s) > maxVersion {
		return v, false
	}
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), "+")
	core, pre, has := strings.Cut(s, "-")
	v.numbers = strings.Split(core, ".")
	if len(v.numbers) > 4 {
		return v, false
	}
	for _, n := range v.numbers {
		if !isDigits(n) {
			return v, false
		}
	}
	if has {
		v.prerelease = strings.Split(pre, ".")
		for _, p := range v.prerelease {
			if p == "" {
				return v, false
			}
		}
	}
	return v, true
}

// compareSemver orders by precedence (section 11); numbers that are left out are 0.
func compareSemver(a, b string) (int, bool) {
	x, ok := parseSemver(a)
	y, fine := parseSemver(b)
	if !ok || !fine {
		return 0, false
	}
	for i := range max(len(x.numbers), len(y.numbers)) {
		if order := compareNumbers(at(x.numbers, i), at(y.numbers, i)); order != 0 {
			return order, true
		}
	}
	return comparePrerelease(x.prerelease, y.prerelease), true
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "0"
}

func comparePrerelease(a, b []string) int {
	if len(a) == 0 || len(b) == 0 {
		return sign(len(b) - len(a)) // a release is above its prereleases
	}
	for i := range min(len(a), len(b)) {
		if order := compareIdentifier(a[i], b[i]); order != 0 {
			return order
		}
	}
	return sign(len(a) - len(b))
}

func compareIdentifier(a, b string) int {
	x, y := isDigits(a), isDigits(b)
	switch {
	case x && y:
		return compareNumbers(a, b)
	case x:
		return -1
	case y:
		return 1
	}
	return strings.Compare(a, b)
}
