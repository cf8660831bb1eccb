package apt

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// archive is the root of a repository: the URL that stands in a client's sources.list.
type archive struct {
	origin string // scheme and host, "https://mirror.debian.org"
	path   string // decoded, begins and ends with a slash: "/debian/"
}

// key names the archive in memory. It leaves the scheme out: both lead to the same files.
func (a archive) key() string {
	_, host, _ := strings.Cut(a.origin, "://")
	return host + a.path
}

// url returns the URL of a file below the root.
func (a archive) url(name string) string {
	u := url.URL{Path: a.path + name}
	return a.origin + u.EscapedPath()
}

// suite is one directory with a Release: dists/<name> of an archive, or, where name is "", the root of a flat
// repository itself.
type suite struct {
	archive archive
	name    string // "bookworm", "bookworm/updates"; "" for a flat repository
}

// base returns the suite's directory, relative to the archive's root; "" or with a slash at its end.
func (s suite) base() string {
	if s.name == "" {
		return ""
	}
	return "dists/" + s.name + "/"
}

func (s suite) url(name string) string { return s.archive.url(s.base() + name) }

func (s suite) String() string {
	if s.name == "" {
		return "the flat repository " + s.archive.url("")
	}
	return s.archive.url("dists/" + s.name)
}

// Limits of the search for an archive.
const (
	maxURLPath  = 4096
	maxSegments = 4 // of a suite's name
	maxParents  = 6 // directories above a file that are looked at for a Release
)

// urlPath returns the origin of u and its decoded path, or false if it is no web address that an archive can have.
// Clients ask for /debian/./InRelease where a flat repository stands as "./" in their sources: that is cleaned, a way
// upwards is refused.
func urlPath(u *url.URL) (origin, p string, ok bool) {
	if u == nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", "", false
	}
	if len(u.Path) > maxURLPath || !strings.HasPrefix(u.Path, "/") || strings.HasSuffix(u.Path, "/") ||
		strings.ContainsAny(u.Path, "\x00\r\n") || slices.Contains(strings.Split(u.Path, "/"), "..") {
		return "", "", false
	}
	p = path.Clean(u.Path)
	return u.Scheme + "://" + strings.ToLower(u.Host), p, p != "/" && !strings.HasSuffix(u.Path, "/.")
}

// target is a metadata file: one suite that it may belong to, and its path there.
type target struct {
	suite suite
	name  string // relative to the suite: "InRelease", "main/binary-amd64/Packages.xz"
}

// targets returns what the file at u can be within an archive, the longest suite name last: the path alone does not
// tell where a suite's name ends. It returns nil for what is, by its name, no metadata of an archive.
func targets(u *url.URL) []target {
	origin, p, ok := urlPath(u)
	if !ok {
		return nil
	}
	dir, name := path.Split(p)
	if at := strings.LastIndex(p, "/dists/"); at >= 0 {
		root := archive{origin, p[:at+1]}
		parts := strings.Split(p[at+len("/dists/"):], "/")
		if isReleaseName(name) && !isIndexDir(path.Base(dir)) {
			return releaseTarget(root, parts, name)
		}
		if !isIndexPath(p) {
			return nil
		}
		var out []target
		for n := 1; n < len(parts) && n <= maxSegments; n++ {
			out = append(out, target{suite{root, strings.Join(parts[:n], "/")}, strings.Join(parts[n:], "/")})
		}
		return out
	}
	if isReleaseName(name) || isFlatIndex(name) {
		return []target{{suite{archive{origin, dir}, ""}, name}}
	}
	if isByHash(p) {
		root := p[:strings.LastIndex(p, "/by-hash/")+1]
		return []target{{suite{archive{origin, root}, ""}, strings.TrimPrefix(p, root)}}
	}
	return nil
}

func releaseTarget(root archive, parts []string, name string) []target {
	n := len(parts) - 1
	if n < 1 || n > maxSegments {
		return nil
	}
	return []target{{suite{root, strings.Join(parts[:n], "/")}, name}}
}

