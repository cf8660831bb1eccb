// Package checksums verifies files by the signed lists of digests that vendors publish in the same directory:
// SHA256SUMS and its kin, in the styles of GNU and BSD, clearsigned (RFC 9580 section 7), in signify's embedded form,
// or with a signature beside the list. A list that no key of the operator's has signed vouches for nothing.
//
// The formats: coreutils' manual ("md5sum invocation", "cksum output modes"), RFC 9580, signify(1), minisign.
package checksums

import (
	"context"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
)

const method = "checksums"

// Bounds of what is fetched for one artifact.
const (
	maxFetches   = 24
	maxBytes     = 4 << 20
	maxSignature = 256 << 10
)

// Verifier implements verify.Verifier. It may be used concurrently.
type Verifier struct{}

// New returns a Verifier.
func New() *Verifier { return &Verifier{} }

// Method returns "checksums".
func (*Verifier) Method() string { return method }

// Match reports whether a is a file that can be in a list beside it.
func (*Verifier) Match(a *verify.Artifact) bool {
	_, ok := beside.Of(a)
	return ok
}

// Verify implements verify.Verifier. It asks for lists only if an anchor has a key that could have signed one, and ends
// at the first list that such a key has signed and that names the file.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	where, ok := beside.Of(a)
	keys, err := keysOf(env)
	if err != nil || !ok || keys.none() || !verify.HasSidecars(env.Sidecars) {
		return nil, err
	}
	s := &search{
		ctx: ctx, artifact: a, place: where, keys: keys,
		budget: beside.NewBudget(env.Sidecars, maxFetches, maxBytes),
	}
	for _, p := range places(where, len(keys.signify) > 0) {
		found, done, err := s.look(p)
		if err != nil {
			return nil, err
		}
		if done {
			return found, nil
		}
	}
	return s.nothing(), nil
}
