package sigstore

import (
	"net/url"
	"strings"
)

// Limits of what a template is expanded to, and with.
const (
	maxName = 255  // bytes of a base name
	maxPath = 2048 // bytes of an update's path
	maxURL  = 8192 // bytes of what is asked for
)

// expand fills in the variables of a template. It reports false where one of them has no value for this update, or the result would
// leave what the template has before its first variable: values are chosen by whoever serves the update.
func expand(template string, value func(name string) (string, bool)) (string, bool) {
	var out strings.Builder
	rest := template
	for {
		literal, after, found := strings.Cut(rest, "{")
		out.WriteString(literal)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		v, ok := value(name)
		if !closed || !ok {
			return "", false
		}
		v, ok = escapeSegments(v, name == "path" || name == "dir")
		if !ok {
			return "", false
		}
		if out.WriteString(v); v == "" {
			tail = strings.TrimPrefix(tail, "/")
		}
		rest = tail
	}
	return out.String(), confined(template, out.String())
}

// escapeSegments percent-encodes a value. Only where it is a path its slashes stay slashes; a segment that is empty or
// consists of dots is refused there.
func escapeSegments(v string, path bool) (string, bool) {
	if !path {
		return escape(v), v != "" && v != "." && v != ".." && len(v) <= maxName
	}
	if v == "" {
		return "", true
	}
	if len(v) > maxPath {
		return "", false
	}
	parts := strings.Split(v, "/")
	for i, part := range parts {
		if part == "" || part == "." || part == ".." {
			return "", false
		}
		parts[i] = escape(part)
	}
	return strings.Join(parts, "/"), true
}

// escape percent-encodes everything but letters, digits and "-._~@", so that no value means anything in a path or a query.
func escape(s string) string {
	const hexdigits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~@", c) >= 0 {
			out.WriteByte(c)
			continue
		}
		out.Write([]byte{'%', hexdigits[c>>4], hexdigits[c&15]})
	}
	return out.String()
}

// confined reports whether filled is a URL with the scheme, the host and the beginning of the path that template begins with, and
// has no segments in its path that lead upwards.
func confined(template, filled string) bool {
	prefix, _, _ := strings.Cut(template, "{")
	base, err1 := url.Parse(prefix)
	u, err2 := url.Parse(filled)
	if err1 != nil || err2 != nil || len(filled) > maxURL || !strings.HasPrefix(filled, prefix) {
		return false
	}
	if u.Host == "" || u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil || !strings.HasPrefix(base.Path, "/") {
		return false
	}
	for part := range strings.SplitSeq(u.EscapedPath(), "/") {
		if plain, err := url.PathUnescape(part); err != nil || plain == "." || plain == ".." {
			return false
		}
	}
	return true
}

// shared reports whether what is found by a template may be about other updates than the one asked for.
func shared(template string) bool {
	for _, own := range []string{"{name}", "{path}", "{sha256}", "{sha512}"} {
		if strings.Contains(template, own) {
			return false
		}
	}
	return !strings.Contains(template, "{package}") || !strings.Contains(template, "{version}")
}
