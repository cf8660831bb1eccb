// Package versions orders versions as the system that gave them does: deb-version(7), rpm-version(7), PEP 440, Semantic
// Versioning, RubyGems; and loosely where no system says how.
package versions

import (
	"regexp"
	"strings"
)

// Comparison orders two versions by the rules of one system: below, equal to or above 0. Not ok means that one of them
// is no version there.
type Comparison func(a, b string) (order int, ok bool)

// maxVersion is how long a version may be, in bytes.
const maxVersion = 256

// Of returns the comparison of an ecosystem, as the OSV schema names them, in any case and with or without the release that
// may follow a colon; or of a kind of file: "deb", "rpm", "pe", "msi", "msix", or "name" for what a file name says. What has none
// here never compares.
func Of(ecosystem string) Comparison {
	base, _, _ := strings.Cut(strings.ToLower(ecosystem), ":")
	switch base {
	case "npm", "go", "crates.io", "hex", "pub", "swifturl", "github actions", "nuget", "julia", "vscode", "bitnami", "semver":
		return compareSemver
	case "pypi":
		return comparePython
	case "rubygems":
		return compareGem
	case "debian", "ubuntu", "deb":
		return compareDebian
	case "red hat", "rocky linux", "almalinux", "suse", "opensuse", "fedora", "mageia", "openeuler", "rpm":
		return compareRPM
	case "pe", "msi", "msix", "name":
		return compareLoose
	}
	return func(string, string) (int, bool) { return 0, false }
}

// compareNumbers orders two runs of digits of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return sign(len(a) - len(b))
	}
	return strings.Compare(a, b)
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// pypiSeparators is what PEP 503 and PEP 440 take for the same separator.
var pypiSeparators = regexp.MustCompile(`[-_.]+`)

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// Semver is Semantic Versioning 2.0.0, with a "v" before it (Go) and a fourth number (NuGet) allowed.
func Semver(a, b string) (order int, ok bool) { return compareSemver(a, b) }
