package replay

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// Tunnels is what would become of connections that had been passed through without being looked at.
type Tunnels struct {
	Connections int64  `json:"connections"`     // that are recorded
	Inspected   int64  `json:"inspected"`       // would be looked at now; what would be decided then is not known
	Denied      int64  `json:"denied"`          // would be refused
	Hosts       []Host `json:"hosts,omitempty"` // for which it changes, the busiest first; at most 100
}

// Host is one host that had been passed through.
type Host struct {
	Host        string `json:"host"`
	Now         string `json:"now"` // "inspect" or "deny"
	Connections int64  `json:"connections"`
}

// tunnelled is what a policy says of a connection that was passed through.
type tunnelled struct {
	host string
	now  policy.HostAction
}

func (j *judge) connection(r audit.Record) tunnelled {
	if r.Tunnel == nil || r.Tunnel.Host == "" {
		return tunnelled{now: policy.TunnelHost}
	}
	var c policy.Client
	if r.Client != nil {
		c.User = r.Client.User
		c.Addr, _ = netip.ParseAddr(r.Client.Addr)
	}
	host := r.Tunnel.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	action, _ := j.policy.Host(c, host)
	return tunnelled{strings.ToLower(host), action}
}

const (
	maxHosts      = 100
	maxHostsKnown = 10_000 // that are told apart; others only count
)

type tunnelSums struct {
	Tunnels
	by map[tunnelled]int64
}

func newTunnelSums() tunnelSums { return tunnelSums{by: map[tunnelled]int64{}} }

func (s *tunnelSums) add(t tunnelled) {
	s.Connections++
	switch t.now {
	case policy.InspectHost:
		s.Inspected++
	case policy.DenyHost:
		s.Denied++
	default:
		return
	}
	if _, known := s.by[t]; known || len(s.by) < maxHostsKnown {
		s.by[t]++
	}
}

func (s *tunnelSums) sum() Tunnels {
	for t, n := range s.by {
		now := "inspect"
		if t.now == policy.DenyHost {
			now = "deny"
		}
		s.Hosts = append(s.Hosts, Host{t.host, now, n})
	}
	slices.SortFunc(s.Hosts, func(a, b Host) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), strings.Compare(a.Host, b.Host), strings.Compare(a.Now, b.Now))
	})
	s.Hosts = s.Hosts[:min(len(s.Hosts), maxHosts)]
	return s.Tunnels
}
