package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// guardNames is a DNS of a test: what each name resolves to, one answer after another. The last one stays.
type guardNames struct {
	mu      sync.Mutex
	answers map[string][]string // addresses with commas
	asked   []string
}

func (n *guardNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, host)
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		n.answers[host] = answers[1:]
	}
	var addrs []netip.Addr
	for s := range strings.SplitSeq(answers[0], ",") {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs, nil
}

func guardFor(t *testing.T, o GuardOptions) *Guard {
	t.Helper()
	if o.Resolver == nil {
		o.Resolver = &guardNames{}
	}
	g, err := NewGuard(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGuardClasses(t *testing.T) {
	for addr, want := range map[string]string{
		"8.8.8.8": "", "1.1.1.1": "", "100.63.255.255": "", "100.128.0.0": "", "172.15.0.1": "", "172.32.0.1": "", "223.255.255.255": "", "192.0.1.1": "",
		"2606:4700::1111": "", "2a00:1450::1": "", "2620:4f:8000::1": "", "64:ff9b::808:808": "", "::ffff:8.8.8.8": "",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private",
		"100.64.0.1": "carrier", "100.100.100.200": "carrier", "127.0.0.1": "loopback", "127.255.255.254": "loopback", "169.254.169.254": "link-local",
		"168.63.129.16": "metadata", "192.0.0.192": "reserved", "192.0.2.1": "", "203.0.113.1": "",
		"198.18.0.1": "benchmarks", "198.19.255.255": "benchmarks", "192.88.99.1": "6to4", "224.0.0.1": "multicast", "239.255.255.250": "multicast",
		"240.0.0.1": "reserved", "255.255.255.255": "broadcast",
		"::": "unspecified", "::1": "loopback", "::127.0.0.1": "compatible", "::ffff:127.0.0.1": "loopback", "::ffff:169.254.169.254": "link-local", "::ffff:10.0.0.1": "private",
		"64:ff9b::7f00:1": "loopback address behind NAT64", "64:ff9b::a9fe:a9fe": "link-local address behind NAT64", "64:ff9b:1::808:808": "NAT64",
		"2001::1": "Teredo", "2001:0:4136:e378:8000:63bf:f5ff:fffe": "Teredo", "2001:2::1": "reserved", "2001:10::1": "reserved", "2001:db8::1": "",
		"2002:7f00:1::": "6to4", "2002:808:808::1": "6to4", "fc00::1": "private", "fd00:ec2::254": "private", "fe80::1": "link-local", "fe80::1%lo": "zone", "fec0::1": "site-local", "ff02::1": "multicast",
		"4000::1": "reserved", "100::1": "reserved", "5f00::1": "reserved", "64:ff9c::1": "reserved",
	} {
		got := guardClass(netip.MustParseAddr(addr))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
}

// Whatever way an address is written, it is refused for what it is or for how it is written, and no resolver sees it.
func TestGuardOddSpellingsDoNotSlipThrough(t *testing.T) {
	for host, class := range map[string]string{
		"127.0.0.1": "loopback", "127.0.0.1.": "loopback", "[::1]": "loopback", "::1": "loopback", "[::ffff:127.0.0.1]": "loopback", "[::ffff:7f00:1]": "loopback",
		"[0:0:0:0:0:0:0:1]": "loopback", "[::ffff:169.254.169.254]": "link-local", "[64:ff9b::127.0.0.1]": "NAT64", "[fe80::1%eth0]": "zone", "[fe80::1%25eth0]": "zone",
		"１２７.0.0.1": "loopback", "127。0。0。1": "loopback",
		"127.1": "unusual", "127.0.1": "unusual", "2130706433": "unusual", "0x7f.1": "unusual", "0x7f000001": "unusual", "0x7f.0x0.0x0.0x1": "unusual", "017700000001": "unusual",
		"0177.0.0.1": "unusual", "127.0.0.01": "unusual", "1.2.3.4.5": "unusual", "a.b.1": "unusual", "example.0x1": "unusual", "0x": "unusual", "127.1.": "unusual",
		"": "no host", ".": "no host", "..": "no host", "a..b": "no host", "127.0.0.1..": "no host", "a b": "no host", "a\x00b": "no host", "a\r\nHost: b": "no host", "[127.0.0.1]": "no host",
		"127.0.0.1/8": "no host", "user@127.0.0.1": "no host", "*": "no host", "%31": "no host", strings.Repeat("a.", 1000): "no host", strings.Repeat("a.", 130) + "b": "no host",
	} {
		names := &guardNames{}
		g := guardFor(t, GuardOptions{Resolver: names})
		hostport := host + ":80"
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			hostport = "[" + host + "]:80"
		}
		for what, check := range map[string]func(context.Context, string) ([]netip.AddrPort, error){"Addresses": g.Addresses, "AllAddresses": g.AllAddresses} {
			addrs, err := check(t.Context(), hostport)
			if hostport == "[127.0.0.1]:80" { // SplitHostPort takes the brackets off
				class = "loopback"
			}
			if refused, ok := errors.AsType[*guardError](err); !ok || !strings.Contains(refused.Class, class) {
				t.Errorf("%s(%q) = %v, %v; want %q", what, hostport, addrs, err, class)
			}
		}
		if len(names.asked) > 0 {
			t.Errorf("%q was looked up as %q", host, names.asked)
		}
	}
}

func TestGuardNamesThatLeadInside(t *testing.T) {
	g := guardFor(t, GuardOptions{Resolver: &guardNames{answers: map[string][]string{
		"metadata.example": {"169.254.169.254"}, "local.example": {"::1"}, "nat64.example": {"64:ff9b::a00:1"}, "mixed.example": {"10.0.0.1,8.8.8.8"}, "mapped.example": {"::ffff:10.0.0.1"},
		"public.example": {"8.8.8.8,2606:4700::1111"},
	}}})
	for _, host := range []string{"metadata.example", "LOCAL.example.", "nat64.example", "mapped.example"} {
		_, err := g.Addresses(t.Context(), host+":443")
		if refused, ok := errors.AsType[*guardError](err); !ok || !strings.Contains(err.Error(), host) || !refused.Addr.IsValid() {
			t.Errorf("%s: %v", host, err)
		}
	}
	if addrs, err := g.Addresses(t.Context(), "mixed.example:443"); err != nil || len(addrs) != 1 || addrs[0].String() != "8.8.8.8:443" {
		t.Errorf("mixed: %v, %v; want the public address only", addrs, err)
	}
	if _, err := g.AllAddresses(t.Context(), "mixed.example:443"); err == nil {
		t.Error("mixed, when somebody else picks: no error")
	}
	if addrs, err := g.AllAddresses(t.Context(), "public.example:443"); err != nil || len(addrs) != 2 {
		t.Errorf("public: %v, %v", addrs, err)
	}
}

func TestGuardPorts(t *testing.T) {
	g := guardFor(t, GuardOptions{})
	for _, hostport := range []string{"8.8.8.8", "8.8.8.8:", "8.8.8.8:0", "8.8.8.8:65536", "8.8.8.8:-1", "8.8.8.8:http", "8.8.8.8:+80", "", ":", "::1:80"} {
		if addrs, err := g.Addresses(t.Context(), hostport); err == nil {
			t.Errorf("%q: %v", hostport, addrs)
		}
	}
}

// A name that resolves to a public address when it is checked and to a private one when it is dialled gains nothing,
// since it is asked for once.
func TestGuardRebindingResolvesOnce(t *testing.T) {
	l := guardListener(t)
	port := l.Addr().(*net.TCPAddr).Port
	names := &guardNames{answers: map[string][]string{"rebind.example": {"127.0.0.2", "127.0.0.1"}}}
	g := guardFor(t, GuardOptions{Resolver: names, AllowPrivate: []string{"127.0.0.2"}}) // stands for a public address
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), uint16(port)).String()
	conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort("rebind.example", to[strings.LastIndex(to, ":")+1:]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := conn.(*net.TCPConn); !ok {
		t.Errorf("a %T cannot be spliced", conn)
	}
	if got := conn.RemoteAddr().String(); got != to || len(names.asked) != 1 {
		t.Errorf("dialled %s after %d look-ups, want %s after one", got, len(names.asked), to)
	}
	_, err = g.DialContext(t.Context(), "tcp", "rebind.example:"+to[strings.LastIndex(to, ":")+1:])
	if _, ok := errors.AsType[*guardError](err); !ok {
		t.Errorf("the second answer: %v", err)
	}
}

func guardListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestGuardAllowPrivate(t *testing.T) {
	g := guardFor(t, GuardOptions{
		AllowPrivate: []string{"10.1.0.0/16", "fd00::/8", "192.168.7.7", "Intranet.Example."},
		Resolver:     &guardNames{answers: map[string][]string{"intranet.example": {"192.168.0.1"}, "other.example": {"192.168.0.1"}, "sub.intranet.example": {"192.168.0.1"}, "in.example": {"10.1.2.3"}}},
	})
	for host, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "[fd12::1]": true, "[fc12::1]": false, "192.168.7.7": true, "192.168.7.8": false, "[::ffff:10.1.2.3]": true,
		"intranet.example": true, "INTRANET.example.": true, "other.example": false, "sub.intranet.example": false, "192.168.0.1": false, "in.example": true,
	} {
		if _, err := g.Addresses(t.Context(), host+":80"); (err == nil) != want {
			t.Errorf("%s: %v, want allowed=%v", host, err, want)
		}
	}
}

