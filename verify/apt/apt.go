// Package apt verifies Debian packages and the metadata of the archives they come from, as apt does (apt-secure(8)):
// a key that the operator trusts signs a Release, the Release lists the digests of the Packages indexes, an index
// lists the size and digest of each package. A .deb by itself carries no signature that anybody checks; what vouches
// for it is found from its URL.
//
// The vocabulary:
//
//	archive     a repository: the URL in a client's sources.list, above dists/ and pool/
//	suite       one directory with a Release: dists/bookworm, or the root of a flat repository
//	document    a Release as published, with its signature: InRelease, or Release and Release.gpg
//	proof       which anchors' keys signed a document
//	line        the succession of Releases of one suite, whose Date must not go backwards
//	index       a Packages file, reduced to the digests of packages
//
// The formats are described at https://wiki.debian.org/DebianRepository/Format, in apt-secure(8), deb822(5) and in
// RFC 9580 (OpenPGP).
package apt

import (
	"context"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/flight"
	"github.com/sallyport-project/sallyport/verify/internal/lru"
)

const method = "apt"

// Verifier implements verify.Verifier and verify.Classifier for apt archives. It may be used concurrently and is
// meant to live as long as the process: it keeps parsed indexes, verified documents and recent fetches, all bounded.
type Verifier struct {
	keyrings  *lru.Cache[verify.Digest, *keyring] // by digest of the key data
	proofs    *lru.Cache[proofKey, *proof]        // by document and keyrings
	records   *lru.Cache[verify.Digest, *record]  // remembered suites, by digest of their stored form
	documents *lru.Cache[suite, fetchedDocument]  // what was last seen at a suite
	indexes   *lru.Cache[verify.Digest, *index]   // by digest of the Packages file
	flights   flight.Group                        // fetches under way
	parsing   chan struct{}                       // holds a token for each index being parsed
	peeking   chan struct{}                       // holds a token for each file that is opened to see what it is
	learning  sync.Mutex                          // one at a time advances memory, so that we do not conflict with ourselves
}

// Bounds of what a Verifier keeps.
const (
	indexBudget    = 96 << 20 // bytes of parsed indexes
	documentBudget = 24 << 20 // bytes of documents
	recordBudget   = 48 << 20 // bytes of remembered Releases, parsed
	proofsKept     = 1024
	keyringsKept   = 256
	parsersAtOnce  = 2
)

// New returns a Verifier that remembers nothing yet.
func New() *Verifier {
	return &Verifier{
		keyrings:  lru.New[verify.Digest, *keyring](keyringsKept),
		proofs:    lru.New[proofKey, *proof](proofsKept),
		records:   lru.New[verify.Digest, *record](recordBudget),
		documents: lru.New[suite, fetchedDocument](documentBudget),
		indexes:   lru.New[verify.Digest, *index](indexBudget),
		parsing:   make(chan struct{}, parsersAtOnce),
		peeking:   make(chan struct{}, parsersAtOnce),
	}
}

// Method returns "apt".
func (*Verifier) Method() string { return method }

// Match reports whether a is a Debian package, or stands where an archive has its metadata.
func (*Verifier) Match(a *verify.Artifact) bool {
	return a.Format == "deb" || len(targets(a.URL)) > 0
}

// Verify implements verify.Verifier. Sidecars are asked for URLs of a's own origin only. The finding about a package
// rests on the newest Release known and on those that are within the tolerance of their anchor.
func (v *Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	if len(env.Trust.Keyrings) == 0 {
		return one(verify.Absent, "no-anchor", "no OpenPGP keyring is configured, so nobody can vouch for an archive"), nil
	}
	if env.Memory == nil {
		env.Memory = forgetful{}
	}
	if env.Sidecars == nil {
		env.Sidecars = verify.NoSidecars{}
	}
	s := &session{v: v, ctx: ctx, env: env, artifact: a}
	if places := targets(a.URL); len(places) > 0 {
		return s.metadata(places)
	}
	if _, _, ok := urlPath(a.URL); !ok {
		return one(verify.Absent, "no-url",
			"a .deb carries no signature of its own; the URL in its archive is needed to find the index that lists it"), nil
	}
	return s.pkg(candidates(a.URL))
}

// one returns a single finding.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{finding(status, code, detail)}
}

func finding(status verify.Status, code, detail string) verify.Finding {
	return verify.Finding{Method: method, Status: status, Code: method + "/" + code, Detail: detail}
}

// forgetful is a Memory that keeps nothing, for a caller who has none: what it is told is seen for the first time.
type forgetful struct{}

func (forgetful) Load(string, string) ([]byte, error)          { return nil, nil }
func (forgetful) Advance(string, string, []byte, []byte) error { return nil }
