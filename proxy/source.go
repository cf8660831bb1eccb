package proxy

import (
	"net/url"
	"strings"
)

// Sources are the places, besides an update's own origin, where evidence may be asked for: what anchors of the policy name
// (verify.Trust.Sources).
type Sources []*url.URL

// NewSources reads URL prefixes. What is no web address with a host is left out: nothing is below it.
func NewSources(prefixes []string) Sources {
	var s Sources
	for _, prefix := range prefixes {
		u, err := url.Parse(prefix)
		if err == nil && webAddress(u) {
			s = append(s, u)
		}
	}
	return s
}

// webAddress reports whether a URL is one that may be fetched: http or https, with a host, without credentials.
func webAddress(u *url.URL) bool {
	return (strings.EqualFold(u.Scheme, "http") || strings.EqualFold(u.Scheme, "https")) && u.Hostname() != "" && u.User == nil && u.Opaque == ""
}

// Hold reports whether u is below one of the sources: on the same origin, with a path that begins as the source's does
// and that no server can take to lead out of there. A source may end within a segment of the path, or within the query.
func (s Sources) Hold(u *url.URL) bool {
	if !webAddress(u) || climbs(u.EscapedPath()) {
		return false
	}
	for _, prefix := range s {
		if originOf(u) == originOf(prefix) && begins(u, prefix) {
			return true
		}
	}
	return false
}

// begins reports whether the path of u, or its path and query, begin as those of prefix.
func begins(u, prefix *url.URL) bool {
	if prefix.RawQuery != "" || prefix.ForceQuery {
		return rootedPath(u) == rootedPath(prefix) && strings.HasPrefix(u.RawQuery, prefix.RawQuery)
	}
	return strings.HasPrefix(rootedPath(u), rootedPath(prefix))
}

func rootedPath(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

// climbs reports whether a path has a dot segment (RFC 3986 section 3.3) for anybody: also one that is
// percent-encoded, up to twice, that is set off by backslashes, that has parameters, or that has dots, spaces and control
// characters alone, which some servers trim.
func climbs(escaped string) bool {
	for range 3 {
		for _, segment := range strings.FieldsFunc(escaped, func(c rune) bool { return c == '/' || c == '\\' }) {
			segment, _, _ = strings.Cut(segment, ";")
			if strings.Contains(segment, ".") && strings.TrimFunc(segment, func(r rune) bool { return r == '.' || r <= ' ' || r == 0x7f }) == "" {
				return true
			}
		}
		escaped = unescaped(escaped)
	}
	return false
}