func TestGuardNeverDialsTheProxyItself(t *testing.T) {
	everywhere := guardListener(t)
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(everywhere.Addr().String())
	own := func() []net.Addr { return []net.Addr{everywhere.Addr()} }
	wide := guardFor(t, GuardOptions{Own: own, AllowPrivate: []string{"0.0.0.0/0", "::/0"}})
	for _, a := range addrs {
		ip := netip.MustParsePrefix(a.String()).Addr()
		if ip.IsLinkLocalUnicast() {
			continue
		}
		_, err := wide.Addresses(t.Context(), net.JoinHostPort(ip.String(), port))
		if refused, ok := errors.AsType[*guardError](err); !ok || !strings.Contains(refused.Class, "itself") {
			t.Errorf("%s: %v", ip, err)
		}
		if _, err := wide.Addresses(t.Context(), net.JoinHostPort(ip.String(), "1")); err != nil {
			t.Errorf("%s, another port: %v", ip, err)
		}
	}
	if _, err := wide.Addresses(t.Context(), net.JoinHostPort("8.8.8.8", port)); err != nil {
		t.Errorf("another machine's port of the same number: %v", err)
	}
	exact := guardFor(t, GuardOptions{Own: own, AllowPrivate: []string{"127.0.0.1"}})
	if _, err := exact.Addresses(t.Context(), net.JoinHostPort("127.0.0.1", port)); err != nil {
		t.Errorf("listed by its very address: %v", err)
	}
	one := guardFor(t, GuardOptions{AllowPrivate: []string{"127.0.0.0/8"}, Own: func() []net.Addr { return []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 99}} }})
	if _, err := one.Addresses(t.Context(), "127.0.0.1:99"); err == nil {
		t.Error("a listener on one address: allowed")
	}
	if _, err := one.Addresses(t.Context(), "127.0.0.2:99"); err != nil {
		t.Errorf("the address beside it: %v", err)
	}
}

