package learn

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	maxGlobs   = 8    // of a channel
	maxPattern = 1000 // bytes
)

// globsOf returns globs that all of the paths fit, few and no wider than it takes: first with * for what looks like a version, a date or a
// digest, then by folder and ending, and at last by ending alone. No globs mean that every path counts.
func globsOf(paths []string) []string {
	for _, wider := range []func(string) string{withoutVersions, byFolder, byTop, byEnding} {
		seen := map[string]bool{}
		for _, p := range paths {
			seen[wider(p)] = true
		}
		globs := make([]string, 0, len(seen))
		for g := range seen {
			globs = append(globs, g)
		}
		if len(globs) <= maxGlobs && !slices.ContainsFunc(globs, unusable) {
			slices.SortFunc(globs, func(a, b string) int { return cmp.Compare(a, b) })
			return globs
		}
	}
	return nil
}

func unusable(glob string) bool {
	return glob == "" || len(glob) > maxPattern || !strings.HasPrefix(glob, "/") || strings.ContainsAny(glob, "%,") || strings.Contains(glob, "//") || strings.Count(glob, "**") > 1
}

// versionLike is what changes from one release to the next: numbers with what holds them together, and digests.
var versionLike = regexp.MustCompile(`[0-9a-fA-F]{16,}|[0-9]+([._+~-][0-9]+)*([-._]?(alpha|beta|rc|pre|esr|b|a)[0-9]*)?`)

// withoutVersions replaces in a path what looks like a version.
func withoutVersions(p string) string {
	parts := strings.Split(clean(p), "/")
	for i, part := range parts {
		parts[i] = literal(versionLike.ReplaceAllString(part, wild))
	}
	return strings.Join(parts, "/")
}

// wild stands for a star until all that strangers wrote is escaped.
const wild = "\x00"

var stars = regexp.MustCompile(wild + `[` + wild + `]*`)

// literal escapes what a glob would not take as it is.
func literal(s string) string {
	var b strings.Builder
	for _, r := range stars.ReplaceAllString(s, wild) {
		switch {
		case string(r) == wild:
			b.WriteByte('*')
		case strings.ContainsRune(`*?[]{}\`, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '%' || r == ',' || r < 0x20 || r == 0x7f || r == 0xfffd:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// clean takes out of a path what a path of a policy does not have.
func clean(p string) string {
	p = strings.ReplaceAll(p, wild, "?")
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	return p
}

// ending returns the ending of a file's name, where it says what kind of file it is.
func ending(p string) string {
	ext := path.Ext(p)
	for _, two := range []string{".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst"} {
		if strings.HasSuffix(p, two) {
			return two
		}
	}
	if len(ext) < 2 || len(ext) > 10 || strings.ContainsAny(ext, "0123456789") && len(ext) > 4 || strings.ContainsFunc(ext[1:], notPlain) {
		return ""
	}
	return ext
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

func byFolder(p string) string {
	p = clean(p)
	folder := withoutVersions(path.Dir(p))
	return strings.TrimSuffix(folder, "/") + "/*" + ending(p)
}

func byTop(p string) string {
	p = clean(p)
	top, rest, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if rest == "" {
		return "/*" + ending(p)
	}
	return "/" + literal(versionLike.ReplaceAllString(top, wild)) + "/**/*" + ending(p)
}

func byEnding(p string) string { return "/**/*" + ending(clean(p)) }
