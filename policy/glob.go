package policy

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

const (
	maxGlob         = 1024 // bytes
	maxAlternatives = 64   // commas and braces in a glob: what matching may have to try grows with them
)

func checkGlob(s string) error {
	switch {
	case checkText(s) != nil:
		return checkText(s)
	case len(s) > maxGlob:
		return fmt.Errorf("this glob has %d bytes, the most is %d", len(s), maxGlob)
	case strings.Count(s, "{") > 4 || strings.Count(s, ",") > maxAlternatives || strings.Count(s, "**") > 4:
		return fmt.Errorf("this glob has more than 4 {…}, 4 ** or %d alternatives", maxAlternatives)
	case !doublestar.ValidatePattern(s):
		return fmt.Errorf("%s is no glob: a bracket or brace does not close, or a backslash ends it", quote(s))
	}
	return nil
}

func checkPathGlob(s string) error {
	switch {
	case checkGlob(s) != nil:
		return checkGlob(s)
	case !strings.HasPrefix(s, "/"):
		return fmt.Errorf("a path begins with a slash, %s does not", quote(s))
	case strings.Contains(s, "%"):
		return fmt.Errorf("%s has a %% in it: write the character itself, paths are decoded before they are matched", quote(s))
	case strings.Contains(s, "//"):
		return fmt.Errorf("%s has an empty part between two slashes, which no path has", quote(s))
	}
	return nil
}

// globs is a list of path globs, any of which may match; nil is no list.
type globs []pathPattern

// pathPattern is a glob with what it begins with, which is compared first because that is faster.
type pathPattern struct{ prefix, glob string }

func compileGlobs(n node) globs {
	if !n.present() {
		return nil
	}
	out := globs{}
	for _, item := range n.items() {
		if checkPathGlob(item.text()) == nil {
			out = append(out, pathPattern{literalPrefix(item.text()), item.text()})
		}
	}
	return out
}

// literalPrefix returns what every match of a glob begins with.
func literalPrefix(glob string) string {
	prefix := glob
	if i := strings.IndexAny(glob, `*?[{\`); i >= 0 {
		prefix = glob[:i]
		if strings.HasPrefix(glob[i:], "**") {
			prefix = strings.TrimSuffix(prefix, "/") // "/a/**" matches "/a" too
		}
	}
	return prefix
}

func (g globs) match(path string) bool {
	for _, p := range g {
		if strings.HasPrefix(path, p.prefix) && doublestar.MatchUnvalidated(p.glob, path) {
			return true
		}
	}
	return false
}
