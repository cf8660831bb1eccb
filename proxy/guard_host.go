package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// guardTarget reads address[:port].
func guardTarget(s string) (netip.AddrPort, error) {
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Addr().Zone() == "" && ap.Port() != 0 {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && ip.Zone() == "" {
		return netip.AddrPortFrom(ip.Unmap(), 0), nil
	}
	return netip.AddrPort{}, fmt.Errorf("%q is not address[:port]", s)
}

// guardHost reads a host: a DNS name, returned in lower-case A-labels without trailing dot, or an address as RFC 3986
// (3.2.2) writes it. Everything else that some resolver may take for an address, such as 127.1, 0x7f.1 or 2130706433,
// is a guardError.
func guardHost(host string) (string, netip.Addr, error) {
	refuse := func(class string) (string, netip.Addr, error) {
		return "", netip.Addr{}, &guardError{Host: host, Class: class}
	}
	name := strings.TrimSuffix(host, ".")
	if n := len(name); n > 1 && name[0] == '[' && name[n-1] == ']' {
		name = name[1 : n-1]
		if !strings.Contains(name, ":") {
			return refuse("no host name")
		}
	}
	if len(name) > 1000 {
		return refuse("no host name: it is too long")
	}
	if slices.ContainsFunc([]byte(name), func(c byte) bool { return c >= 0x80 }) {
		mapped, err := idna.Lookup.ToASCII(name) // full-width digits become digits here
		if err != nil {
			return refuse("no host name")
		}
		name = mapped
	}
	name = strings.ToLower(name)
	if ip, err := netip.ParseAddr(name); err == nil {
		if ip.Zone() != "" {
			return refuse("an address with a zone")
		}
		return "", ip.Unmap(), nil
	}
	if !guardIsName(name) {
		return refuse("no host name")
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return refuse("an address in an unusual spelling")
	}
	return name, netip.Addr{}, nil
}

// guardSplit takes host:port apart; the port is a number from 1 to 65535.
func guardSplit(hostport string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(hostport)
	n, perr := strconv.ParseUint(text, 10, 16)
	if err != nil || perr != nil || n == 0 {
		return "", 0, &guardError{Host: hostport, Class: "no host with a port"}
	}
	return host, uint16(n), nil
}

func guardIsName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
