package sigstore

import (
	"net/url"
	"regexp"
	"strings"
)

// npmPackage is one version of a package of npm.
type npmPackage struct {
	prefix  string // path of the registry, from "/" to the "/" before the package
	name    string // "app" or "@scope/app"
	version string // semantic version
}

// A part of a package's name (https://docs.npmjs.com/cli/configuring-npm/package-json#name; old packages have capitals), and a semantic version.
var (
	npmPart    = regexp.MustCompile(`^[A-Za-z0-9~_-][A-Za-z0-9._~-]{0,213}$`)
	npmVersion = regexp.MustCompile(`^[0-9]{1,16}\.[0-9]{1,16}\.[0-9]{1,16}(-[0-9A-Za-z.-]{1,128})?(\+[0-9A-Za-z.-]{1,128})?$`)
)

// parseNPMPath reads the path of a URL below which a registry of npm keeps a tarball: PREFIX/NAME/-/FILE-VERSION.tgz, where NAME is
// FILE or @SCOPE/FILE, and some registries repeat the scope before FILE.
func parseNPMPath(path string) (npmPackage, bool) {
	dir, file, ok := cutLast(path, "/-/")
	if !ok || !strings.HasPrefix(dir, "/") {
		return npmPackage{}, false
	}
	at := strings.LastIndexByte(dir, '/')
	prefix, base := dir[:at+1], dir[at+1:]
	p := npmPackage{prefix: prefix, name: base}
	up := strings.TrimSuffix(prefix, "/")
	if at = strings.LastIndexByte(up, '/'); at >= 0 && strings.HasPrefix(up[at+1:], "@") {
		scope := up[at+1:]
		p.prefix, p.name = up[:at+1], scope+"/"+base
		file = strings.TrimPrefix(file, scope+"/")
		if !npmPart.MatchString(scope[1:]) {
			return npmPackage{}, false
		}
	}
	version, named := strings.CutPrefix(file, base+"-")
	version, packed := strings.CutSuffix(version, ".tgz")
	p.version = version
	clean := !strings.Contains(p.prefix, "//") && !strings.Contains(p.prefix, "/./") && !strings.Contains(p.prefix, "/../")
	return p, clean && named && packed && npmPart.MatchString(base) && npmVersion.MatchString(version)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// attestations returns a reference to the registry's document of attestations, on the update's own origin.
func (p npmPackage) attestations() string {
	prefix := (&url.URL{Path: p.prefix}).EscapedPath()
	return prefix + "-/npm/v1/attestations/" + escape(p.name) + "@" + escape(p.version)
}

// purl returns the package URL (https://github.com/package-url/purl-spec) that npm's statements have as their subject.
func (p npmPackage) purl() string {
	return "pkg:npm/" + strings.Replace(p.name, "@", "%40", 1) + "@" + escape(p.version)
}

// isPURL reports whether s is a package URL of p. Its parts may be percent-encoded in more ways than one.
func (p npmPackage) isPURL(s string) bool {
	rest, ok := strings.CutPrefix(s, "pkg:npm/")
	if !ok || len(s) > 1024 || strings.ContainsAny(rest, "?#") {
		return false
	}
	name, version, ok := cutLast(rest, "@")
	if !ok {
		return false
	}
	name, err1 := url.PathUnescape(name)
	version, err2 := url.PathUnescape(version)
	return err1 == nil && err2 == nil && name == p.name && version == p.version
}
