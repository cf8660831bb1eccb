package trust

import (
	"bytes"
	"crypto/sha1" // how trust lists name certificates
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Authroot is Microsoft's list of the roots that Windows trusts (authroot.stl), whose signature is right.
type Authroot struct {
	Signer string    // whose certificate signed it
	Made   time.Time // as it says
	list   *cms.TrustList
}

// ReadAuthroot reads a list and checks that whoever signed it leads to one of the roots and may sign such lists, as of at.
func ReadAuthroot(data []byte, roots Set, at time.Time) (*Authroot, error) {
	d, err := cms.ParseContentInfo(data)
	if err != nil {
		return nil, err
	}
	list, err := cms.ParseTrustList(d)
	if err != nil {
		return nil, err
	}
	if len(d.Signers) != 1 {
		return nil, errors.New("it has not exactly one signer")
	}
	leaf := cms.FindSigner(d.Signers[0], d.Certificates)
	if leaf == nil {
		return nil, errors.New("its signer's certificate is missing")
	}
	if err := d.Signers[0].Verify(leaf, d.ContentType, d.Content); err != nil {
		return nil, fmt.Errorf("its signature is wrong: %w", err)
	}
	certs, limits := roots.Trusted()
	by := map[[32]byte]cms.RootLimit{}
	for _, l := range limits {
		by[l.Root] = cms.RootLimit{SignedBefore: l.SignedBefore, IssuedBefore: l.IssuedBefore}
	}
	pool := cms.NewPool(d.Certificates, cms.NewRoots(certs).Limited(by), cms.NewChecks(256))
	if _, err := pool.Path(leaf, cms.OIDRootListSigner, at); err != nil {
		return nil, fmt.Errorf("nothing leads from its signer %q to a root that is in force: %w", leaf.Subject.Best(), err)
	}
	return &Authroot{Signer: leaf.Subject.Best(), Made: list.ThisUpdate, list: list}, nil
}

// Purpose is what a set of roots is for.
type Purpose int

// The purposes there are.
const (
	CodeSigning Purpose = iota
	Timestamping
)

func (p Purpose) usage() cms.OID {
	if p == Timestamping {
		return cms.OIDTimeStamping
	}
	return cms.OIDCodeSigning
}

// Select returns the roots of the list that are trusted for a purpose, with their limits, and the names or fingerprints of
// those whose certificates are not among certs.
func (a *Authroot) Select(certs [][]byte, p Purpose) (s Set, missing []string, err error) {
	by := map[[sha1.Size]byte][]byte{}
	for _, der := range certs {
		by[sha1.Sum(der)] = der
	}
	var roots []Root
	for _, t := range a.list.Subjects {
		limit, ok := t.Allows(p.usage())
		if !ok {
			continue
		}
		der, have := by[[sha1.Size]byte(t.SHA1)]
		sum := sha256.Sum256(der)
		if !have || t.SHA256 != nil && !bytes.Equal(sum[:], t.SHA256) {
			missing = append(missing, fmt.Sprintf("%s (SHA-1 %x)", t.FriendlyName, t.SHA1))
			continue
		}
		root, err := NewRoot(der)
		if err != nil {
			return Set{}, nil, err
		}
		root.Limit = verify.RootLimit{Root: root.SHA256, SignedBefore: limit.SignedBefore, IssuedBefore: limit.IssuedBefore}
		roots = append(roots, root)
	}
	s.Add(roots...)
	return s, missing, nil
}
