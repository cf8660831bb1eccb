package rpmrepo

import (
	"net/url"
	"path"
	"strings"
)

// repository is the directory above repodata/: what clients have as their baseurl.
type repository struct {
	origin string // scheme and host, "https://mirror.example.com"
	path   string // decoded, begins and ends with a slash
}

// key names the repository in memory. It leaves the scheme out: both lead to the same files.
func (r repository) key() string { return r.host() + r.path }

// host names the host in one spelling: without the port that the scheme has anyway, and without the dot of a fully
// qualified name. Otherwise whoever chooses the spelling would choose what is remembered.
func (r repository) host() string {
	scheme, host, _ := strings.Cut(r.origin, "://")
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i:]
	}
	if port == ":" || scheme == "https" && port == ":443" || scheme == "http" && port == ":80" {
		port = ""
	}
	return strings.TrimSuffix(name, ".") + port
}

// url returns the URL of a file, by its path relative to the root.
func (r repository) url(name string) string {
	u := url.URL{Path: path.Join(r.path, name)}
	return r.origin + u.EscapedPath()
}

func (r repository) String() string { return r.origin + (&url.URL{Path: r.path}).EscapedPath() }

// relative returns the path of a file of the same origin relative to the root, with "../" where it lies outside.
func (r repository) relative(p string) string {
	root, up := r.path, ""
	for !strings.HasPrefix(p, root) {
		root, up = path.Dir(strings.TrimSuffix(root, "/")), up+"../"
		if !strings.HasSuffix(root, "/") {
			root += "/"
		}
	}
	return up + p[len(root):]
}

const (
	repodata   = "repodata/"
	repomd     = "repodata/repomd.xml"
	repomdSig  = "repodata/repomd.xml.asc"
	repomdKey  = "repomd.xml.key" // a key that the repository offers: nothing vouches for it
	maxURLPath = 4096
	maxParents = 8 // directories above a package that are looked at for a repodata
)

// urlPath returns the origin of u and its decoded path, or false if it is no web address that a repository can have.
func urlPath(u *url.URL) (origin, p string, ok bool) {
	if u == nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", "", false
	}
	if len(u.Path) > maxURLPath || !strings.HasPrefix(u.Path, "/") || strings.HasSuffix(u.Path, "/") || strings.ContainsAny(u.Path, "\x00\r\n") {
		return "", "", false
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == ".." {
			return "", "", false
		}
	}
	p = path.Clean(u.Path)
	return u.Scheme + "://" + strings.ToLower(u.Host), p, p != "/"
}

// target returns the repository whose metadata the file at u is, and the file's path relative to the root.
func target(u *url.URL) (at repository, name string, ok bool) {
	origin, p, ok := urlPath(u)
	if !ok {
		return at, "", false
	}
	dir, base := path.Split(p)
	root, ok := strings.CutSuffix(dir, "/"+repodata)
	if !ok || base == repomdKey {
		return at, "", false
	}
	return repository{origin, root + "/"}, repodata + base, true
}

// parents returns the repositories that the package at p may belong to, the nearest directory first.
func parents(origin, p string) []repository {
	var out []repository
	for at := strings.LastIndexByte(p, '/'); at >= 0 && len(out) < maxParents; at = strings.LastIndexByte(p[:at], '/') {
		out = append(out, repository{origin, p[:at+1]})
	}
	return out
}
