package mitm

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// parseHost returns what goes into a certificate for host: a DNS name of lower-case A-labels, or an address.
func parseHost(host string) (string, netip.Addr, error) {
	bad := func(why string) (string, netip.Addr, error) {
		return "", netip.Addr{}, fmt.Errorf("%q is no host: %s", printable.Text(host, 80), why)
	}
	if len(host) > 1024 || !utf8.ValidString(host) {
		return bad("too long, or not UTF-8")
	}
	bare := host
	if strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
		bare = bare[1 : len(bare)-1]
	}
	if ip, err := netip.ParseAddr(bare); err == nil {
		if ip.Zone() != "" {
			return bad("an address with a zone")
		}
		return "", ip.Unmap(), nil
	}
	name, err := asciiName(strings.TrimSuffix(host, "."))
	if err != nil {
		return bad(err.Error())
	}
	if len(name) > 253 {
		return bad("longer than 253 bytes")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return bad("a label is empty, too long or has characters that names do not have")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return bad("a number, but not an address as RFC 3986 writes it")
	}
	return name, netip.Addr{}, nil
}

func asciiName(name string) (string, error) {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return idna.Lookup.ToASCII(name)
		}
	}
	return strings.ToLower(name), nil // names with underscores are in use, though IDNA knows none
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}
