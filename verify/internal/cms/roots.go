package cms

import (
	"crypto/x509"
	"encoding/pem"
)

// Roots is a set of trusted root certificates. It does not change and may be used by several goroutines at once.
type Roots struct {
	bySubject map[string][]*Certificate
	raw       map[string]bool
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

// Len returns how many roots there are.
func (r *Roots) Len() int { return len(r.raw) }

// Contains reports whether c is one of the roots, byte for byte.
func (r *Roots) Contains(c *Certificate) bool { return r.raw[string(c.Raw)] }
