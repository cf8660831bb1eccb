package mitm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLeafProfile(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	ca := caOf(a)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for host, verify := range map[string]string{
		"downloads.vendor.example": "downloads.vendor.example",
		"UPPER.Example.":           "upper.example",
		"bücher.example":           "xn--bcher-kva.example",
		"under_score.example":      "under_score.example",
		"localhost":                "localhost",
		"192.0.2.7":                "192.0.2.7",
		"[2001:db8::1]":            "2001:db8::1",
		"::ffff:192.0.2.9":         "192.0.2.9",
		strings.Repeat("abcdefghi.", 20) + "example":         strings.Repeat("abcdefghi.", 20) + "example",
		strings.Repeat("a", 63) + "." + "long-label.example": strings.Repeat("a", 63) + ".long-label.example",
	} {
		leaf := leafOf(t, a, host)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: verify}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if leaf.Subject.String() != "" || len(leaf.DNSNames)+len(leaf.IPAddresses) != 1 {
			t.Errorf("%s: subject %q, names %v %v; want one SAN only", host, leaf.Subject, leaf.DNSNames, leaf.IPAddresses)
		}
		if len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Errorf("%s: EKU %v, KU %b", host, leaf.ExtKeyUsage, leaf.KeyUsage)
		}
		if leaf.IsCA || !leaf.BasicConstraintsValid || len(leaf.SubjectKeyId) != 20 || !bytes.Equal(leaf.AuthorityKeyId, ca.SubjectKeyId) {
			t.Errorf("%s: CA %v, SKI %x, AKI %x", host, leaf.IsCA, leaf.SubjectKeyId, leaf.AuthorityKeyId)
		}
		if pub, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || pub.Curve != elliptic.P256() || pub.Equal(ca.PublicKey) {
			t.Errorf("%s: leaf key %T", host, leaf.PublicKey)
		}
		if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 7*24*time.Hour || life < 72*time.Hour || leaf.NotBefore.Before(ca.NotBefore) {
			t.Errorf("%s: valid for %s from %s (CA from %s)", host, life, leaf.NotBefore, ca.NotBefore)
		}
		if n := leaf.SerialNumber.BitLen(); n < 127 || n > 128 {
			t.Errorf("%s: serial of %d bits", host, n)
		}
	}
}

func TestWhatIsNoHostGetsNoCertificate(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	for _, host := range []string{
		"", ".", "..", "a..b", "*", "*.example", "a b", "a\x00.example", "a\n.example", "-a.example", "a-.example", "a/b", "a:443", "host:443",
		"[::1", "fe80::1%eth0", "127.1", "2130706433", "0x7f.1", "1.2.3.4.5", "0x7f000001", strings.Repeat("a", 64) + ".example",
		strings.Repeat("abcdefgh.", 29), strings.Repeat("x", 5000), "\xff\xfe.example", "１２７.1",
	} {
		if c, err := a.Certificate(host); err == nil {
			t.Errorf("%q: a certificate for %v %v", host, c.Leaf.DNSNames, c.Leaf.IPAddresses)
		}
	}
}

func TestSerialsNeverRepeat(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	seen := make(map[string]bool)
	for range 2 { // two processes with one CA
		a := open(t, dir, Options{Now: c.now})
		for range 2 { // before and after renewal
			for i := range 50 {
				s := leafOf(t, a, fmt.Sprintf("h%d.example", i)).SerialNumber.String()
				if seen[s] {
					t.Fatalf("serial %s twice", s)
				}
				seen[s] = true
			}
			c.add(leafLife)
		}
	}
}

func TestConcurrentClientsShareOneLeaf(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	var wg sync.WaitGroup
	got := make([]*x509.Certificate, 64)
	for i := range got {
		wg.Go(func() {
			host := []string{"same.example", "SAME.example", "same.example."}[i%3]
			if c, err := a.Certificate(host); err != nil {
				t.Error(err)
			} else {
				got[i] = c.Leaf
			}
		})
	}
	wg.Wait()
	for _, c := range got {
		if c != got[0] {
			t.Fatal("more than one leaf was made")
		}
	}
}

func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	a := open(t, t.TempDir(), Options{CacheSize: 10})
	popular := leafOf(t, a, "popular.example")
	for i := range 100 {
		leafOf(t, a, fmt.Sprintf("h%d.example", i))
		if leafOf(t, a, "popular.example") != popular {
			t.Fatal("the most used leaf was evicted")
		}
	}
	l := a.current.Load().leaves
	if l.recent.Len() != 10 || len(l.byHost) != 10 {
		t.Errorf("%d, %d leaves kept, want 10", l.recent.Len(), len(l.byHost))
	}
}

