// Package digest recognises files whose SHA-256 digest the operator's policy lists itself: an anchor of kind digest
// vouches for exactly these bytes, whoever signed them and wherever they came from. SHA-256 is FIPS 180-4's.
package digest

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// Verifier implements verify.Verifier. It has no state.
type Verifier struct{}

// New returns a Verifier.
func New() *Verifier { return &Verifier{} }

// Method returns "digest".
func (*Verifier) Method() string { return "digest" }

// Match returns true: which digests are listed is known only when Verify is called.
func (*Verifier) Match(*verify.Artifact) bool { return true }

// Verify returns one Valid finding that names every anchor which lists a's digest, and none for a file that no anchor
// lists: most files are on no list, and that says nothing about them.
func (*Verifier) Verify(_ context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	sum := a.Digests.SHA256
	anchors := slices.Clone(env.Trust.Pins[sum])
	if sum.IsZero() || len(anchors) == 0 {
		return nil, nil
	}
	slices.Sort(anchors)
	return []verify.Finding{{
		Method: "digest", Status: verify.Valid, Code: "digest/listed", Anchors: slices.Compact(anchors),
		Detail: fmt.Sprintf("the policy lists SHA-256 %s", sum),
	}}, nil
}
