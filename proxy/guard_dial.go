package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

const (
	// guardStagger is how long an address has to answer before the next one is tried beside it (RFC 8305, section 5).
	guardStagger = 250 * time.Millisecond
	// guardTries is how many addresses of one name are tried.
	guardTries = 8
)

// DialContext connects to host:port by TCP at an address that has been checked. A connection is a *net.TCPConn. An
// error is a *guardError where the host may not be reached, else what the network said about the first address.
func (g *Guard) DialContext(ctx context.Context, _, hostport string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	addrs, err := g.Addresses(ctx, hostport)
	if err != nil {
		return nil, err
	}
	return guardDialAny(ctx, addrs)
}

// dialTrusted connects to a host that the operator has named, wherever it is, except to ourselves.
func (g *Guard) dialTrusted(ctx context.Context, hostport string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	host, port, err := guardSplit(hostport)
	if err != nil {
		return nil, err
	}
	name, ip, err := guardHost(host)
	if err != nil {
		return nil, err
	}
	found := []netip.Addr{ip}
	if to, ok := g.mapped(name, ip); ok {
		found = []netip.Addr{to.Addr()}
		if to.Port() != 0 {
			port = to.Port()
		}
	} else if !ip.IsValid() {
		if found, err = g.resolver.LookupNetIP(ctx, "ip", name); err != nil {
			return nil, err
		}
	}
	var addrs []netip.AddrPort
	for _, a := range found {
		to := netip.AddrPortFrom(a.Unmap(), port)
		if g.isOwn(to) {
			return nil, errParentIsUs
		}
		addrs = append(addrs, to)
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: name, IsNotFound: true}
	}
	return guardDialAny(ctx, addrs)
}

// guardDialAny connects to the first address that answers. They are tried in their order, IPv6 and IPv4 in turns, the
// next as soon as one fails or has not answered in time.
func guardDialAny(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	addrs = guardAlternate(addrs)
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, len(addrs))
	var dialer net.Dialer
	started, running := 0, 0
	start := func() {
		to := addrs[started]
		started++
		running++
		go func() {
			conn, err := dialer.DialContext(ctx, "tcp", to.String())
			results <- result{conn, err}
		}()
	}
	var first error
	timer := time.NewTimer(guardStagger)
	defer timer.Stop()
	for start(); running > 0; {
		select {
		case <-timer.C:
			if started < len(addrs) {
				start()
				timer.Reset(guardStagger)
			}
		case r := <-results:
			running--
			if r.err == nil {
				go func(n int) { // those that come too late
					for ; n > 0; n-- {
						if late := <-results; late.conn != nil {
							late.conn.Close()
						}
					}
				}(running)
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			if started < len(addrs) && ctx.Err() == nil {
				start()
				timer.Reset(guardStagger)
			}
		}
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(first, cause) {
		return nil, errors.Join(first, cause)
	}
	return nil, first
}

// guardAlternate lets the two families take turns, beginning with that of the first address, and drops the rest.
func guardAlternate(addrs []netip.AddrPort) []netip.AddrPort {
	var lead, other []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			lead = append(lead, a)
		} else {
			other = append(other, a)
		}
	}
	var out []netip.AddrPort
	for len(out) < guardTries && len(lead)+len(other) > 0 {
		if len(lead) > 0 {
			out, lead = append(out, lead[0]), lead[1:]
		}
		lead, other = other, lead
	}
	return out
}
