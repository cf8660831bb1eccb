package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func upstreamHello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }

func TestUpstreamBadCertificatesAreNamed(t *testing.T) {
	key := upstreamKey(t)
	pki := newUpstreamPKI(t, upstreamRSA(t, 2048))
	stranger := newUpstreamPKI(t, upstreamKey(t))
	self := func() tls.Certificate {
		p := &upstreamPKI{t: t, key: key}
		template := upstreamTemplate()
		template.Subject = pkix.Name{CommonName: "origin.example"}
		return tls.Certificate{Certificate: [][]byte{p.sign(template, template, key.Public()).Raw}, PrivateKey: key}
	}
	weakCA := func() tls.Certificate { // a strong leaf under an intermediate with a weak key
		caKey := upstreamRSA(t, 1024)
		template := upstreamTemplate()
		template.Subject, template.IsCA, template.BasicConstraintsValid, template.KeyUsage, template.DNSNames = pkix.Name{CommonName: "Weak CA"}, true, true, x509.KeyUsageCertSign, nil
		between := pki.sign(template, pki.cert, caKey.Public())
		leaf := (&upstreamPKI{t: t, key: caKey}).sign(upstreamTemplate(), between, key.Public())
		return tls.Certificate{Certificate: [][]byte{leaf.Raw, between.Raw}, PrivateKey: key}
	}
	with := func(key crypto.Signer, change func(*x509.Certificate)) func() tls.Certificate {
		return func() tls.Certificate { return pki.leaf(key, change) }
	}
	for name, test := range map[string]struct {
		cert func() tls.Certificate
		want []string
	}{
		"expired": {with(key, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2021, 1, 2, 3, 4, 5, 0, time.UTC)
		}), []string{"origin.example", "2020-01-02 03:04:05", "2021-01-02 03:04:05"}},
		"not yet valid": {with(key, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }), []string{"valid from"}},
		"wrong host": {with(key, func(c *x509.Certificate) {
			c.DNSNames = []string{"a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g\x1b.example"}
		}), []string{"a.example, b.example", "2 more", "not for origin.example"}},
		"name in CN only":   {with(key, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "origin.example", nil }), []string{"no host at all"}},
		"self-signed":       {self, []string{"self-signed"}},
		"unknown issuer":    {func() tls.Certificate { return stranger.leaf(key, nil) }, []string{"does not trust", "Root of the test"}},
		"RSA 1024":          {with(upstreamRSA(t, 1024), nil), []string{"RSA key of 1024 bits"}},
		"weak intermediate": {weakCA, []string{"Weak CA", "1024 bits"}},
		"SHA-1":             {with(key, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }), []string{"SHA1-RSA", "forged"}},
		"for clients only":  {with(key, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), []string{"cannot be used"}},
	} {
		t.Run(name, func(t *testing.T) {
			cert := test.cert()
			asked := false
			origin := upstreamServe(t, func(http.ResponseWriter, *http.Request) { asked = true }, &cert, false)
			u := upstreamTo(t, origin.addr, UpstreamOptions{Roots: pki.pool()})
			for range 2 { // the second time with whatever a session cache remembers
				resp, err := upstreamGet(t, u, "https://origin.example/")
				if err == nil {
					resp.Body.Close()
					t.Fatal("accepted")
				}
				upstreamWant(t, err, upstreamCertificate, "tls_certificate_error", test.want...)
			}
			if asked {
				t.Error("a request was sent")
			}
		})
	}
}

func TestUpstreamGoodCertificates(t *testing.T) {
	key := upstreamKey(t)
	pki := newUpstreamPKI(t, upstreamRSA(t, 2048))
	for name, cert := range map[string]tls.Certificate{
		"ECDSA":    pki.leaf(key, nil),
		"RSA":      pki.leaf(upstreamRSA(t, 2048), nil),
		"wildcard": pki.leaf(key, func(c *x509.Certificate) { c.DNSNames = []string{"*.example"} }),
	} {
		t.Run(name, func(t *testing.T) {
			u := upstreamTo(t, upstreamServe(t, upstreamHello, &cert, false).addr, UpstreamOptions{Roots: pki.pool()})
			for range 2 {
				resp, err := upstreamGet(t, u, "https://origin.example/")
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
					t.Errorf("%q, %v", b, err)
				}
				resp.Body.Close()
				u.CloseIdle()
			}
		})
	}
}

func TestUpstreamWeaknesses(t *testing.T) {
	key := upstreamKey(t)
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if upstreamWeak([]*x509.Certificate{{PublicKey: small.Public()}}) == nil {
		t.Error("P-224 passes")
	}
	strong := &x509.Certificate{PublicKey: key.Public(), SignatureAlgorithm: x509.ECDSAWithSHA256}
	oldRoot := &x509.Certificate{PublicKey: key.Public(), SignatureAlgorithm: x509.SHA1WithRSA}
	for _, alg := range []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1} {
		if upstreamWeak([]*x509.Certificate{{PublicKey: key.Public(), SignatureAlgorithm: alg}, strong}) == nil {
			t.Errorf("%s passes", alg)
		}
	}
	if err := upstreamWeak([]*x509.Certificate{strong, oldRoot}); err != nil {
		t.Errorf("a root's own signature means nothing, and yet: %v", err)
	}
	weak := []*x509.Certificate{{PublicKey: upstreamRSA(t, 1024).Public()}, strong}
	if err := upstreamStrong(tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{weak, {strong}}}); err != nil {
		t.Errorf("one strong chain is enough: %v", err)
	}
	if upstreamStrong(tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{weak}}) == nil || upstreamStrong(tls.ConnectionState{}) == nil {
		t.Error("a weak chain, or none, passes")
	}
}

func TestUpstreamOldTLSIsRefused(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	cert := pki.leaf(upstreamKey(t), nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		origin := upstreamServe(t, upstreamHello, &cert, false)
		origin.TLS.MinVersion, origin.TLS.MaxVersion = version, version
		_, err := upstreamGet(t, upstreamTo(t, origin.addr, UpstreamOptions{Roots: pki.pool()}), "https://origin.example/")
		upstreamWant(t, err, upstreamTLS, "tls_alert_received", "version")
	}
}

func TestUpstreamPlainServerOnATLSPort(t *testing.T) {
	origin := upstreamServe(t, upstreamHello, nil, false)
	_, err := upstreamGet(t, upstreamTo(t, origin.addr, UpstreamOptions{}), "https://origin.example/")
	upstreamWant(t, err, upstreamTLS, "tls_protocol_error")
}

func TestUpstreamRootsFromFiles(t *testing.T) {
	pki := newUpstreamPKI(t, upstreamKey(t))
	cert := pki.leaf(upstreamKey(t), nil)
	file := filepath.Join(t.TempDir(), "corporate.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pki.cert.Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	roots, err := UpstreamRoots([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := upstreamGet(t, upstreamTo(t, upstreamServe(t, upstreamHello, &cert, false).addr, UpstreamOptions{Roots: roots}), "https://origin.example/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := os.WriteFile(file, []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := UpstreamRoots([]string{file}); err == nil {
		t.Error("a file without certificates was taken")
	}
	if _, err := UpstreamRoots([]string{file + "x"}); err == nil {
		t.Error("a file that is not there was taken")
	}
}
