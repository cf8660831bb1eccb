package cms

import (
	"crypto"
	"fmt"
	"time"
)

// Limits of the search for a path. A signer with more than a handful of cross-certificates is not honest.
const (
	maxPathLen = 8 // certificates, the root included
	maxSteps   = 4096
)

// Path is a chain of certificates, the signer's first and a trusted root last, whose names and signatures fit.
type Path []*Certificate

// Leaf returns the signer's certificate.
func (p Path) Leaf() *Certificate { return p[0] }

// Root returns the trusted root.
func (p Path) Root() *Certificate { return p[len(p)-1] }

// WeakestHash returns the weakest hash function that a signature in the path relies on. The root's own is not one of
// them: a root is trusted for being listed.
func (p Path) WeakestHash() crypto.Hash {
	weakest := crypto.SHA512
	for _, c := range p[:len(p)-1] {
		weakest = Weaker(weakest, c.SignatureHash())
	}
	return weakest
}

// Weaker returns the one of two hash functions on which less depends being found broken.
func Weaker(a, b crypto.Hash) crypto.Hash {
	rank := map[crypto.Hash]int{crypto.MD5: 1, crypto.SHA1: 2, crypto.SHA256: 3, crypto.SHA384: 4, crypto.SHA512: 5}
	if rank[b] < rank[a] {
		return b
	}
	return a
}

// PathReason says why there is no path that will do.
type PathReason uint8

const (
	NoRoot     PathReason = iota // no chain ends in a trusted root
	Unfit                        // one does, but a certificate in it may not be there
	WrongUsage                   // one does, but not for this usage
	OutOfTime                    // one does, but was not or is no longer valid
)

// PathError is returned where no path will do.
type PathError struct {
	Reason PathReason
	Path   Path   // the chain that came closest; nil for NoRoot
	Detail string // what is wrong, without a full stop
}

func (e *PathError) Error() string { return e.Detail }

// Checks remembers which certificates were signed by which, and bounds how many such signatures are computed for one
// file, whose pools share it; those that another file had as well count too, so that the bound does not depend on what
// came before. It is for one goroutine.
type Checks struct {
	known     map[[2]*Certificate]bool
	left      int
	exhausted bool
}

// NewChecks allows n signatures to be computed. One takes two milliseconds at the worst.
func NewChecks(n int) *Checks { return &Checks{known: map[[2]*Certificate]bool{}, left: n} }

// Exhausted reports whether a signature was not computed because of the bound; it was taken for one that does not fit.
func (k *Checks) Exhausted() bool { return k.exhausted }

// signed reports whether issuer signed c.
func (k *Checks) signed(c, issuer *Certificate) bool {
	key := [2]*Certificate{c, issuer}
	ok, known := k.known[key]
	switch {
	case known:
	case string(c.RawIssuer) != string(issuer.RawSubject):
		k.known[key] = false
	case k.left == 0:
		k.exhausted = true
	default:
		k.left--
		ok = signed(c, issuer)
		k.known[key] = ok
	}
	return ok
}

// Pool is the certificates that came with a signature, and the roots in which their chains may end. It remembers
// what it found out, so it is for one goroutine.
type Pool struct {
	certs  []*Certificate
	roots  *Roots
	checks *Checks
	named  map[*Certificate][]*Certificate // see issuers
}

// NewPool makes a Pool.
func NewPool(certs []*Certificate, roots *Roots, checks *Checks) *Pool {
	return &Pool{certs: certs, roots: roots, checks: checks, named: map[*Certificate][]*Certificate{}}
}

// Path finds a chain from leaf to a root that is fit for a usage at a time (RFC 5280 section 6, without policies and
// revocation, and with the extended key usages of every certificate restricting those below, as Windows does it).
func (p *Pool) Path(leaf *Certificate, usage OID, at time.Time) (Path, error) {
	var found Path
	err := p.Paths(leaf, usage, at, func(path Path) bool {
		found = path
		return true
	})
	if found != nil {
		return found, nil
	}
	return nil, err
}

// Paths shows every chain that Path may return to visit, until that returns true: a certificate may have been issued by
// several authorities (cross-signed). The error is that of Path, nil if there was a chain.
func (p *Pool) Paths(leaf *Certificate, usage OID, at time.Time, visit func(Path) bool) error {
	best := &PathError{Reason: NoRoot, Detail: "its certificate does not lead to a trusted root"}
	found := false
	p.walk(leaf, func(path Path) bool {
		err := path.check(usage, at)
		if err == nil {
			err = p.roots.limit(path, at)
		}
		if err == nil {
			found = true
			return visit(append(Path{}, path...))
		}
		if best.Path == nil || err.Reason > best.Reason {
			best = err
			best.Path = append(Path{}, path...)
		}
		return false
	})
	if found {
		return nil
	}
	return best
}

// walk shows every chain from leaf to a root to visit until that returns true.
func (p *Pool) walk(leaf *Certificate, visit func(Path) bool) {
	steps := 0
	var climb func(Path) bool
	climb = func(path Path) bool {
		if steps++; steps > maxSteps {
			return true
		}
		last := path[len(path)-1]
		if p.roots.Contains(last) && visit(path) {
			return true
		}
		if len(path) == maxPathLen {
			return false
		}
		for _, issuer := range p.issuers(last) {
			if path.has(issuer) || !p.checks.signed(last, issuer) {
				continue
			}
			if climb(append(path, issuer)) {
				return true
			}
		}
		return false
	}
	climb(append(make(Path, 0, maxPathLen), leaf))
}

