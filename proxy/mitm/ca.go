package mitm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// caLife is long because a CA is brought to every client by hand or by device management, and because the
	// limits that browsers set for validity hold for leaves, not for roots that an administrator has installed.
	caLife = 10 * 365 * 24 * time.Hour
	// skew is how far behind a client's clock may be.
	skew = 24 * time.Hour
)

// makeCA makes a key and its self-signed certificate.
func makeCA(constraints []string, now time.Time) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the CA key: %w", err)
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: newSerial(),
		// Every CA has a name of its own, so that clients that hold two of ours never take one for the other.
		Subject: pkix.Name{
			Organization: []string{"Sallyport"},
			CommonName:   "Sallyport interception CA " + hex.EncodeToString(id[:4]),
		},
		NotBefore:             now.Add(-skew).UTC().Truncate(time.Second),
		NotAfter:              now.Add(caLife).UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          id,
	}
	if err := constrain(t, constraints); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the CA certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back the CA certificate: %w", err)
	}
	return &issuer{cert: cert, key: key, own: true}, nil
}

// constrain confines a CA to names. A constraint on one kind of name leaves the other kinds free, so whichever of DNS
// names and addresses is not mentioned is excluded as a whole.
func constrain(t *x509.Certificate, names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if p, err := netip.ParsePrefix(name); err == nil {
			t.PermittedIPRanges = append(t.PermittedIPRanges, ipNet(p.Masked()))
			continue
		}
		host, ip, err := parseHost(strings.TrimPrefix(name, "*."))
		switch {
		case err != nil:
			return fmt.Errorf("name constraint: %w", err)
		case ip.IsValid():
			t.PermittedIPRanges = append(t.PermittedIPRanges, ipNet(netip.PrefixFrom(ip, ip.BitLen())))
		default:
			t.PermittedDNSDomains = append(t.PermittedDNSDomains, host)
		}
	}
	t.PermittedDNSDomainsCritical = true
	if len(t.PermittedDNSDomains) == 0 {
		t.ExcludedDNSDomains = []string{""}
	}
	if len(t.PermittedIPRanges) == 0 {
		t.ExcludedIPRanges = []*net.IPNet{
			ipNet(netip.MustParsePrefix("0.0.0.0/0")),
			ipNet(netip.MustParsePrefix("::/0")),
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// keyID names a public key by its SHA-256, cut to 160 bits (RFC 7093, method 1).
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("naming a public key: %w", err)
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil, fmt.Errorf("naming a public key: %w", err)
	}
	sum := sha256.Sum256(spki.Key.RightAlign())
	return sum[:20], nil
}

// newSerial returns 128 random bits, positive as RFC 5280 (4.1.2.2) asks. They are not counted or stored: two alike
// are not to be expected, and clients such as Firefox refuse a CA that uses a number twice.
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails: the program ends if the system has no randomness
	b[0] |= 0x40    // always of full length, never zero
	return new(big.Int).SetBytes(b[:])
}
