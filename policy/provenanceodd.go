package policy

import (
	"strings"
)

// oddClaims notes what a provenance asks for that no statement says, or that statements about strangers' repositories say too.
func (b *builder) oddClaims(n node, r *provenance) {
	warn := func(format string, args ...any) { b.warn(n, "", "provenance: "+format, args...) }
	switch source := r.source; {
	case source == "" || strings.HasPrefix(source, "*"):
	case !strings.Contains(source, ":"):
		warn("the source %s is no URL, as sources are, such as https://github.com/acme/app", quote(source))
	case strings.Contains(source, "://") && !ownerWritten(source):
		warn("the source %s fits more than one owner's repositories: write the owner out, with the slash that ends it", quote(source))
	}
	if r.ref != "" && !strings.HasPrefix(r.ref, "refs/") && !strings.HasPrefix(r.ref, "*") {
		warn("the ref %s is none in full, as statements name them, such as refs/tags/v1 or refs/heads/main", quote(r.ref))
	}
}

// ownerWritten reports whether a pattern of URLs has no star before the slash that ends the first part of its path.
func ownerWritten(pattern string) bool {
	first := strings.IndexByte(pattern, '*')
	return first < 0 || strings.Count(pattern[:first], "/") >= 4 // https://host/owner/
}
