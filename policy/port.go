package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// portRule is a port that may be connected to, on one pattern's hosts or on all.
type portRule struct {
	host *hostPattern // nil: every host
	port int
}

func parsePortRule(s string) (portRule, error) {
	var r portRule
	number := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		h, err := parseHostPattern(s[:i])
		if err != nil {
			return r, err
		}
		r.host, number = &h, s[i+1:]
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return r, fmt.Errorf("%s is no port: write 8443, or host:8443", quote(s))
	}
	r.port = int(n)
	return r, nil
}

// Port reports whether connections to a port of a host (in any form) may be made: 80 and 443, and what hosts.ports
// lists.
func (p *Policy) Port(name string, port int) bool {
	if port == 80 || port == 443 {
		return true
	}
	n, err := normalHost(name)
	if err != nil {
		return false
	}
	for _, r := range p.hosts.ports {
		if r.port == port && (r.host == nil || r.host.covers(hostPattern{name: n})) {
			return true
		}
	}
	return false
}
