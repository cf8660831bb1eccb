package sigstore

import (
	"regexp"
	"strings"
)

// pypiFile is a distribution of a Python package by the name of its file.
type pypiFile struct {
	project string // normalized
	version string
	file    string
}

var (
	wheel      = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._]*)-([0-9][A-Za-z0-9._+!]*)(-[0-9][A-Za-z0-9_.]*)?-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+\.whl$`)
	sdist      = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)-([0-9][A-Za-z0-9._+!]*)\.(?:tar\.gz|zip)$`)
	separators = regexp.MustCompile(`[-_.]+`)
)

// parsePyPI reads the name of a wheel, or, where an index keeps files, of a source distribution
// (https://packaging.python.org/en/latest/specifications/, "Binary distribution format" and "Source distribution format").
func parsePyPI(path, name string) (pypiFile, bool) {
	if len(name) > maxName {
		return pypiFile{}, false
	}
	m := wheel.FindStringSubmatch(name)
	if m == nil && strings.Contains(path, "/packages/") {
		m = sdist.FindStringSubmatch(name)
	}
	if m == nil {
		return pypiFile{}, false
	}
	return pypiFile{normalizePyPI(m[1]), m[2], name}, true
}

// normalizePyPI makes names that an index takes for one equal (PEP 503).
func normalizePyPI(s string) string { return strings.ToLower(separators.ReplaceAllString(s, "-")) }

// provenance returns a reference to the index's provenance object (PEP 740), where the index is the update's own origin.
func (p pypiFile) provenance() string {
	return "/integrity/" + escape(p.project) + "/" + escape(p.version) + "/" + escape(p.file) + "/provenance"
}
