package policy

import (
	"slices"
	"strings"
)

// Unseen returns the hosts, as policies write them, that the policy before looks at and this one would pass through unseen. Sorted.
func (p *Policy) Unseen(before *Policy) []string {
	var out []string
	if p.otherHosts == "tunnel" && before.otherHosts == "inspect" {
		out = append(out, "every host that the policy does not name")
	}
	patterns, _ := before.InspectedHosts()
	return append(out, p.passes(before, patterns, InspectHost)...)
}

// Undenied returns the hosts that the policy before refuses by name and this one would pass through unseen. Sorted.
func (p *Policy) Undenied(before *Policy) []string {
	var patterns []string
	for _, h := range before.hosts.deny {
		patterns = append(patterns, h.String())
	}
	return p.passes(before, patterns, DenyHost)
}

// passes returns those of the hosts that this policy passes through unseen and the one before treated as was says.
func (p *Policy) passes(before *Policy, patterns []string, was HostAction) []string {
	var out []string
	for _, pattern := range patterns {
		name := pattern
		if base, below := strings.CutPrefix(pattern, "*."); below {
			name = "any." + base
		}
		then, _ := before.Host(Client{}, name)
		if now, _ := p.Host(Client{}, name); then == was && now == TunnelHost {
			out = append(out, pattern)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
