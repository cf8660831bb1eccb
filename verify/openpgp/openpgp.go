// Package openpgp verifies detached OpenPGP signatures (RFC 9580 section 10.4; RFC 4880 before it) that vendors publish
// beside a file: file.asc, file.sig, file.gpg, file.sign. The keys are those of the operator's keyrings.
//
// Signatures inside files, such as those of apt archives and rpm packages, are other packages' business; lists of
// digests that are signed are looked at by package checksums.
package openpgp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

const method = "openpgp"

// suffixes are the names of signatures, in the order in which they are tried.
var suffixes = []string{".asc", ".sig", ".gpg", ".sign"}

const maxFile = 256 << 10 // bytes of one signature file

// Verifier implements verify.Verifier. It may be used concurrently.
type Verifier struct{}

// New returns a Verifier.
func New() *Verifier { return &Verifier{} }

// Method returns "openpgp".
func (*Verifier) Method() string { return method }

// Match reports whether a is a file that can have a signature beside it.
func (*Verifier) Match(a *verify.Artifact) bool {
	_, ok := beside.Of(a)
	return ok
}

// Verify implements verify.Verifier. It asks for signatures only if an anchor has a keyring. Every signature that is
// found is judged by itself, under every keyring.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	place, ok := beside.Of(a)
	if !ok || len(env.Trust.Keyrings) == 0 || !verify.HasSidecars(env.Sidecars) {
		return nil, nil
	}
	budget := beside.NewBudget(env.Sidecars, len(suffixes), int64(len(suffixes)*maxFile))
	var files []beside.Sidecar
	for _, suffix := range suffixes {
		got, found, err := budget.Fetch(ctx, place.Ref(suffix), maxFile)
		if err != nil {
			return nil, err
		}
		if found && pgp.IsSignature(got.Data) {
			files = append(files, got)
		}
	}
	if budget.None() {
		return nil, nil
	}
	out, err := judge(ctx, a, env, files)
	if err != nil {
		return nil, err
	}
	if missing := budget.Missing(); len(missing) > 0 && !vouched(out) {
		out = append(out, one(verify.Inconclusive, "unavailable", "It could not be told whether there is a signature, or another: %s.", strings.Join(missing, "; "))...)
	}
	if len(out) == 0 {
		return one(verify.Absent, "unsigned", "No OpenPGP signature lies beside the file (%s).", strings.Join(suffixes, ", ")), nil
	}
	return out, nil
}

// vouched reports whether a finding vouches for the artifact.
func vouched(found []verify.Finding) bool {
	return slices.ContainsFunc(found, func(f verify.Finding) bool { return f.Status == verify.Valid })
}

func one(status verify.Status, code, format string, args ...any) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: fmt.Sprintf(format, args...)}}
}
