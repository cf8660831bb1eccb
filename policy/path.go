package policy

import (
	"errors"
	"strings"
)

// A path can be written in many ways, and an origin may understand any of them. So a path is matched as it was
// written and in every other way that an origin might read it; where these would match differently, the request is
// refused (see Plan). The ways are those of RFC 3986 section 6.2.2 and of what servers do beyond it.

const (
	maxPath    = 8 << 10 // bytes of an escaped path
	maxDecodes = 8       // layers of percent-encoding
)

var (
	errPathLong    = errors.New("the path is longer than 8 KiB")
	errPathControl = errors.New("the path has a control character in it")
	errPathLayers  = errors.New("the path is percent-encoded too many times over")
)

// readings returns the ways in which the escaped path of a URL might be read. The first is the path as it was
// written; there are others only where they differ from it.
func readings(escaped string) ([]string, error) {
	if escaped == "" {
		escaped = "/"
	}
	if len(escaped) > maxPath {
		return nil, errPathLong
	}
	for i := 0; i < len(escaped); i++ {
		if control(escaped[i]) {
			return nil, errPathControl
		}
	}
	if unmistakable(escaped) {
		return []string{escaped}, nil
	}
	decoded := escaped
	for layers := 0; ; layers++ {
		next, err := decode(decoded, func(c byte) bool { return true })
		if err != nil {
			return nil, err
		}
		if next == decoded {
			break
		}
		if layers == maxDecodes {
			return nil, errPathLayers
		}
		decoded = next
	}
	written, err := decode(escaped, insignificant)
	if err != nil {
		return nil, err
	}
	decoded = overlong.Replace(decoded)
	out := []string{written}
	for _, variant := range []string{
		decoded,
		eachSegment(decoded, func(s string) string { s, _, _ = strings.Cut(s, ";"); return s }),
		cutQuery(decoded),
	} {
		for _, v := range []string{clean(variant), clean(eachSegment(variant, trimSegment))} {
			if !contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

// unmistakable reports whether every origin reads the path the same way.
func unmistakable(p string) bool {
	return !strings.ContainsAny(p, `%\;`) && strings.HasPrefix(p, "/") && !strings.Contains(p, "//") &&
		!strings.Contains(p, "/.") && !strings.Contains(p, "./") && !strings.HasSuffix(p, ".")
}

func control(c byte) bool { return c < 0x20 || c == 0x7f }

// insignificant reports whether a character means the same whether it is percent-encoded or not, and clients differ
// in whether they encode it: everything but what separates the parts of a path, and but letters, digits, dash, dot
// and underscore, which nobody has a reason to encode.
func insignificant(c byte) bool {
	switch {
	case strings.IndexByte(`/\%;?#-._`, c) >= 0:
		return false
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return true
}

// decode replaces percent-encoded characters that accept returns true for, one layer deep.
func decode(s string, accept func(byte) bool) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				c := byte(hi<<4 | lo)
				if control(c) {
					return "", errPathControl
				}
				if accept(c) {
					b = append(b, c)
					i += 2
					continue
				}
			}
		}
		b = append(b, s[i])
	}
	return string(b), nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// overlong turns the forbidden two-byte UTF-8 forms of separators into what lax decoders make of them.
var overlong = strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "\xc1\x9c", `\`)

// eachSegment applies f to what stands between slashes, of either kind.
func eachSegment(p string, f func(string) string) string {
	parts := strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")
	for i := range parts {
		parts[i] = f(parts[i])
	}
	return strings.Join(parts, "/")
}

// trimSegment removes the dots and spaces at the end of a name, as Windows does.
func trimSegment(s string) string {
	if s == "." || s == ".." {
		return s
	}
	return strings.TrimRight(s, ". ")
}

func cutQuery(p string) string {
	if i := strings.IndexAny(p, "?#"); i >= 0 {
		return p[:i]
	}
	return p
}

// clean makes a path absolute, turns backslashes, merges slashes and resolves dot segments (RFC 3986 section 5.2.4).
func clean(p string) string {
	parts := strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")
	kept := make([]string, 0, len(parts))
	for _, s := range parts {
		switch s {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, s)
		}
	}
	if last := parts[len(parts)-1]; len(kept) > 0 && (last == "" || last == "." || last == "..") {
		kept = append(kept, "")
	}
	return "/" + strings.Join(kept, "/")
}
