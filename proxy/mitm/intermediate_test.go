package mitm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pki is a company's own PKI: a root and an intermediate for us.
type pki struct {
	rootKey, caKey crypto.Signer
	root, ca       *x509.Certificate
}

func rsaKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newPKI(t *testing.T, caKey crypto.Signer, change func(*x509.Certificate)) *pki {
	t.Helper()
	p := &pki{rootKey: ecKey(t, elliptic.P384()), caKey: caKey}
	root := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "Example Corp Root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	p.root = sign(t, root, root, p.rootKey.Public(), p.rootKey)
	ca := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "Example Corp Proxy CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(500 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(ca)
	}
	p.ca = sign(t, ca, p.root, caKey.Public(), p.rootKey)
	return p
}

func sign(t *testing.T, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// files writes certificates and a key as an administrator would and returns their paths.
func files(t *testing.T, key crypto.Signer, mode fs.FileMode, certs ...*x509.Certificate) Options {
	t.Helper()
	dir := t.TempDir()
	o := Options{Cert: filepath.Join(dir, "chain.pem"), Key: filepath.Join(dir, "key.pem")}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, o.Cert, encodeCerts(certs...), 0o644)
	writeFile(t, o.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), mode)
	return o
}

func writeFile(t *testing.T, path string, data []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestIntermediateOfTheUsersPKI(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey(t, 2048), "ECDSA": ecKey(t, elliptic.P384())} {
		t.Run(name, func(t *testing.T) {
			p := newPKI(t, key, nil)
			state := filepath.Join(t.TempDir(), "ca")
			a := open(t, state, files(t, key, 0o640, p.ca, p.root))
			cert, err := a.Certificate("a.example")
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.Certificate) != 2 || string(cert.Certificate[1]) != string(p.ca.Raw) {
				t.Fatalf("the handshake sends %d certificates, want the leaf and the intermediate", len(cert.Certificate))
			}
			roots, between := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(p.root)
			between.AddCert(p.ca)
			if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: "a.example"}); err != nil {
				t.Error(err)
			}
			if exported, _ := parseCerts(a.PEM()); len(exported) != 2 || !exported[1].Equal(p.root) {
				t.Errorf("%d certificates exported, want the chain as it was given", len(exported))
			}
			if info := a.Info(); info.Own || info.Key != name {
				t.Errorf("Info: %+v", info)
			}
			if _, err := os.Stat(state); err == nil {
				t.Error("a CA of our own was made as well")
			}
		})
	}
}

func TestUnfitIntermediatesAreRefused(t *testing.T) {
	good := ecKey(t, elliptic.P256())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak := rsaKey(t, 1024)
	fit := newPKI(t, good, nil)
	with := func(key crypto.Signer, change func(*x509.Certificate)) func(*testing.T) Options {
		return func(t *testing.T) Options { return files(t, key, 0o600, newPKI(t, key, change).ca) }
	}
	for name, test := range map[string]struct {
		files func(*testing.T) Options
		want  string
	}{
		"not a CA":        {with(good, func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }), "not a CA"},
		"may not sign":    {with(good, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), "may not sign"},
		"for e-mail only": {with(good, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }), "servers"},
		"expired":         {with(good, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "valid from"},
		"not yet valid":   {with(good, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), "valid from"},
		"weak RSA":        {with(weak, nil), "1024 bits"},
		"P-224":           {with(ecKey(t, elliptic.P224()), nil), "P-224"},
		"Ed25519":         {with(ed, nil), "RSA and ECDSA"},
		"another key":     {func(t *testing.T) Options { return files(t, ecKey(t, elliptic.P256()), 0o600, fit.ca) }, "does not belong"},
		"wrong order":     {func(t *testing.T) Options { return files(t, fit.rootKey, 0o600, fit.root, fit.ca) }, "not signed by"},
		"open key":        {func(t *testing.T) Options { return files(t, good, 0o644, fit.ca) }, "open to others"},
		"writable key":    {func(t *testing.T) Options { return files(t, good, 0o660, fit.ca) }, "open to others"},
		"cert only":       {func(t *testing.T) Options { return Options{Cert: files(t, good, 0o600, fit.ca).Cert} }, "both"},
		"no such file":    {func(t *testing.T) Options { return Options{Cert: "none.pem", Key: "none.pem"} }, "none.pem"},
		"encrypted key": {func(t *testing.T) Options {
			o := files(t, good, 0o600, fit.ca)
			writeFile(t, o.Key, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{0x30, 0}}), 0o600)
			return o
		}, "encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ca")
			_, err := Open(dir, test.files(t))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a CA of our own was made instead")
			}
		})
	}
}

func TestConstraintsOfAnIntermediateAreKnownBeforeClientsRefuse(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	p := newPKI(t, key, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"vendor.example"}, true
	})
	a := open(t, t.TempDir(), files(t, key, 0o600, p.ca, p.root))
	leafOf(t, a, "www.vendor.example")
	if _, err := a.Certificate("other.example"); err == nil || !strings.Contains(err.Error(), "other.example") {
		t.Errorf("got %v", err)
	}
}

func TestForeignCAIsNotMadeOrRotatedHere(t *testing.T) {
	o := Options{Cert: "a.pem", Key: "b.pem"}
	for name, f := range map[string]func(string, Options) (*Authority, error){"Init": Init, "Rotate": Rotate} {
		if _, err := f(t.TempDir(), o); err == nil || hintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
