// Package rpmrepo verifies the repositories that rpm packages come from, as dnf does with repo_gpgcheck: a key that the
// operator trusts signs repodata/repomd.xml (repomd.xml.asc beside it), which states the digest of primary.xml, which
// states the size and digest of each package. What vouches for a package is found from its URL.
//
// The vocabulary:
//
//	repository  what stands as baseurl in a client's .repo file: the directory above repodata/
//	document    a repomd.xml as published, with its signature
//	proof       which anchors' keys signed a document
//	index       a primary.xml, reduced to the digests of packages
//
// The formats have no specification but their tools: https://github.com/rpm-software-management/createrepo_c and
// https://createrepo.baseurl.org/. Signatures are RFC 9580 (OpenPGP).
package rpmrepo

import (
	"context"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/flight"
	"github.com/sallyport-project/sallyport/verify/internal/lru"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

const method = "rpm-repo"

// Verifier implements verify.Verifier and verify.Classifier for rpm repositories. It may be used concurrently and is
// meant to live as long as the process: it keeps parsed indexes, verified documents and recent fetches, all bounded.
type Verifier struct {
	keyrings  *lru.Cache[verify.Digest, *pgp.Keyring] // by digest of the key data
	documents *lru.Cache[repository, fetchedDocument] // what was last seen at a repository
	indexes   *lru.Cache[string, *index]              // by digest of the compressed primary.xml
	flights   flight.Group                            // fetches under way
	parsing   chan struct{}                           // holds a token for each index being parsed
	peeking   chan struct{}                           // holds a token for each file whose beginning is decompressed
}

// Bounds of what a Verifier keeps.
const (
	indexBudget    = 96 << 20 // bytes of parsed indexes
	documentBudget = 24 << 20 // bytes of documents
	keyringsKept   = 256
	parsersAtOnce  = 2
)

// New returns a Verifier that remembers nothing yet.
func New() *Verifier {
	return &Verifier{
		keyrings:  lru.New[verify.Digest, *pgp.Keyring](keyringsKept),
		documents: lru.New[repository, fetchedDocument](documentBudget),
		indexes:   lru.New[string, *index](indexBudget),
		parsing:   make(chan struct{}, parsersAtOnce),
		peeking:   make(chan struct{}, parsersAtOnce),
	}
}

// Method returns "rpm-repo".
func (*Verifier) Method() string { return method }

// Match reports whether a is an rpm package, or stands where a repository has its metadata.
func (*Verifier) Match(a *verify.Artifact) bool {
	_, _, ok := target(a.URL)
	return ok || a.Format == "rpm"
}

// Verify implements verify.Verifier. Sidecars are asked for URLs of a's own origin only. There is exactly one finding.
func (v *Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	if len(env.Trust.Keyrings) == 0 {
		return one(finding(verify.Absent, "no-anchor", "no OpenPGP keyring is configured, so nobody can vouch for a repository")), nil
	}
	if env.Memory == nil {
		env.Memory = forgetful{}
	}
	if env.Sidecars == nil {
		env.Sidecars = verify.NoSidecars{}
	}
	s := &session{v: v, ctx: ctx, env: env, artifact: a}
	var f verify.Finding
	var err error
	if at, name, ok := target(a.URL); ok {
		f, err = s.metadata(at, name)
	} else if _, _, ok := urlPath(a.URL); ok {
		f, err = s.pkg()
	} else {
		f = finding(verify.Absent, "no-url", "the URL in its repository is needed to find the index that lists it")
	}
	if err != nil {
		return nil, err
	}
	return one(f), nil
}

func one(f verify.Finding) []verify.Finding { return []verify.Finding{f} }

func finding(status verify.Status, code, detail string) verify.Finding {
	return verify.Finding{Method: method, Status: status, Code: method + "/" + code, Detail: detail}
}

// forgetful is a Memory that keeps nothing, for a caller who has none.
type forgetful struct{}

func (forgetful) Load(string, string) ([]byte, error)          { return nil, nil }
func (forgetful) Advance(string, string, []byte, []byte) error { return nil }
