package mitm

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// leafLife is from notBefore to notAfter. A week leaves room for clocks that are days wrong, and is far below
	// every limit that clients set.
	leafLife = 7 * 24 * time.Hour
	// leafUse is how long after it was made a leaf is handed out; what then remains of leafLife is for clients whose
	// clock is ahead.
	leafUse = 3 * 24 * time.Hour
)

// leaves makes the leaves of one issuer and keeps the most recently used of them. Safe for concurrent use.
type leaves struct {
	issuer *issuer
	now    func() time.Time
	max    int

	sent           [][]byte       // what follows a leaf in a handshake
	roots, between *x509.CertPool // the issuer's chain as a client sees it: its top, and the rest

	// One key serves all hosts for as long as this value lives; it is never stored. A key for each host would protect
	// nothing more, since all of them would lie in the same memory.
	key   *ecdsa.PrivateKey
	keyID []byte

	flight singleflight.Group // keyed by host

	mu     sync.Mutex
	byHost map[string]*list.Element
	recent list.List // of *leaf, most recently used first
}

type leaf struct {
	host string
	cert *tls.Certificate
	from time.Time // handed out from here
	till time.Time // to here
}

func newLeaves(is *issuer, max int, now func() time.Time) (*leaves, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the leaf key: %w", err)
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, err
	}
	l := &leaves{issuer: is, now: now, max: max, key: key, keyID: id, byHost: make(map[string]*list.Element)}
	l.roots, l.between = x509.NewCertPool(), x509.NewCertPool()
	chain := append([]*x509.Certificate{is.cert}, is.chain...)
	for i, c := range chain {
		// A root is not sent: a client that does not have it does not believe it either.
		if !selfSigned(c) {
			l.sent = append(l.sent, c.Raw)
		}
		if i == len(chain)-1 {
			l.roots.AddCert(c)
		} else {
			l.between.AddCert(c)
		}
	}
	return l, nil
}

func (l *leaves) get(host string) (*tls.Certificate, error) {
	name, ip, err := parseHost(host)
	if err != nil {
		return nil, err
	}
	key := name
	if ip.IsValid() {
		key = ip.String()
	}
	if cert := l.cached(key); cert != nil {
		return cert, nil
	}
	v, err, _ := l.flight.Do(key, func() (any, error) {
		if cert := l.cached(key); cert != nil {
			return cert, nil
		}
		made, err := l.issue(name, ip)
		if err != nil {
			return nil, fmt.Errorf("making a certificate for %s: %w", key, err)
		}
		made.host = key
		l.keep(made)
		return made.cert, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*tls.Certificate), nil
}

func (l *leaves) cached(key string) *tls.Certificate {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byHost[key]
	if e == nil {
		return nil
	}
	have := e.Value.(*leaf)
	if now.Before(have.from) || !now.Before(have.till) {
		return nil
	}
	l.recent.MoveToFront(e)
	return have.cert
}

func (l *leaves) keep(made *leaf) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byHost[made.host]; e != nil {
		e.Value = made
		l.recent.MoveToFront(e)
		return
	}
	l.byHost[made.host] = l.recent.PushFront(made)
	for l.recent.Len() > l.max {
		oldest := l.recent.Back()
		l.recent.Remove(oldest)
		delete(l.byHost, oldest.Value.(*leaf).host)
	}
}

// issue makes one leaf. The host stands in the subject alternative name only (RFC 9525); the subject is empty, which
// makes that extension critical, and lets names be longer than the 64 characters of a common name.
func (l *leaves) issue(name string, ip netip.Addr) (*leaf, error) {
	now, ca := l.now(), l.issuer.cert
	if now.Before(ca.NotBefore) || !now.Before(ca.NotAfter) {
		return nil, &hinted{
			fmt.Errorf("the CA %s is valid from %s to %s only", subject(ca), ca.NotBefore.Format(time.RFC3339), ca.NotAfter.Format(time.RFC3339)),
			"check the clock of this machine; if it is right, `sallyport ca rotate` makes a new CA, which the clients then need",
		}
	}
	t := &x509.Certificate{
		SerialNumber:          newSerial(),
		NotBefore:             later(now.Add(-skew), ca.NotBefore).UTC().Truncate(time.Second),
		NotAfter:              earlier(now.Add(leafLife-skew), ca.NotAfter).UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		SubjectKeyId:          l.keyID,
	}
	host := name
	if ip.IsValid() {
		t.IPAddresses, host = []net.IP{ip.AsSlice()}, ip.String()
	} else {
		t.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, l.key.Public(), l.issuer.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading it back: %w", err)
	}
	// A client would say only that it does not trust us; we know why, name constraints of the CA first of all.
	if _, err := cert.Verify(x509.VerifyOptions{Roots: l.roots, Intermediates: l.between, CurrentTime: now, DNSName: host}); err != nil {
		return nil, fmt.Errorf("clients would refuse it: %w", err)
	}
	return &leaf{
		cert: &tls.Certificate{Certificate: append([][]byte{der}, l.sent...), PrivateKey: l.key, Leaf: cert},
		from: cert.NotBefore,
		till: earlier(now.Add(leafUse), now.Add(cert.NotAfter.Sub(now)/2)),
	}, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
