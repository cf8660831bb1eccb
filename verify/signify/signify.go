// Package signify verifies the signatures that OpenBSD's signify(1) makes: Ed25519 over a file, in a text file that is
// published beside it under the name file.sig or file.signify. Lists of digests that signify has signed are looked at
// by package checksums.
//
// The format: signify(1) and its source. The keys are the operator's.
package signify

import (
	"context"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
	"github.com/sallyport-project/sallyport/verify/internal/signify"
)

// Verifier implements verify.Verifier. It may be used concurrently.
type Verifier struct{ system signify.System }

// New returns a Verifier.
func New() *Verifier {
	return &Verifier{signify.System{Name: "signify", Suffixes: []string{".sig", ".signify"}}}
}

// Method returns "signify".
func (v *Verifier) Method() string { return v.system.Name }

// Match reports whether a is a file that can have a signature beside it.
func (v *Verifier) Match(a *verify.Artifact) bool {
	_, ok := beside.Of(a)
	return ok
}

// Verify implements verify.Verifier.
func (v *Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	return v.system.Examine(ctx, a, env)
}
