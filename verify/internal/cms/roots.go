package cms

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// Roots is a set of trusted root certificates. It does not change and may be used by several goroutines at once.
type Roots struct {
	bySubject map[string][]*Certificate
	raw       map[string]bool
	base      *Roots // whose roots are part of the set as well; may be nil
	limits    map[[sha256.Size]byte]RootLimit
}

// RootLimit is for what a root is not trusted although it is one, as Microsoft's list of roots has it. The zero value
// limits nothing.
type RootLimit struct {
	SignedBefore time.Time // trusted for what was signed before this time only; zero: for all
	IssuedBefore time.Time // trusted for signers' certificates that begin before this time only; zero: for all
}

// NewRoots makes a set. What crypto/x509 has parsed is parsed again here; what cannot be is left out.
func NewRoots(certs []*x509.Certificate) *Roots {
	r := &Roots{bySubject: map[string][]*Certificate{}, raw: map[string]bool{}}
	for _, c := range certs {
		if parsed, err := ParseCertificate(c.Raw); err == nil {
			r.add(parsed)
		}
	}
	return r
}

// ParseRoots makes a set of the CERTIFICATE blocks of PEM data (RFC 7468), and fails if one of them is malformed.
func ParseRoots(data []byte) (*Roots, error) {
	r := &Roots{bySubject: map[string][]*Certificate{}, raw: map[string]bool{}}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return r, nil
		}
		c, err := ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		r.add(c)
	}
}

func (r *Roots) add(c *Certificate) {
	if r.raw[string(c.Raw)] {
		return
	}
	r.raw[string(c.Raw)] = true
	r.bySubject[string(c.RawSubject)] = append(r.bySubject[string(c.RawSubject)], c)
}

// With returns a set of the roots in r and certs, which are read as by NewRoots.
func (r *Roots) With(certs []*x509.Certificate) *Roots {
	out := NewRoots(certs)
	out.base = r
	return out
}

// Limited returns the set with limits on some of its roots, by the SHA-256 of their certificates.
func (r *Roots) Limited(limits map[[sha256.Size]byte]RootLimit) *Roots {
	out := *r
	out.limits = limits
	return &out
}

// named returns the roots that have a subject, a whole DER element.
func (r *Roots) named(subject string) []*Certificate {
	own := r.bySubject[subject]
	if r.base == nil {
		return own
	}
	return append(append([]*Certificate(nil), r.base.named(subject)...), own...)
}

// limit returns why a path's root is not trusted for it, or nil.
func (r *Roots) limit(p Path, at time.Time) *PathError {
	l := r.limitOf(p.Root())
	name := p.Root().Subject.CommonName
	switch {
	case !l.SignedBefore.IsZero() && !at.Before(l.SignedBefore):
		return &PathError{Reason: OutOfTime, Detail: fmt.Sprintf("the root %q is trusted only for what was signed before %s", name, l.SignedBefore.UTC().Format(time.DateOnly))}
	case !l.IssuedBefore.IsZero() && !p.Leaf().NotBefore.Before(l.IssuedBefore):
		return &PathError{Reason: Unfit, Detail: fmt.Sprintf("the root %q is trusted only for certificates issued before %s", name, l.IssuedBefore.UTC().Format(time.DateOnly))}
	}
	return nil
}

func (r *Roots) limitOf(c *Certificate) RootLimit {
	if r.base != nil && r.base.Contains(c) {
		return r.base.limitOf(c)
	}
	if r.limits == nil {
		return RootLimit{}
	}
	return r.limits[sha256.Sum256(c.Raw)]
}

// Contains reports whether c is one of the roots, byte for byte.
func (r *Roots) Contains(c *Certificate) bool {
	return r.raw[string(c.Raw)] || r.base != nil && r.base.Contains(c)
}
