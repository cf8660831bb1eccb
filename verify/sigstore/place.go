package sigstore

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// place is where an update was found, and what its name and URL say of it. All of it is chosen by whoever serves the update.
type place struct {
	name    string // base name
	ref     string // the same as a reference relative to the update's URL
	path    string // of its URL, without the leading slash; "" for a local file
	npm     *npmPackage
	pypi    *pypiFile
	pack    string // the package it is of
	version *version
}

// endings are those of files that hold signatures. What signs a signature is never asked for.
var endings = []string{".sigstore", ".intoto.jsonl", ".sigstore.json", ".bundle", ".sig", ".asc", ".sign", ".gpg", ".minisig", ".signify", ".p7s", ".pem", ".crt", ".cert"}

// placeOf returns where a is; false where nothing can be published beside it.
func placeOf(a *verify.Artifact) (*place, bool) {
	if a.Role == verify.Metadata || a.Inner {
		return nil, false
	}
	p := &place{name: a.Name}
	escaped := url.PathEscape(a.Name)
	if a.URL != nil {
		escaped = path.Base(a.URL.EscapedPath())
		var err error
		if p.name, err = url.PathUnescape(escaped); err != nil || strings.HasSuffix(a.URL.EscapedPath(), "/") {
			return nil, false
		}
		p.path = strings.TrimPrefix(a.URL.Path, "/")
	}
	lower := strings.ToLower(p.name)
	if !plain(p.name) || len(p.path) > maxPath || slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(lower, e) }) {
		return nil, false
	}
	p.ref = "./" + escaped
	p.describe()
	return p, true
}

// plain reports whether name is one that a file can have, with nothing in it that could be read in two ways.
func plain(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > maxName || strings.ContainsAny(name, `/\`) {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) < 0
}

// describe finds the package and the version: by the rules of npm and of Python's indexes, else by the first version in the file's name.
func (p *place) describe() {
	if n, ok := parseNPMPath("/" + p.path); ok {
		p.npm, p.pack = &n, n.name
		if v, ok := parseVersion(n.version); ok {
			p.version = &v
		}
		return
	}
	if f, ok := parsePyPI("/"+p.path, p.name); ok {
		p.pypi, p.pack = &f, f.project
		if v, ok := parseVersion(f.version); ok {
			p.version = &v
		}
		return
	}
	if v, from, _, ok := findVersion(p.name); ok {
		p.version, p.pack = &v, strings.TrimRight(strings.TrimSuffix(p.name[:from], "v"), "-_.")
		return
	}
	for dir := range p.dirs() {
		if v, _, _, ok := findVersion(dir); ok { // the last one counts
			p.version = &v
		}
	}
}

// dirs yields the segments of the path before the file's name.
func (p *place) dirs() func(func(string) bool) {
	dir, _, _ := cutLast(p.path, "/")
	if !strings.Contains(p.path, "/") {
		dir = ""
	}
	return strings.SplitSeq(dir, "/")
}

// variable returns the value of a template's variable; digest computes what is not known yet.
func (p *place) variable(name string, digest func(alg string) string) (string, bool) {
	var v string
	switch name {
	case "name":
		v = p.name
	case "path":
		v = p.path
	case "dir":
		v, _, _ = cutLast(p.path, "/")
		if !strings.Contains(p.path, "/") {
			return "", p.path != ""
		}
	case "sha256", "sha512":
		v = digest(name)
	case "package":
		v = p.pack
	case "version":
		switch {
		case p.npm != nil:
			v = p.npm.version
		case p.pypi != nil:
			v = p.pypi.version
		case p.version != nil:
			v = p.version.text
		}
	}
	return v, v != ""
}
