package versions

import (
	"slices"
	"strings"
)

// Branch returns what releases of one line have in common: the first n numbers of a version, such as 17.0 for 17.0.9 with n = 2, numbers
// that are left out being 0. A Debian or Red Hat epoch stands before them, since versions of different epochs are of different lines. Not ok
// means that it is no version of the system.
func Branch(system, version string, n int) (branch string, ok bool) {
	if _, ok := Of(system)(version, version); !ok || n < 1 || n > 16 {
		return "", false
	}
	epoch := ""
	if e, rest, has := strings.Cut(version, ":"); has {
		epoch, version = strings.TrimLeft(e, "0"), rest
	} else if e, rest, has := strings.Cut(version, "!"); has { // PEP 440
		epoch, version = strings.TrimLeft(e, "0"), rest
	}
	var parts []string
	version = strings.TrimLeft(version, "vV")
	for len(parts) < n && version != "" && isDigit(version[0]) {
		var digits string
		digits, version = number(version)
		digits = strings.TrimLeft(digits, "0")
		if digits == "" {
			digits = "0"
		}
		parts = append(parts, digits)
		version = strings.TrimPrefix(version, ".")
	}
	if len(parts) < n {
		parts = append(parts, slices.Repeat([]string{"0"}, n-len(parts))...)
	}
	branch = strings.Join(parts, ".")
	if epoch != "" {
		branch = epoch + ":" + branch
	}
	return branch, true
}

// Comparable reports whether versions of two systems are of one kind: those that installers, resources and file names give are.
func Comparable(a, b string) bool { return Kind(a) == Kind(b) }

// Kind names the systems whose versions compare with those of system: it is the same for all of them.
func Kind(system string) string {
	switch strings.ToLower(system) {
	case "pe", "msi", "msix", "name":
		return "name"
	}
	return system
}