func (p Path) has(c *Certificate) bool {
	for _, o := range p {
		if o.Equal(c) {
			return true
		}
	}
	return false
}

// issuers returns whoever has the right name, roots first, those with another key identifier last.
func (p *Pool) issuers(c *Certificate) []*Certificate {
	if list, ok := p.named[c]; ok {
		return list
	}
	var likely, others []*Certificate
	sort := func(issuer *Certificate) {
		if keyIDsDiffer(c, issuer) {
			others = append(others, issuer)
		} else {
			likely = append(likely, issuer)
		}
	}
	for _, root := range p.roots.named(string(c.RawIssuer)) {
		sort(root)
	}
	for _, issuer := range p.certs {
		if string(issuer.RawSubject) == string(c.RawIssuer) && !p.roots.Contains(issuer) {
			sort(issuer)
		}
	}
	p.named[c] = append(likely, others...)
	return p.named[c]
}

// Vouched returns those of the pool's certificates that lead to a trusted root by names and signatures, whatever
// their time and usage: nobody but their issuers can have put anything into them.
func (p *Pool) Vouched() map[*Certificate]bool {
	out := map[*Certificate]bool{}
	for grown := true; grown; {
		grown = false
		for _, c := range p.certs {
			if out[c] || !p.vouchedBy(c, out) {
				continue
			}
			out[c], grown = true, true
		}
	}
	return out
}

// Above returns those of the pool's certificates that lie above c by names and signatures, and c itself.
func (p *Pool) Above(c *Certificate) map[*Certificate]bool {
	out := map[*Certificate]bool{c: true}
	for next := []*Certificate{c}; len(next) > 0; next = next[1:] {
		for _, issuer := range p.certs {
			if !out[issuer] && p.checks.signed(next[0], issuer) {
				out[issuer] = true
				next = append(next, issuer)
			}
		}
	}
	return out
}

// Forged reports whether c names an issuer who is known, by a root or a certificate of the pool with that name and key
// identifier, and none of those who are signed it. Where no such issuer's key can be used, nothing is known.
func (p *Pool) Forged(c *Certificate) bool {
	known := false
	for _, issuer := range p.issuers(c) {
		if p.checks.signed(c, issuer) {
			return false
		}
		_, err := issuer.PublicKey()
		known = known || err == nil && !keyIDsDiffer(c, issuer)
	}
	return known && c.SignatureHash() != 0
}

func (p *Pool) vouchedBy(c *Certificate, already map[*Certificate]bool) bool {
	if p.roots.Contains(c) {
		return true
	}
	for _, issuer := range p.issuers(c) {
		if (already[issuer] || p.roots.Contains(issuer)) && p.checks.signed(c, issuer) {
			return true
		}
	}
	return false
}

// check judges a chain whose names and signatures fit.
func (p Path) check(usage OID, at time.Time) *PathError {
	below := 0 // intermediates below the certificate in question that are not self-issued
	for i, c := range p {
		if why := p.unfit(i, c, below); why != "" {
			return &PathError{Reason: Unfit, Detail: fmt.Sprintf("the certificate of %q in its chain is not fit for it: %s", c.Subject.CommonName, why)}
		}
		if i > 0 && !c.SelfIssued() {
			below++
		}
	}
	for i, c := range p {
		if i == 0 && !c.Allows(usage) || i > 0 && !c.passes(usage) {
			return &PathError{Reason: WrongUsage, Detail: fmt.Sprintf("the certificate of %q does not allow this use", c.Subject.CommonName)}
		}
	}
	for _, c := range p {
		if !c.validAt(at) {
			return &PathError{Reason: OutOfTime, Detail: fmt.Sprintf("the certificate of %q is valid from %s to %s only",
				c.Subject.CommonName, c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))}
		}
	}
	return nil
}

// unfit returns why the i-th certificate may not stand where it does, or "".
func (p Path) unfit(i int, c *Certificate, below int) string {
	isRoot := i == len(p)-1
	if _, err := c.PublicKey(); err != nil {
		return err.Error()
	}
	if c.defect != "" && !isRoot {
		return c.defect
	}
	if h := c.SignatureHash(); !isRoot && (h == 0 || h == crypto.MD5) {
		return "it is signed with " + HashName(c.SignatureHash())
	}
	if i == 0 {
		if !c.may(usageDigitalSignature, usageContentCommitment) {
			return "its key may not sign data"
		}
		return ""
	}
	if c.pathLen >= 0 && below > c.pathLen {
		return "more certificates follow it than it allows"
	}
	if !isRoot && (!c.isCA || !c.may(usageCertSign)) {
		return "it is no certificate authority"
	}
	if c.constraints != nil {
		for _, under := range p[:i] {
			if !c.constraints.allow(under) {
				return "it may not vouch for the names below it"
			}
		}
	}
	return ""
}
