package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upstreamPKI is a root that a test's Upstream trusts.
type upstreamPKI struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func upstreamKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func upstreamRSA(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newUpstreamPKI(t *testing.T, key crypto.Signer) *upstreamPKI {
	p := &upstreamPKI{t: t, key: key}
	template := upstreamTemplate()
	template.Subject, template.DNSNames = pkix.Name{CommonName: "Root of the test"}, nil
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	p.cert = p.sign(template, template, key.Public())
	return p
}

func upstreamTemplate() *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	return &x509.Certificate{
		SerialNumber: serial, DNSNames: []string{"origin.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

func (p *upstreamPKI) sign(template, parent *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	p.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// leaf returns a certificate for origin.example, changed by change.
func (p *upstreamPKI) leaf(key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	p.t.Helper()
	template := upstreamTemplate()
	if change != nil {
		change(template)
	}
	return tls.Certificate{Certificate: [][]byte{p.sign(template, p.cert, key.Public()).Raw}, PrivateKey: key}
}

func (p *upstreamPKI) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.cert)
	return pool
}

// origin is a server that a test's Upstream knows as origin.example.
type upstreamOrigin struct {
	*httptest.Server
	addr string
}

func upstreamServe(t *testing.T, h http.HandlerFunc, cert *tls.Certificate, h2 bool) *upstreamOrigin {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if cert != nil {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
		s.EnableHTTP2 = h2
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return &upstreamOrigin{s, s.Listener.Addr().String()}
}

// upstreamRaw is an origin that answers every connection with what serve does.
func upstreamRaw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// upstreamTo returns an Upstream for which origin.example is at addr.
func upstreamTo(t *testing.T, addr string, o UpstreamOptions) *Upstream {
	t.Helper()
	if o.Resolve == nil {
		o.Resolve = map[string]string{}
	}
	if addr != "" {
		o.Resolve["origin.example"] = addr
	}
	if o.Resolver == nil {
		o.Resolver = &guardNames{}
	}
	u, err := NewUpstream(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.CloseIdle)
	return u
}

func upstreamGet(t *testing.T, u *Upstream, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return u.RoundTrip(req)
}

// upstreamWant demands an *UpstreamError with this kind and token, and these words in its detail.
func upstreamWant(t *testing.T, err error, kind, token string, words ...string) {
	t.Helper()
	up, ok := errors.AsType[*UpstreamError](err)
	if !ok {
		t.Errorf("%v (%T) is no *UpstreamError", err, err)
		return
	}
	if up.Kind != kind || up.ProxyError != token {
		t.Errorf("kind %q, %q; want %q, %q (%s; cause %v)", up.Kind, up.ProxyError, kind, token, up.Detail, up.Err)
	}
	for _, w := range words {
		if !strings.Contains(up.Detail, w) {
			t.Errorf("detail %q lacks %q", up.Detail, w)
		}
	}
}
