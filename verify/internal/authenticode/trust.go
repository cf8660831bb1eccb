package authenticode

import (
	"crypto/x509"
	_ "embed"
	"fmt"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// The lists of roots that are built in; roots/SOURCES says where they come from.
var (
	//go:embed roots/codesigning.pem
	codeSigningPEM []byte
	//go:embed roots/timestamping.pem
	timestampingPEM []byte
	//go:embed roots/SOURCES
	sources string
)

// Embedded returns the built-in lists of roots for code signing and for timestamping as PEM, and where they are from.
func Embedded() (codeSigning, timestamping []byte, origin string) {
	return codeSigningPEM, timestampingPEM, sources
}

// trust is whom to believe about what.
type trust struct {
	signing, timestamping *cms.Roots
	// general are those of the signing roots that vouch under every anchor; the others do so under their own only.
	general *cms.Roots
	// anchored are the roots that anchors bring, general or not.
	anchored   *cms.Roots
	revocation verify.Revocation
}

// embedded parses the built-in lists once. A list that does not parse is a broken build.
var embedded = sync.OnceValue(func() trust {
	signing, err := cms.ParseRoots(codeSigningPEM)
	if err != nil {
		panic(fmt.Sprintf("authenticode: embedded code-signing roots: %v", err))
	}
	timestamping, err := cms.ParseRoots(timestampingPEM)
	if err != nil {
		panic(fmt.Sprintf("authenticode: embedded timestamping roots: %v", err))
	}
	return trust{general: signing, timestamping: timestamping}
})

// with returns t with what the operator replaces in it. An empty list that is not nil trusts nobody.
func (t trust) with(o verify.Trust) trust {
	if o.CodeSigning != nil || t.general == nil {
		t.general = parsedRoots.of(o.CodeSigning)
	}
	if o.Timestamping != nil || t.timestamping == nil {
		t.timestamping = parsedRoots.of(o.Timestamping)
	}
	t.general = limited(t.general, o.CodeSigningLimits)
	t.timestamping = limited(t.timestamping, o.TimestampingLimits)
	t.signing = t.general
	if len(o.Publishers) > 0 {
		var all []*x509.Certificate
		for _, p := range o.Publishers {
			all = append(all, p.Roots...)
		}
		t.anchored = cms.NewRoots(all)
		t.signing = t.general.With(all)
	}
	t.revocation = o.Revocation
	return t
}

// limited adds limits to a set of roots.
func limited(r *cms.Roots, limits []verify.RootLimit) *cms.Roots {
	if len(limits) == 0 {
		return r
	}
	by := map[[32]byte]cms.RootLimit{}
	for _, l := range limits {
		by[l.Root] = cms.RootLimit{SignedBefore: l.SignedBefore, IssuedBefore: l.IssuedBefore}
	}
	return r.Limited(by)
}

// rootsCache keeps what was parsed of lists of roots: an operator's list is the same for every file.
type rootsCache struct {
	mu sync.Mutex
	by map[listKey]*cms.Roots
}

// listKey is a list by identity. The entry keeps the list's first certificate alive, so that no other can take its address.
type listKey struct {
	first *x509.Certificate
	n     int
}

var parsedRoots = rootsCache{by: map[listKey]*cms.Roots{}}

const maxParsedRoots = 16 // lists kept

func (c *rootsCache) of(certs []*x509.Certificate) *cms.Roots {
	if len(certs) < 32 {
		return cms.NewRoots(certs)
	}
	key := listKey{certs[0], len(certs)}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.by[key]
	if !ok {
		if len(c.by) == maxParsedRoots {
			clear(c.by)
		}
		r = cms.NewRoots(certs)
		c.by[key] = r
	}
	return r
}
