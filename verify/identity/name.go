package identity

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// What a release is called in the name of a product: dotted numbers with what is glued to them ("3.12.1", "v8.0-rc1"), and
// numbers that stand alone ("2024", "2015-2022", "8"). Numbers that are part of a word ("7-Zip", "3CX", "64-bit", "x64") are names.
var (
	dotted = regexp.MustCompile(`(^|[\s(\[_-])[vV]?\d+(?:\.\d+)+[^\s)\]]*`)
	alone  = regexp.MustCompile(`^[(\[]?[vV]?\d+(?:[-–]\d+)?[)\],;:]*$`)
	hollow = regexp.MustCompile(`^[\s()\[\]_,;:–-]*$`)
)

// withoutRelease removes from the name of a product what changes from release to release.
func withoutRelease(name string) string {
	var words []string
	for _, w := range strings.Fields(dotted.ReplaceAllString(name, "$1")) {
		if !alone.MatchString(w) && !hollow.MatchString(w) {
			words = append(words, w)
		}
	}
	if out := strings.Trim(strings.Join(words, " "), " _,;:–-"); out != "" {
		return out
	}
	return strings.Join(strings.Fields(name), " ") // a name of nothing but numbers
}

// architectures are the words for each in names of products.
var architectures = map[string][]string{
	"x64":   {"x64", "64-bit", "64 bit", "64bit", "amd64", "x86_64", "x86-64", "win64"},
	"arm64": {"arm64", "aarch64"},
	"arm":   {"arm"},
	"ia64":  {"ia64", "itanium"},
}

// withArchitecture adds the architecture to a name that does not say it already. That of 32-bit Windows is left out: installers
// for all others are programs of it, too.
func withArchitecture(name, architecture string) string {
	if architecture == "" || architecture == "x86" {
		return name
	}
	low := strings.ToLower(name)
	words := strings.FieldsFunc(low, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, word := range architectures[architecture] {
		if strings.Contains(low, word) && (word != "arm" || slices.Contains(words, word)) {
			return name
		}
	}
	return name + " (" + architecture + ")"
}
