package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// versionPattern is the key version of a channel: how its files are called.
type versionPattern struct {
	text string
	form *regexp.Regexp
}

const versionMark = "{version}"

// parseVersionPattern reads a pattern such as "app-{version}-*.msi": {version} stands for the version, * for any text in which
// files differ that are published side by side, and every other character for itself, whatever its case.
func parseVersionPattern(s string) (*versionPattern, error) {
	switch {
	case strings.Count(s, versionMark) != 1:
		return nil, fmt.Errorf("%s says %d times where the version stands; write {version} once, such as app-{version}.msi", quote(s), strings.Count(s, versionMark))
	case strings.ContainsAny(s, `/\`):
		return nil, fmt.Errorf("%s has a slash: it is compared with the file's name alone", quote(s))
	case len(s) > 256 || strings.Count(s, "*") > 4:
		return nil, errors.New("a pattern has at most 256 bytes and 4 stars")
	case strings.Contains(s, "*"+versionMark) || strings.Contains(s, versionMark+"*"):
		return nil, fmt.Errorf("in %s a star stands beside {version}, so that nobody knows where the version begins or ends", quote(s))
	}
	before, after, _ := strings.Cut(s, versionMark)
	star := func(s string) string { return strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, `(.*)`) }
	form, err := regexp.Compile(`(?is)^` + star(before) + `(?P<version>v?[0-9][0-9a-z.+~_:-]*)` + star(after) + `$`)
	if err != nil {
		return nil, fmt.Errorf("%s is no pattern: %w", quote(s), err)
	}
	return &versionPattern{s, form}, nil
}

// read takes a version out of the first of several names that the pattern fits. The rest of the name is the product: the pattern
// itself, with what the stars stand for. Where none fits, the version is not known, nor is the product if there are stars.
func (v *versionPattern) read(names ...string) (product, version, system string) {
	for _, name := range names {
		if len(name) > 4096 {
			continue
		}
		m := v.form.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		product := strings.ToLower(v.text) // not the name's own letters: more than one stand for the same whatever its case
		at := v.form.SubexpIndex("version")
		for _, star := range slices.Delete(slices.Clone(m[1:]), at-1, at) {
			before, after, _ := strings.Cut(product, "*")
			product = before + strings.ReplaceAll(strings.ToLower(star), "*", "\x00") + after
		}
		return strings.ReplaceAll(product, "\x00", "*"), m[at], "name"
	}
	if strings.Contains(v.text, "*") {
		return "", "", ""
	}
	return strings.ToLower(v.text), "", ""
}