func isReleaseName(name string) bool {
	return name == "InRelease" || name == "Release" || name == "Release.gpg"
}

// isIndexDir reports whether a directory holds indexes, so that a Release in it is one of them.
func isIndexDir(name string) bool {
	return strings.HasPrefix(name, "binary-") || name == "source"
}

var indexPrefixes = []string{"Packages", "Sources", "Contents-", "Translation-", "Components-", "icons-", "Commands-", "CID-Index-"}

// isIndexPath reports whether a file below dists/ is one of the index files that Release files list.
func isIndexPath(p string) bool {
	dir, name := path.Split(p)
	if isByHash(p) || strings.HasSuffix(dir, ".diff/") || isReleaseName(name) {
		return true
	}
	if name == "Index" && path.Base(dir) == "i18n" {
		return true
	}
	return hasIndexName(name, indexPrefixes)
}

// isFlatIndex reports whether a file outside dists/ is, by its name, an index of a flat repository.
func isFlatIndex(name string) bool {
	return hasIndexName(name, []string{"Packages", "Sources", "Contents-"})
}

var indexEndings = []string{"", ".gz", ".xz", ".bz2", ".zst", ".lzma", ".lz4", ".yml", ".json", ".tar"}

func hasIndexName(name string, prefixes []string) bool {
	for _, prefix := range prefixes {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if strings.HasSuffix(prefix, "-") {
			return !strings.HasSuffix(rest, "deb")
		}
		return slices.Contains(indexEndings, rest)
	}
	return false
}

// isByHash reports whether a path ends in by-hash/<algorithm>/<hexadecimal digest>.
func isByHash(p string) bool {
	parts := strings.Split(p, "/")
	n := len(parts)
	return n > 3 && parts[n-3] == "by-hash" && len(parts[n-1]) >= 32 &&
		slices.Contains([]string{"SHA256", "SHA512", "SHA1", "MD5Sum"}, parts[n-2]) &&
		strings.Trim(parts[n-1], "0123456789abcdefABCDEF") == ""
}

// candidate is a place where a package may be listed.
type candidate struct {
	archive archive
	file    string // path of the package relative to the archive
	hint    string // the suite that the path names; "" if it names none
	flat    bool   // only the root of the archive itself may hold the Release
}

// candidates returns the archives that the package at u may belong to, the likeliest first.
func candidates(u *url.URL) []candidate {
	origin, p, ok := urlPath(u)
	if !ok {
		return nil
	}
	var out []candidate
	add := func(at int, hint string, flat bool) {
		c := candidate{archive: archive{origin, p[:at]}, file: p[at:], hint: hint, flat: flat}
		known := slices.ContainsFunc(out, func(o candidate) bool { return o.archive == c.archive && o.flat == flat })
		if !known && len(out) < 2*maxParents {
			out = append(out, c)
		}
	}
	if at := strings.Index(p, "/dists/"); at >= 0 { // some vendors keep their pool below dists/<suite>
		hint, _, _ := strings.Cut(p[at+len("/dists/"):], "/")
		add(at+1, hint, false)
	}
	for from := 0; ; {
		at := strings.Index(p[from:], "/pool/")
		if at < 0 {
			break
		}
		from += at + 1
		add(from, "", false)
	}
	pooled := len(out) > 0
	top := 1 // nothing above an archive's root belongs to it
	for i, c := range out {
		if n := len(c.archive.path); i == 0 || n < top {
			top = n
		}
	}
	at := strings.LastIndex(p, "/") + 1
	for n := 0; n < maxParents && at >= top; n++ {
		add(at, "", true)
		if !pooled {
			add(at, "", false)
		}
		at = strings.LastIndex(p[:at-1], "/") + 1
	}
	return out
}

// indexFormats are the formats that an index has. What is anything else is a payload whatever its name says.
var indexFormats = []verify.Format{"", "gzip", "xz", "bzip2", "zstd", "tar"}
