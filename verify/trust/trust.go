// Package trust is about what operators handle so that X.509 signatures can be judged: sets of trusted roots, in the
// forms in which they are handed out, and certificate revocation lists.
//
// A set is stored as PEM (RFC 7468) whose explanatory text names each root, and before a root that is not trusted for
// everything, in lines that begin with "# limit:", for what it is. Other programs read such a file as plain PEM.
//
// Specifications: RFC 5280, RFC 2315, [MS-CAESO] and wincrypt.h for certificate trust lists and serialized stores.
package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Root is a trusted root certificate.
type Root struct {
	DER                 []byte
	Name                string // for people: common name, else organization
	SHA256              verify.Digest
	NotBefore, NotAfter time.Time
	Limit               verify.RootLimit // its Root is SHA256
}

// Set is roots for one purpose, ordered by name.
type Set struct{ Roots []Root }

// Embedded returns the built-in sets, and where they are from as a text of several lines.
func Embedded() (codeSigning, timestamping Set, origin string, err error) {
	signing, stamping, origin := core.Embedded()
	if codeSigning, err = ParseSet(signing); err == nil {
		timestamping, err = ParseSet(stamping)
	}
	return codeSigning, timestamping, origin, err
}

// NewRoot reads a certificate that is to be trusted. What could not be the end of any chain is an error.
func NewRoot(der []byte) (Root, error) {
	c, err := cms.ParseCertificate(der)
	if err != nil {
		return Root{}, err
	}
	r := Root{DER: der, Name: c.Subject.CommonName, SHA256: sha256.Sum256(der), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	if r.Name == "" {
		r.Name = c.Subject.Best()
	}
	r.Limit.Root = r.SHA256
	if _, err := c.PublicKey(); err != nil {
		return Root{}, fmt.Errorf("the key of %q cannot be used: %w", r.Name, err)
	}
	return r, nil
}

// Add puts roots into the set that are not in it yet.
func (s *Set) Add(roots ...Root) {
	for _, r := range roots {
		if !s.Has(r.SHA256) {
			s.Roots = append(s.Roots, r)
		}
	}
	slices.SortStableFunc(s.Roots, func(a, b Root) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.SHA256.String(), b.SHA256.String())
	})
}

// Has reports whether a root is in the set.
func (s *Set) Has(sum verify.Digest) bool {
	return slices.ContainsFunc(s.Roots, func(r Root) bool { return r.SHA256 == sum })
}

// Diff returns which roots a newer set has that s has not, which it lacks, and which it limits otherwise.
func (s *Set) Diff(newer Set) (added, removed, changed []Root) {
	old := map[verify.Digest]Root{}
	for _, r := range s.Roots {
		old[r.SHA256] = r
	}
	for _, r := range newer.Roots {
		o, ok := old[r.SHA256]
		if !ok {
			added = append(added, r)
		} else if !o.Limit.SignedBefore.Equal(r.Limit.SignedBefore) || !o.Limit.IssuedBefore.Equal(r.Limit.IssuedBefore) {
			changed = append(changed, r)
		}
		delete(old, r.SHA256)
	}
	for _, r := range s.Roots {
		if _, ok := old[r.SHA256]; ok {
			removed = append(removed, r)
		}
	}
	return added, removed, changed
}

// Trusted returns the set as verify.Trust wants it. The certificates of roots that crypto/x509 refuses have nothing but
// Raw: the oldest have serial numbers and keys that it does not take.
func (s *Set) Trusted() ([]*x509.Certificate, []verify.RootLimit) {
	certs := make([]*x509.Certificate, 0, len(s.Roots))
	var limits []verify.RootLimit
	for _, r := range s.Roots {
		c, err := x509.ParseCertificate(r.DER)
		if err != nil {
			c = &x509.Certificate{Raw: r.DER}
		}
		certs = append(certs, c)
		if !r.Limit.SignedBefore.IsZero() || !r.Limit.IssuedBefore.IsZero() {
			limits = append(limits, r.Limit)
		}
	}
	return certs, limits
}

// Shown returns the name fit for a terminal.
func (r Root) Shown() string { return printable.Text(r.Name, 100) }
