package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// GuardOptions are the options of NewGuard.
type GuardOptions struct {
	// AllowPrivate are CIDRs, addresses and host names that may be reached although they are not on the public
	// internet. A host name permits what it resolves to, for that very name only.
	AllowPrivate []string
	// Resolve maps a host to the address[:port] that is dialled for it instead of asking DNS. The entries are the
	// operator's word: they are not checked further.
	Resolve map[string]string
	// Own returns the addresses that this process listens on; nil means none. They are never dialled, by whatever
	// address of this machine, unless AllowPrivate has the exact address (no wider prefix) or the host's name.
	Own func() []net.Addr
	// Resolver asks for addresses; nil means net.DefaultResolver.
	Resolver GuardResolver
	// Timeout bounds resolving and connecting together; 0 means 10 s.
	Timeout time.Duration
}

// GuardResolver resolves names, as net.Resolver does.
type GuardResolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Guard keeps clients from reaching through the proxy what is not on the public internet: this machine, its networks
// and the metadata services of clouds (server-side request forgery). A name is resolved once, and the addresses that were checked are the
// ones that are dialled, so that a name that changes its mind gains nothing. Safe for concurrent use.
type Guard struct {
	prefixes []netip.Prefix
	names    map[string]bool
	resolve  map[string]netip.AddrPort // port 0: the one asked for
	own      func() []net.Addr
	resolver GuardResolver
	timeout  time.Duration
}

// guardError says that a host is not to be reached: a refusal, not a failure.
type guardError struct {
	Host  string     // as it was asked for
	Addr  netip.Addr // what it resolved to; invalid if it never was an address
	Class string     // "a loopback address", ...
}

func (e *guardError) Error() string {
	host := printable.Text(e.Host, 80)
	if e.Addr.IsValid() && e.Addr.String() != strings.Trim(e.Host, "[]") {
		return fmt.Sprintf("%s is at %s, %s, which the proxy does not connect to", host, e.Addr, e.Class)
	}
	return fmt.Sprintf("%s is %s, which the proxy does not connect to", host, e.Class)
}

// NewGuard makes a Guard. An entry that cannot be understood is an error.
func NewGuard(o GuardOptions) (*Guard, error) {
	g := &Guard{names: make(map[string]bool), resolve: make(map[string]netip.AddrPort), own: o.Own, resolver: o.Resolver, timeout: o.Timeout}
	if g.own == nil {
		g.own = func() []net.Addr { return nil }
	}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if g.timeout <= 0 {
		g.timeout = 10 * time.Second
	}
	var errs []error
	for _, entry := range o.AllowPrivate {
		if p, err := netip.ParsePrefix(entry); err == nil {
			g.prefixes = append(g.prefixes, p.Masked())
			continue
		}
		name, ip, err := guardHost(entry)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("allow_private: %w", err))
		case ip.IsValid():
			g.prefixes = append(g.prefixes, netip.PrefixFrom(ip, ip.BitLen()))
		default:
			g.names[name] = true
		}
	}
	for host, to := range o.Resolve {
		key, ip, err := guardHost(host)
		if ip.IsValid() {
			key = ip.String()
		}
		addr, aerr := guardTarget(to)
		if err := errors.Join(err, aerr); err != nil {
			errs = append(errs, fmt.Errorf("resolve: %q: %w", host, err))
		}
		g.resolve[key] = addr
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("setting up outbound connections: %w", err)
	}
	return g, nil
}

// Addresses resolves the host of host:port and returns what of it may be dialled, at least one address, in the order
// of preference. None is a *guardError.
func (g *Guard) Addresses(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	all, refused, err := g.check(ctx, hostport)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, refused
	}
	return all, nil
}

// AllAddresses is Addresses for when somebody else will pick among them: one that may not be dialled refuses the host.
func (g *Guard) AllAddresses(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	all, refused, err := g.check(ctx, hostport)
	if err == nil && refused != nil {
		err = refused
	}
	return all, err
}

// check sorts the addresses of a host into those that may be dialled and one that may not, if any.
func (g *Guard) check(ctx context.Context, hostport string) (may []netip.AddrPort, refused *guardError, err error) {
	host, port, err := guardSplit(hostport)
	if err != nil {
		return nil, nil, err
	}
	name, ip, err := guardHost(host)
	if err != nil {
		return nil, nil, err
	}
	if to, ok := g.mapped(name, ip); ok {
		if to.Port() == 0 {
			to = netip.AddrPortFrom(to.Addr(), port)
		}
		return []netip.AddrPort{to}, nil, nil
	}
	found := []netip.Addr{ip}
	if !ip.IsValid() {
		if found, err = g.resolver.LookupNetIP(ctx, "ip", name); err != nil {
			return nil, nil, err
		}
		if len(found) == 0 {
			return nil, nil, &net.DNSError{Err: "no addresses", Name: name, IsNotFound: true}
		}
	}
	for _, a := range found {
		a = a.Unmap()
		to := netip.AddrPortFrom(a, port)
		if class := g.refusal(name, to); class != "" {
			refused = &guardError{Host: host, Addr: a, Class: class}
		} else if !slices.Contains(may, to) {
			may = append(may, to)
		}
	}
	return may, refused, nil
}

func (g *Guard) mapped(name string, ip netip.Addr) (netip.AddrPort, bool) {
	if ip.IsValid() {
		name = ip.String()
	}
	to, ok := g.resolve[name]
	return to, ok
}

// refusal says why an address may not be dialled for a name ("" for an address that was asked for as such).
func (g *Guard) refusal(name string, to netip.AddrPort) string {
	if g.names[name] {
		return ""
	}
	wide, exact := false, false
	for _, p := range g.prefixes {
		if p.Contains(to.Addr()) {
			wide, exact = true, exact || p.IsSingleIP()
		}
	}
	if !exact && g.isOwn(to) {
		return "an address of the proxy itself"
	}
	if wide {
		return ""
	}
	return guardClass(to.Addr())
}

// isOwn reports whether this process listens there. A socket on the unspecified address listens on every address of
// this machine.
func (g *Guard) isOwn(to netip.AddrPort) bool {
	for _, l := range g.own() {
		at, err := netip.ParseAddrPort(l.String())
		if err != nil || at.Port() != to.Port() {
			continue
		}
		if at.Addr().Unmap().WithZone("") == to.Addr() || at.Addr().IsUnspecified() && guardIsHere(to.Addr()) {
			return true
		}
	}
	return false
}

// guardIsHere reports whether an address is one of this machine's; if that cannot be found out, it says yes.
func guardIsHere(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
