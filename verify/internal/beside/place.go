// Package beside finds and fetches what vendors publish in the same directory as a file: its detached signature
// (file.asc, file.minisig), or a list of digests (SHA256SUMS). All of it comes from whoever serves the file, and so
// does the file's name.
package beside

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Place is where an artifact was found.
type Place struct {
	// Name is the artifact's base name, as a list of digests or a signature would spell it.
	Name    string
	escaped string // Name as a part of a URL
}

const maxName = 255 // bytes of a base name, as in most file systems

// signatures are the endings of files that are themselves signatures. What signs a signature is never asked for.
var signatures = []string{".asc", ".sig", ".sign", ".gpg", ".minisig", ".signify", ".p7s", ".p7b", ".p7"}

// Of returns where a is. It reports false where nothing beside a is of use: a has no name, or one that could lead out
// of its directory; it is metadata, which its own system vouches for; it is a signature itself; or it is a package
// in the directories of an archive, which vouches for it (apt, rpm).
func Of(a *verify.Artifact) (Place, bool) {
	p := Place{Name: a.Name, escaped: url.PathEscape(a.Name)}
	if a.URL != nil {
		p.escaped = path.Base(a.URL.EscapedPath())
		if strings.HasSuffix(a.URL.EscapedPath(), "/") {
			return Place{}, false
		}
		var err error
		if p.Name, err = url.PathUnescape(p.escaped); err != nil {
			return Place{}, false
		}
	}
	if a.Role == verify.Metadata || !plain(p.Name) || IsSignature(p.Name) || archived(a) {
		return Place{}, false
	}
	return p, true
}

// IsSignature reports whether a name is that of a signature by its ending.
func IsSignature(name string) bool {
	return slices.Contains(signatures, strings.ToLower(path.Ext(name)))
}

// plain reports whether name is one that a file can have, with nothing in it that a list or a URL could read
// in two ways.
func plain(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > maxName || strings.ContainsAny(name, "/\\") {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) < 0
}

// archived reports whether a is a package where archives of packages keep theirs. Hundreds of them are fetched in one
// go, and none has a signature beside it.
func archived(a *verify.Artifact) bool {
	if a.URL == nil || a.Format != "deb" && a.Format != "rpm" {
		return false
	}
	for _, part := range strings.Split(a.URL.Path, "/") {
		switch strings.ToLower(part) {
		case "pool", "dists", "packages", "rpms", "srpms":
			return true
		}
	}
	return false
}

// Ref returns a reference, relative to the artifact's URL, to the file named as the artifact with suffix after it.
func (p Place) Ref(suffix string) string { return "./" + p.escaped + suffix }

// Sibling returns a reference to another file of the same directory.
func (p Place) Sibling(name string) string { return "./" + url.PathEscape(name) }
