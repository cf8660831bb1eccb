package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// hostPattern is an exact host, or every host below a domain.
type hostPattern struct {
	name  string // in normal form (see normalHost)
	below bool   // "*.name": one or more labels before name, not name itself
}

// String returns the pattern as policies write it.
func (h hostPattern) String() string {
	if h.below {
		return "*." + h.name
	}
	return h.name
}

// covers reports whether every host that other stands for is one that h stands for.
func (h hostPattern) covers(other hostPattern) bool {
	if h.name == other.name {
		return h.below == other.below
	}
	return h.below && strings.HasSuffix(other.name, "."+h.name)
}

// parseHostPattern reads a host as policies write it.
func parseHostPattern(s string) (hostPattern, error) {
	name, below := strings.CutPrefix(s, "*.")
	switch {
	case s == "*":
		return hostPattern{}, errors.New("* alone would be every host; set defaults.hosts to inspect instead")
	case strings.Contains(name, "*"):
		return hostPattern{}, fmt.Errorf("%s has a * elsewhere than as its whole first label", quote(s))
	case strings.Contains(name, "/"):
		return hostPattern{}, fmt.Errorf("%s is no host: write the host alone, without scheme or path", quote(s))
	}
	n, err := normalHost(name)
	if err == nil && strings.Contains(n, "xn--") {
		if _, bad := hostProfile.ToASCII(n); bad != nil {
			return hostPattern{}, fmt.Errorf("%s has a label that begins with xn-- and is no international name", quote(s))
		}
	}
	if err != nil {
		if h, _, ok := strings.Cut(name, ":"); ok && strings.Count(name, ":") == 1 {
			err = fmt.Errorf("%s has a port: write %s", quote(s), quote(h))
		}
		return hostPattern{}, err
	}
	if _, err := netip.ParseAddr(n); err == nil && below {
		return hostPattern{}, fmt.Errorf("%s is an address, which has nothing below it", quote(s))
	}
	return hostPattern{n, below}, nil
}

// hostProfile maps as browsers do (UTS 46, non-transitional) and lets underscores be, which real hosts have.
var hostProfile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.BidiRule())

// normalHost returns a host in the one form in which hosts are compared: lower case, IDNA A-labels (RFC 5891), no
// trailing dot; an address in its shortest form, IPv4-mapped ones as IPv4, without brackets.
func normalHost(s string) (string, error) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil && a.Zone() == "" {
		return a.Unmap().String(), nil
	}
	if len(s) > 1024 {
		return "", errors.New("a host of more than 1024 bytes is none")
	}
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	if !ascii(name) {
		mapped, err := hostProfile.ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("%s is no host name", quote(s))
		}
		name = strings.TrimSuffix(mapped, ".")
	}
	if !validName(name) {
		return "", fmt.Errorf("%s is no host name", quote(s))
	}
	return name, nil
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// validName reports whether a lower-case name is one that DNS can have. A last label that is a number would make it an
// address to some resolvers ("127.1", "0x7f000001"), in a form that no pattern is compared with.
func validName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	if _, err := strconv.ParseUint(labels[len(labels)-1], 0, 64); err == nil || digits(labels[len(labels)-1]) {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
