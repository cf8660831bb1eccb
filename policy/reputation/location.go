package reputation

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

var errOnePart = errors.New("a domain has two parts or more")

// maxURL is how long a URL in a list may be, in bytes. One that is looked up may be longer: its host can be listed all the same.
const maxURL = 8 << 10

// refang undoes how analysts keep indicators from being clicked on: hxxp://evil[.]example.
func refang(s string) string {
	if len(s) > 4 && (strings.HasPrefix(s, "hxxp") || strings.HasPrefix(s, "hXXp")) {
		s = "http" + s[4:]
	}
	if strings.ContainsAny(s, "[(") {
		s = strings.NewReplacer("[.]", ".", "(.)", ".", "[:]", ":", "[://]", "://", "[dot]", ".").Replace(s)
	}
	return s
}

// hostName returns the one spelling of a host name or address: lower case, IDNA as ASCII, without a dot at the end.
func hostName(s string) (string, error) {
	s = strings.TrimRight(strings.Trim(s, "[]"), ".")
	if a, err := netip.ParseAddr(s); err == nil {
		return a.WithZone("").Unmap().String(), nil
	}
	if s == "" || len(s) > 253 {
		return "", fmt.Errorf("a host name has 1 to 253 characters, this has %d", len(s))
	}
	name := strings.ToLower(s)
	if !plainHost(name) {
		if ascii, err := idna.Lookup.ToASCII(s); err == nil { // names with an underscore exist, and lists have them
			name = strings.TrimRight(ascii, ".")
		}
	}
	for i := range len(name) {
		if c := name[i]; c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return "", fmt.Errorf("a host name has no %q", c)
		}
	}
	if a, err := netip.ParseAddr(name); err == nil { // full-width digits
		return a.String(), nil
	}
	if name == "" || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
		return "", fmt.Errorf("a host name has no empty part")
	}
	return name, nil
}

// plainHost reports whether a name in lower case has nothing that IDNA would change.
func plainHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '.' && c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return !strings.Contains(s, "xn--")
}

// domainEntry makes an entry of a name that a list calls a domain. It covers what is below it, unless it is an address,
// or a suffix such as co.uk or github.io, below which others live.
func domainEntry(s string) (entry, error) {
	s, below := strings.CutPrefix(strings.TrimPrefix(s, "*"), ".")
	if !strings.ContainsAny(s, ".:。．") {
		return entry{}, errOnePart
	}
	name, err := hostName(s)
	if err != nil {
		return entry{}, err
	}
	if !strings.Contains(name, ".") && !strings.Contains(name, ":") {
		return entry{}, errOnePart
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); !below && suffix == name || isAddress(name) {
		return textEntry(KindHost, name), nil
	}
	return textEntry(KindDomain, name), nil
}

func hostEntry(s string) (entry, error) {
	name, err := hostName(s)
	if err != nil {
		return entry{}, err
	}
	return textEntry(KindHost, name), nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// location is a URL in its one spelling, in parts.
type location struct {
	host  string // without a port
	whole string // host, port unless it is the usual one, path and query
	bare  string // whole without the query
}

// parseLocation normalises a URL so that spellings which servers take for one another are one: the scheme does not
// matter, nor the case of the host, a usual port, dot segments, needless percent-encoding, or a fragment.
func parseLocation(s string) (location, error) {
	u, err := url.Parse(s)
	if err != nil {
		return location{}, fmt.Errorf("this is no URL")
	}
	if scheme := strings.ToLower(u.Scheme); scheme != "http" && scheme != "https" && scheme != "ftp" || u.Host == "" {
		return location{}, fmt.Errorf("a URL begins with http://, https:// or ftp:// and a host")
	}
	host, err := hostName(u.Hostname())
	if err != nil {
		return location{}, err
	}
	l := location{host: host, bare: host}
	if strings.Contains(host, ":") {
		l.bare = "[" + host + "]"
	}
	if p := u.Port(); p != "" && p != "80" && p != "443" {
		l.bare += ":" + p
	}
	l.bare += cleanPath(u.Path)
	l.whole = l.bare
	if u.RawQuery != "" {
		l.whole += "?" + u.RawQuery
	}
	return l, nil
}

// cleanPath returns a decoded path without dot segments and doubled slashes, encoded again in one way.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return (&url.URL{Path: clean}).EscapedPath()
}

func urlEntry(s string) (entry, error) {
	if len(s) > maxURL {
		return entry{}, fmt.Errorf("a URL of %d bytes is longer than %d", len(s), maxURL)
	}
	l, err := parseLocation(s)
	if err != nil {
		return entry{}, err
	}
	return textEntry(KindURL, l.whole), nil
}
