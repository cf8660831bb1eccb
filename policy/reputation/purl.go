package reputation

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Package is a version of a package.
type Package struct {
	Ecosystem string `json:"ecosystem"`         // as OSV names it: npm, PyPI, Go, crates.io, "Debian:12"
	Name      string `json:"name"`              // as its ecosystem names it: "@scope/name", "group:artifact"
	Version   string `json:"version,omitempty"` // empty: not known
}

// String returns "npm/left-pad" or "npm/left-pad@1.3.0".
func (p Package) String() string {
	if p.Version == "" {
		return p.Ecosystem + "/" + p.Name
	}
	return p.Ecosystem + "/" + p.Name + "@" + p.Version
}

// purlEcosystems maps types of package URLs to the ecosystems of OSV.
var purlEcosystems = map[string]string{
	"npm": "npm", "pypi": "PyPI", "golang": "Go", "maven": "Maven", "nuget": "NuGet", "gem": "RubyGems", "cargo": "crates.io",
	"composer": "Packagist", "hex": "Hex", "pub": "Pub", "swift": "SwiftURL", "githubactions": "GitHub Actions", "hackage": "Hackage",
	"cran": "CRAN", "conan": "ConanCenter", "bitnami": "Bitnami", "vscode-extension": "VSCode",
}

// ParsePackageURL reads a package URL (ECMA-427, purl): "pkg:npm/%40scope/name@1.2.3". Qualifiers and subpath are left out.
func ParsePackageURL(s string) (Package, error) {
	rest, ok := strings.CutPrefix(s, "pkg:")
	if !ok || len(s) > 2048 {
		return Package{}, fmt.Errorf("a package URL begins with pkg: and has at most 2048 bytes")
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	version := ""
	if i := strings.LastIndex(rest, "@"); i > strings.LastIndex(rest, "/") {
		rest, version = rest[:i], rest[i+1:]
	}
	kind, rest, ok := strings.Cut(strings.TrimLeft(rest, "/"), "/")
	version, err := url.PathUnescape(version)
	if name, e := url.PathUnescape(strings.Trim(rest, "/")); ok && err == nil && e == nil && name != "" {
		return purlPackage(strings.ToLower(kind), name, version)
	}
	return Package{}, fmt.Errorf("a package URL has a type and a name")
}

func purlPackage(kind, name, version string) (Package, error) {
	p := Package{Name: name, Version: version}
	if p.Ecosystem, _ = purlEcosystems[kind]; p.Ecosystem != "" {
		if i := strings.LastIndex(name, "/"); kind == "maven" && i > 0 {
			p.Name = name[:i] + ":" + name[i+1:]
		}
		return p, nil
	}
	distribution, name, ok := strings.Cut(name, "/")
	if known := distributions[strings.ToLower(distribution)]; ok && known != "" && (kind == "deb" || kind == "rpm" || kind == "apk") {
		return Package{Ecosystem: known, Name: name, Version: version}, nil
	}
	return Package{}, fmt.Errorf("packages of type %s are not known here", kind)
}

var distributions = map[string]string{
	"debian": "Debian", "ubuntu": "Ubuntu", "redhat": "Red Hat", "rhel": "Red Hat", "rocky": "Rocky Linux", "rocky-linux": "Rocky Linux",
	"almalinux": "AlmaLinux", "opensuse": "openSUSE", "suse": "SUSE", "alpine": "Alpine", "fedora": "Fedora", "mageia": "Mageia",
	"openeuler": "openEuler",
}

// ecosystem returns an ecosystem's name in lower case, and the release that OSV may put behind a colon.
func ecosystem(s string) (base, release string) {
	base, release, _ = strings.Cut(strings.ToLower(s), ":")
	return base, release
}

var pypiSeparators = regexp.MustCompile(`[-_.]+`)

// packageText returns the one spelling of a package's name: ecosystems differ in what they take for the same name.
func packageText(p Package) (string, error) {
	base, _ := ecosystem(p.Ecosystem)
	name := p.Name
	if base == "" || name == "" || len(name) > 1024 || len(base) > 64 {
		return "", fmt.Errorf("a package needs an ecosystem of at most 64 bytes and a name of at most 1024")
	}
	switch base {
	case "pypi": // PEP 503
		name = pypiSeparators.ReplaceAllString(strings.ToLower(name), "-")
	case "crates.io":
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	case "nuget", "packagist", "github actions", "vscode", "swifturl", "hex":
		name = strings.ToLower(name)
	}
	return base + "/" + name, nil
}