func TestGuardResolveMap(t *testing.T) {
	names := &guardNames{}
	g := guardFor(t, GuardOptions{Resolver: names, Resolve: map[string]string{
		"Vendor.Example": "127.0.0.1:8443", "b.example": "10.0.0.1", "c.example": "[::1]:99", "d.example": "fd00::1", "8.8.8.8": "127.0.0.9:1",
	}})
	for hostport, want := range map[string]string{
		"vendor.example:443": "127.0.0.1:8443", "VENDOR.example.:80": "127.0.0.1:8443", "b.example:443": "10.0.0.1:443", "c.example:1": "[::1]:99", "d.example:7": "[fd00::1]:7", "8.8.8.8:80": "127.0.0.9:1",
	} {
		if addrs, err := g.Addresses(t.Context(), hostport); err != nil || len(addrs) != 1 || addrs[0].String() != want {
			t.Errorf("%s: %v, %v; want %s", hostport, addrs, err, want)
		}
	}
	if len(names.asked) > 0 {
		t.Errorf("looked up: %q", names.asked)
	}
}

func TestGuardRefusesEntriesItDoesNotUnderstand(t *testing.T) {
	for _, o := range []GuardOptions{
		{AllowPrivate: []string{"10.0.0.0/33"}}, {AllowPrivate: []string{"127.1"}}, {AllowPrivate: []string{""}}, {AllowPrivate: []string{"*.example"}},
		{Resolve: map[string]string{"a.example": "b.example"}}, {Resolve: map[string]string{"a.example": "1.2.3.4:http"}}, {Resolve: map[string]string{"a b": "1.2.3.4"}},
		{Resolve: map[string]string{"a.example": "1.2.3.4:0"}}, {Resolve: map[string]string{"a.example": "fe80::1%lo"}},
	} {
		if _, err := NewGuard(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestGuardTriesTheNextAddress(t *testing.T) {
	only, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer only.Close()
	_, port, _ := net.SplitHostPort(only.Addr().String())
	g := guardFor(t, GuardOptions{
		AllowPrivate: []string{"127.0.0.0/8", "::1"},
		Resolver:     &guardNames{answers: map[string][]string{"two.example": {"::1,127.0.0.3,127.0.0.1"}, "none.example": {"::1,127.0.0.3"}}},
	})
	conn, err := g.DialContext(t.Context(), "tcp", "two.example:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	_, err = g.DialContext(t.Context(), "tcp", "none.example:"+port)
	if up := classify(err); up == nil || up.ProxyError != "connection_refused" && up.ProxyError != "destination_ip_unroutable" {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.DialContext(ctx, "tcp", "two.example:"+port); classify(err).Kind != upstreamCanceled {
		t.Errorf("given up: %v", err)
	}
}

func TestGuardAlternatesFamilies(t *testing.T) {
	var in []netip.AddrPort
	for _, s := range []string{"[2a00::1]:1", "[2a00::2]:1", "[2a00::3]:1", "1.1.1.1:1", "1.1.1.2:1"} {
		in = append(in, netip.MustParseAddrPort(s))
	}
	var got []string
	for _, a := range guardAlternate(in) {
		got = append(got, a.Addr().String())
	}
	if s := strings.Join(got, " "); s != "2a00::1 1.1.1.1 2a00::2 1.1.1.2 2a00::3" {
		t.Error(s)
	}
	for range 30 {
		in = append(in, netip.MustParseAddrPort("1.1.1.1:1"))
	}
	if n := len(guardAlternate(in)); n != guardTries {
		t.Errorf("%d addresses tried", n)
	}
}

// What comes out of guardHost is an address, or a name that no resolver can take for one.
func FuzzGuardHost(f *testing.F) {
	for _, s := range []string{"a.example", "127.1", "0x7f.1", "[::1]", "１２７.0.0.1", "a..b", "1.2.3.4.", "xn--", "[::ffff:1.2.3.4]", "a_b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ip, err := guardHost(s)
		if err != nil {
			if _, ok := errors.AsType[*guardError](err); !ok || len(err.Error()) > 2000 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if ip.IsValid() {
			if name != "" || ip.Is4In6() || ip.Zone() != "" {
				t.Fatalf("%q: %q, %v", s, name, ip)
			}
			return
		}
		again, ip, err := guardHost(name)
		if again != name || ip.IsValid() || err != nil {
			t.Fatalf("%q gives %q, which gives %q, %v, %v", s, name, again, ip, err)
		}
		last := name[strings.LastIndexByte(name, '.')+1:]
		if last == "" || last[0] >= '0' && last[0] <= '9' && strings.Trim(last, "0123456789") == "" {
			t.Fatalf("%q gives %q", s, name)
		}
	})
}
