// Package sigstore verifies Sigstore bundles: signatures over updates and attestations about them, by identities that a certificate
// authority of Sigstore vouches for, or by keys. Bundles are looked for where vendors publish them: beside the update, at a
// registry of npm, at a Python index, by the URL templates and in the files that the policy names.
//
// The vocabulary is that of the Sigstore client specification (https://github.com/sigstore/architecture-docs/blob/main/client-spec.md)
// and of in-toto's attestation framework (https://github.com/in-toto/attestation/tree/main/spec): a bundle holds a signature over the
// update itself, or over a statement; a statement names its subjects by their digests and says something of them, its predicate. An
// instance is a Fulcio, a Rekor, their certificate transparency logs and timestamping authorities, described by a trusted root.
//
// Bundles are verified against what is known already. Newer trusted roots are fetched by Refresh, never while an update waits.
package sigstore

import (
	"context"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// Verifier implements verify.Verifier and verify.Refresher. It may be used concurrently.
type Verifier struct {
	roots  roots
	once   sync.Once
	locals *locals
}

var _ verify.Refresher = (*Verifier)(nil)

// New returns a Verifier. It reads nothing and asks nobody.
func New() *Verifier { return &Verifier{} }

const method = "sigstore"

// Method returns "sigstore".
func (v *Verifier) Method() string { return method }

// Match reports whether a is a file that bundles can be about.
func (v *Verifier) Match(a *verify.Artifact) bool {
	_, ok := placeOf(a)
	return ok
}

// Verify implements verify.Verifier. It returns nothing where no anchor is for Sigstore, or where there is nowhere to look.
func (v *Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	p, ok := placeOf(a)
	if !ok || len(env.Trust.Sigstore) == 0 {
		return nil, nil
	}
	s := &session{ctx: ctx, env: env, place: p, asked: a.Asked, artifact: core.NewArtifact(ctx, a)}
	if a.URL != nil {
		s.where = a.URL.Host
	}
	if err := s.collect(v); err != nil || s.nowhere() {
		return nil, err
	}
	groups, err := v.groups(env)
	if err != nil {
		return nil, err
	}
	if err := s.judge(groups); err != nil {
		return nil, err
	}
	return s.conclude()
}
