package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// target is the host and port that a client asked for, in the one form in which hosts are compared.
type target struct {
	host string // see canonicalHost
	port int
}

// authority is host:port, the port always there.
func (t target) authority() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

// urlHost is the host as a URL of that scheme has it, without its default port.
func (t target) urlHost(scheme string) string {
	if t.port != defaultPort(scheme) {
		return t.authority()
	}
	if strings.Contains(t.host, ":") {
		return "[" + t.host + "]"
	}
	return t.host
}

func defaultPort(scheme string) int {
	if scheme == "https" {
		return 443
	}
	return 80
}

// plainTarget reads the URL of a plain proxy request.
func plainTarget(u *url.URL) (target, *refusal) {
	unclear := func(detail string) (target, *refusal) {
		return target{}, &refusal{Kind: kindAmbiguous, Detail: detail}
	}
	switch {
	case u.Scheme == "https":
		return unclear("https is asked for by CONNECT, not by a plain request: no client is to think that its bytes are encrypted when they are not")
	case u.Scheme != "http":
		return unclear("the proxy speaks http, not " + u.Scheme)
	case u.User != nil:
		return unclear("the URL holds user information")
	case u.Opaque != "":
		return unclear("the URL has no host")
	}
	t, err := parseTarget(u.Host, 80)
	if err != nil {
		return unclear(err.Error())
	}
	return t, nil
}

// connectTarget reads the authority of a CONNECT (RFC 9110 section 9.3.6).
func connectTarget(r *http.Request) (target, *refusal) {
	unclear := func(detail string) (target, *refusal) {
		return target{}, &refusal{Kind: kindAmbiguous, Detail: detail}
	}
	if r.URL.Scheme != "" || r.URL.Path != "" || r.URL.RawQuery != "" || r.URL.User != nil || r.ContentLength != 0 {
		return unclear("CONNECT takes host:port and nothing else")
	}
	t, err := parseTarget(r.URL.Host, 0)
	if err != nil {
		return unclear(err.Error())
	}
	return t, nil
}

// parseTarget reads host or host:port. Without a default port, the port must be there.
func parseTarget(s string, defaultPort int) (target, error) {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.Contains(s[i:], "]") {
		host, port = s[:i], s[i+1:]
		if port == "" && defaultPort == 0 {
			return target{}, errors.New("the port is missing")
		}
	}
	t := target{port: defaultPort}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return target{}, fmt.Errorf("%q is no port", port)
		}
		t.port = int(n)
	}
	if t.port == 0 {
		return target{}, errors.New("the port is missing")
	}
	if bare, ok := strings.CutPrefix(host, "["); ok {
		bare, ok = strings.CutSuffix(bare, "]")
		if !ok || !strings.Contains(bare, ":") {
			return target{}, fmt.Errorf("%q is no host", host)
		}
		host = bare
	} else if strings.Contains(host, ":") {
		return target{}, fmt.Errorf("%q is no host: IPv6 addresses are written in brackets", host)
	}
	name, err := canonicalHost(host)
	t.host = name
	return t, err
}

// canonicalHost returns a host name in lower case and IDNA A-labels (RFC 5891) without the trailing dot, and an IP
// address in its usual form, without brackets, v4-in-v6 as v4. What looks like a number but is no plain IPv4 address
// is an error: resolvers disagree about such names.
func canonicalHost(host string) (string, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", fmt.Errorf("%q has a zone", host)
		}
		return addr.Unmap().String(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if !isASCII(name) || strings.Contains(name, "xn--") {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("%q is no host name: %w", host, err)
		}
		name = ascii
	}
	if name == "" || len(name) > 253 {
		return "", fmt.Errorf("%q is no host name", host)
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return "", fmt.Errorf("%q is no host name", host)
		}
	}
	if last := labels[len(labels)-1]; isNumber(last) {
		return "", fmt.Errorf("%q is neither a host name nor an IP address", host)
	}
	return name, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// isNumber says whether resolvers may take a last label for a part of an IPv4 address: digits, or 0x and hexadecimal
// digits.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
