package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// groupMember is an address, a network or a proxy user; one of the two fields is set.
type groupMember struct {
	network netip.Prefix
	user    string
}

func (m groupMember) is(c Client) bool {
	if m.user != "" {
		return m.user == c.User
	}
	return m.network.IsValid() && m.network.Contains(c.Addr.Unmap().WithZone(""))
}

// admits reports whether a client belongs to one of the channel's groups, or the channel is for everyone.
func (p *Policy) admits(c *channel, client Client) bool {
	if len(c.clients) == 0 {
		return true
	}
	for _, group := range c.clients {
		for _, m := range p.clients[group] {
			if m.is(client) {
				return true
			}
		}
	}
	return false
}

// foreign says that a client may not use a channel.
func (c *channel) foreign(client Client) string {
	who := "this client"
	if client.Addr.IsValid() {
		who = client.Addr.Unmap().String()
	}
	if client.User != "" {
		who += " (user " + quote(client.User) + ")"
	}
	return "channel " + c.name + " is for clients of " + strings.Join(c.clients, ", ") + " only, and " + who + " is none of them"
}

// parseMember reads what belongs to a group of clients.
func parseMember(s string) (m groupMember, err error) {
	if user, ok := strings.CutPrefix(s, "user:"); ok {
		if user == "" {
			return m, errors.New("user: wants a name after it")
		}
		m.user = user
		return m, nil
	}
	if m.network, err = netip.ParsePrefix(s); err == nil {
		if m.network != m.network.Masked() {
			return m, fmt.Errorf("%s has bits set beyond its length: write %s", quote(s), m.network.Masked())
		}
		if m.network.Addr().Is4In6() {
			return m, fmt.Errorf("%s is an IPv4 network written as IPv6: write it as IPv4", quote(s))
		}
		return m, nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return m, fmt.Errorf("%s is neither an address nor a network such as 10.20.0.0/16 nor user:NAME", quote(s))
	}
	addr = addr.Unmap()
	m.network = netip.PrefixFrom(addr, addr.BitLen())
	return m, nil
}

func parseClient(s string) (Client, error) {
	if user, ok := strings.CutPrefix(s, "user:"); ok && user != "" {
		return Client{User: user}, nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return Client{}, fmt.Errorf("%s is neither an address nor user:NAME", quote(s))
	}
	return Client{Addr: addr.Unmap()}, nil
}
