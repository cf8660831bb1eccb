// Package mitm is the interception CA and the certificates it makes for hosts. It knows no policy: whoever asks for
// a host's certificate gets one.
//
// An Authority is a certificate authority with its private key: our own, made on first use, or an intermediate that
// the user's PKI has issued. A leaf is the short-lived certificate of one host under it. The vocabulary and the
// extensions are those of RFC 5280; clients that insist on the CA/Browser Forum's profile accept the leaves too.
//
// Private keys come from the system's random number generator only. They are never derived from host names, times or
// from each other, so that nobody who sees certificates can work out a key, and there is no way to give a generator.
package mitm

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// Options of Open, Init and Rotate.
type Options struct {
	// Cert and Key are PEM files of an intermediate CA that the user's own PKI has issued: the CA's certificate first,
	// then those above it, if any. Both are empty for an authority of our own in the state directory.
	Cert, Key string
	// NameConstraints are the DNS domains, subdomains included, and the IP addresses or CIDR prefixes to which a CA of
	// our own is confined when it is made (RFC 5280, 4.2.1.10). None means that it may speak for every host. "*.a.b" is
	// taken as "a.b". It changes nothing about a CA that exists.
	NameConstraints []string
	// CacheSize bounds the number of leaves that are kept; 0 means 4096.
	CacheSize int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Authority issues leaves. It is safe for concurrent use.
type Authority struct {
	dir string
	o   Options

	reload  sync.Mutex // held while current is replaced
	current atomic.Pointer[generation]
}

// generation is everything that changes together when another CA takes over.
type generation struct {
	issuer   *issuer
	leaves   *leaves
	previous []*x509.Certificate // of our own CAs before this one, newest first
}

// issuer is a CA with its key. It is not changed after it was made.
type issuer struct {
	cert  *x509.Certificate
	chain []*x509.Certificate // above cert, towards the root; empty for a CA of our own
	key   crypto.Signer
	path  string
	own   bool
}

// Open loads the authority in dir, making the directory and the CA where there is none, or the intermediate that
// o.Cert and o.Key name. Processes that open one new directory at the same time get the same CA.
func Open(dir string, o Options) (*Authority, error) {
	a := newAuthority(dir, o)
	if err := a.Reload(); !errors.Is(err, fs.ErrNotExist) || !a.isOwn() {
		return a.orError(err)
	}
	if err := a.create(); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return a.orError(a.Reload())
}

// Init makes a CA in dir, which must not hold one: else the error is fs.ErrExist.
func Init(dir string, o Options) (*Authority, error) {
	a := newAuthority(dir, o)
	if !a.isOwn() {
		return nil, errForeign("made")
	}
	if err := a.create(); err != nil {
		return nil, err
	}
	return a.orError(a.Reload())
}

// Rotate puts a new CA with a new key in the place of the one in dir. The old key is gone for good; the old
// certificate is kept as ca-previous-*.pem. An Authority that is open elsewhere goes on with the old CA until its
// Reload.
func Rotate(dir string, o Options) (*Authority, error) {
	a := newAuthority(dir, o)
	if !a.isOwn() {
		return nil, errForeign("rotated")
	}
	if err := a.replace(); err != nil {
		return nil, err
	}
	return a.orError(a.Reload())
}

// Reload takes up the CA that the files hold now. If that fails the CA in use stays in use.
func (a *Authority) Reload() error {
	a.reload.Lock()
	defer a.reload.Unlock()
	var (
		is       *issuer
		previous []*x509.Certificate
		err      error
	)
	if a.isOwn() {
		if is, err = loadOwn(a.dir); err == nil {
			previous, err = loadPrevious(a.dir, is.cert)
		}
	} else {
		is, err = loadIntermediate(a.o.Cert, a.o.Key, a.o.Now())
	}
	if err != nil {
		return err
	}
	leaves, err := newLeaves(is, a.o.CacheSize, a.o.Now)
	if err != nil {
		return err
	}
	a.current.Store(&generation{issuer: is, leaves: leaves, previous: previous})
	return nil
}

// Certificate returns a certificate for host, a DNS name in any case (Unicode or A-labels, with or without a trailing
// dot) or an IP address, with the chain that a client needs to reach the CA it was given. It is valid now and for
// some days, and is made anew before it ends. A host for which the CA may not speak, or which is none, is an error.
func (a *Authority) Certificate(host string) (*tls.Certificate, error) {
	return a.current.Load().leaves.get(host)
}

func newAuthority(dir string, o Options) *Authority {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 4096
	}
	return &Authority{dir: dir, o: o}
}

func (a *Authority) isOwn() bool { return a.o.Cert == "" && a.o.Key == "" }

func (a *Authority) orError(err error) (*Authority, error) {
	if err != nil {
		return nil, err
	}
	return a, nil
}

// hinted is an error with a line of advice for the operator.
type hinted struct {
	error
	hint string
}

// Hint says what the operator can do about the error.
func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

func errForeign(what string) error {
	return &hinted{
		fmt.Errorf("the CA cannot be %s here: the configuration names one of your own PKI", what),
		"issue another intermediate in your PKI and name it in ca.cert and ca.key, or empty both for a CA of Sallyport's own",
	}
}
