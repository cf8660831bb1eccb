package proxy

import "net/netip"

// guardBlocks are the parts of the address space that are not public internet, by the special-purpose registries of
// IANA (RFC 6890 and its successors). The first that contains an address names its class. The blocks for documentation
// (RFC 5737, RFC 3849) are left out: no internal service lives there by right, and closed networks put mirrors there.
var guardBlocks = []struct {
	prefix netip.Prefix
	class  string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified address"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a shared address of a carrier's NAT"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's metadata service"}, // public by its number only
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved address"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for benchmarks"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},

	{netip.MustParsePrefix("::/128"), "an unspecified address"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("::/96"), "an IPv4-compatible address"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an address of a local NAT64"},
	{netip.MustParsePrefix("2001::/32"), "a Teredo address"},
	{netip.MustParsePrefix("2001::/23"), "a reserved address"}, // protocol assignments: benchmarks, ORCHID, ...
	{netip.MustParsePrefix("2002::/16"), "a 6to4 address"},
	{netip.MustParsePrefix("fc00::/7"), "a private address"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("fec0::/10"), "a site-local address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
}

var (
	guardNAT64  = netip.MustParsePrefix("64:ff9b::/96")
	guardGlobal = netip.MustParsePrefix("2000::/3") // all that IANA has given out as global unicast
)

// guardClass says why ip is no address on the public internet; "" means that it is one. Addresses of the well-known
// NAT64 prefix (RFC 6052) stand for the IPv4 address they hold and are judged as that. The other ways to wrap IPv4 in
// IPv6 are refused whatever they hold: nothing worth fetching is reached by them any more.
func guardClass(ip netip.Addr) string {
	if ip.Zone() != "" {
		return "an address with a zone"
	}
	ip = ip.Unmap()
	if guardNAT64.Contains(ip) {
		b := ip.As16()
		if class := guardClass(netip.AddrFrom4([4]byte(b[12:]))); class != "" {
			return class + " behind NAT64"
		}
		return ""
	}
	for _, block := range guardBlocks {
		if block.prefix.Contains(ip) {
			return block.class
		}
	}
	if !ip.Is4() && !guardGlobal.Contains(ip) {
		return "a reserved address"
	}
	return ""
}
