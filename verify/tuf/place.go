package tuf

import (
	"net/url"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// maxURLPath is how many bytes the path of a URL may have that is looked up, unescaped.
const maxURLPath = 4096

// below returns what stands behind prefix, a URL that ends in "/", in the path of u, unescaped once. Query and fragment
// are left out, and nothing is made of dot segments and double slashes: they are part of the path as any other character.
func below(prefix string, u *url.URL) (rest string, ok bool) {
	p, err := url.Parse(prefix)
	if err != nil || u == nil || p.Host == "" || len(u.Path) > maxURLPath {
		return "", false
	}
	if !strings.EqualFold(p.Scheme, u.Scheme) || host(p) != host(u) {
		return "", false
	}
	base := p.Path
	if base == "" {
		base = "/"
	}
	if !strings.HasSuffix(base, "/") {
		return "", false
	}
	rest, ok = strings.CutPrefix(u.Path, base)
	return rest, ok && rest != ""
}

// host names the host of u in one spelling: in lower case, without the dot of a fully qualified name, with the port unless
// the scheme has that one anyway.
func host(u *url.URL) string {
	name, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if port == "" || port == "443" && strings.EqualFold(u.Scheme, "https") || port == "80" && strings.EqualFold(u.Scheme, "http") {
		return name
	}
	return name + ":" + port
}

// targetPath returns the path of the target that the file at u is, the digest of a consistent snapshot included.
func targetPath(targets string, u *url.URL) (string, bool) {
	path, ok := below(targets, u)
	return path, ok && !strings.HasSuffix(path, "/")
}

// metadataName returns the repository whose metadata the file at u is by its name, and that name with a role's name in it
// escaped as one segment of a path. The longest URL counts.
func metadataName(anchor *verify.TUFAnchor, u *url.URL) (*verify.TUFRepository, string) {
	var repo *verify.TUFRepository
	var name string
	longest := 0
	for i := range anchor.Repositories {
		for _, base := range anchor.Repositories[i].Metadata {
			rest, ok := below(base, u)
			if !ok || len(base) <= longest || !isName(rest) || !oneSegment(u, rest) {
				continue
			}
			repo, name, longest = &anchor.Repositories[i], url.PathEscape(rest), len(base)
		}
	}
	return repo, name
}

// isName reports whether a file could be metadata by its name.
func isName(name string) bool { return strings.HasSuffix(name, ".json") && name != ".json" }

// oneSegment reports whether rest, unescaped, is the last segment of the path of u as it was sent: a slash in the name of a
// role is escaped.
func oneSegment(u *url.URL, rest string) bool {
	raw := u.EscapedPath()
	last, err := url.PathUnescape(raw[strings.LastIndexByte(raw, '/')+1:])
	return err == nil && last == rest
}

// withoutDigest returns a path without the digest that a consistent snapshot puts before the file's name (section 6.2), and
// that digest, in lower case; false where there is none of a length that TUF uses.
func withoutDigest(path string) (stripped, digits string, ok bool) {
	dir, base := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i+1], path[i+1:]
	}
	digits, name, ok := strings.Cut(base, ".")
	if !ok || name == "" || len(digits) != 64 && len(digits) != 128 {
		return "", "", false
	}
	for _, c := range []byte(digits) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", "", false
		}
	}
	return dir + name, digits, true
}