func TestRenewalBeforeExpiry(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), Options{Now: c.now})
	first := leafOf(t, a, "a.example")
	c.add(leafUse - time.Minute)
	if leafOf(t, a, "a.example") != first {
		t.Error("renewed too early")
	}
	c.add(time.Minute)
	second := leafOf(t, a, "a.example")
	if second == first || !second.NotAfter.After(first.NotAfter) {
		t.Error("not renewed")
	}
	if left := first.NotAfter.Sub(c.now()); left < 48*time.Hour {
		t.Errorf("renewed only %s before expiry", left)
	}
}

func TestClockJumpsBack(t *testing.T) {
	c := newClock()
	c.add(30 * 24 * time.Hour)
	dir := t.TempDir()
	open(t, dir, Options{}) // the CA is of today
	a := open(t, dir, Options{Now: c.now})
	future := leafOf(t, a, "a.example")
	c.add(-20 * 24 * time.Hour)
	now := leafOf(t, a, "a.example")
	if now == future || now.NotBefore.After(c.now()) {
		t.Error("a leaf that is not valid yet was handed out")
	}
}

func TestLeafNeverOutlivesItsCA(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), Options{Now: c.now})
	ca := caOf(a)
	for _, left := range []time.Duration{48 * time.Hour, time.Hour, time.Minute} {
		c.add(ca.NotAfter.Sub(c.now()) - left)
		if leaf := leafOf(t, a, "a.example"); leaf.NotAfter.After(ca.NotAfter) || !leaf.NotAfter.After(c.now()) {
			t.Errorf("%s before the CA's end: leaf until %s, CA until %s", left, leaf.NotAfter, ca.NotAfter)
		}
	}
	c.add(time.Hour)
	if _, err := a.Certificate("a.example"); err == nil || !strings.Contains(hintOf(err), "ca rotate") {
		t.Errorf("expired CA: %v (%s)", err, hintOf(err))
	}
}

func TestNameConstraints(t *testing.T) {
	for name, test := range map[string]struct {
		constraints     []string
		permits, denies []string
	}{
		"domains":   {[]string{"*.3cx.com", "vendor.example"}, []string{"3cx.com", "a.3cx.com", "vendor.example", "b.c.vendor.example"}, []string{"evil3cx.com", "com", "other.example", "192.0.2.1", "2001:db8::1"}},
		"addresses": {[]string{"192.0.2.0/24", "2001:db8::5"}, []string{"192.0.2.1", "2001:db8::5"}, []string{"192.0.3.1", "2001:db8::6", "a.example"}},
		"both":      {[]string{"vendor.example", "192.0.2.0/24"}, []string{"vendor.example", "192.0.2.1"}, []string{"a.example", "198.51.100.1", "2001:db8::6"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, t.TempDir(), Options{NameConstraints: test.constraints})
			if !caOf(a).PermittedDNSDomainsCritical {
				t.Error("the extension is not critical")
			}
			if got := a.Info().NameConstraints; len(got) != len(test.constraints) {
				t.Errorf("Info shows %q", got)
			}
			for _, host := range test.permits {
				leafOf(t, a, host)
			}
			for _, host := range test.denies {
				if _, err := a.Certificate(host); err == nil {
					t.Errorf("a certificate for %s", host)
				}
				// That the CA declines is for its operator; what confines it is that clients would not believe it.
				if leaf := signAnyway(t, a, host); verifies(a, leaf, host) {
					t.Errorf("Go believes a leaf for %s", host)
				}
			}
		})
	}
	if _, err := Open(t.TempDir(), Options{NameConstraints: []string{"a.*.example"}}); err == nil {
		t.Error("a constraint with a wildcard inside was taken")
	}
}

func verifies(a *Authority, leaf *x509.Certificate, host string) bool {
	roots := x509.NewCertPool()
	roots.AddCert(caOf(a))
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host})
	return err == nil
}

// signAnyway makes a leaf as a thief of the key would, without asking the Authority.
func signAnyway(t *testing.T, a *Authority, host string) *x509.Certificate {
	t.Helper()
	l := a.current.Load().leaves
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(nil, template, caOf(a), l.key.Public(), l.issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// Whatever a client sends as SNI, what comes out is a name or an address that the certificate states exactly.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"a.example", "[::1]", "bücher.example", "127.1", "a..b", "*.x", "xn--a", "[fe80::1%25x]", "A_b.c.", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ip, err := parseHost(s)
		if err != nil {
			return
		}
		if ip.IsValid() == (name != "") {
			t.Fatalf("%q: name %q and address %v", s, name, ip)
		}
		if name == "" {
			name = ip.String()
		}
		again, ip2, err := parseHost(name)
		if err != nil || again != name && ip2.String() != name {
			t.Fatalf("%q gives %q, which gives %q, %v, %v", s, name, again, ip2, err)
		}
		if strings.ContainsAny(name, "* \x00/\\") || len(name) > 253 {
			t.Fatalf("%q gives %q", s, name)
		}
	})
}
