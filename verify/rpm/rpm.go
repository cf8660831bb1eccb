// Package rpm verifies what an rpm package carries itself, as rpm does (rpmkeys(8)): OpenPGP signatures over its header,
// digests in the signed header that reach the payload, and, in packages of before 2018, signatures over header and
// payload together. Formats 3, 4 and 6 are described at https://rpm.org/docs/latest/manual/; OpenPGP is RFC 9580.
package rpm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/lru"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
)

const method = "rpm"

// keyringsKept is how many keyrings a Verifier keeps parsed.
const keyringsKept = 256

// Verifier implements verify.Verifier for rpm packages. It may be used concurrently.
type Verifier struct {
	keyrings *lru.Cache[verify.Digest, *pgp.Keyring]
	buffers  sync.Pool
}

// New returns a Verifier.
func New() *Verifier {
	return &Verifier{
		keyrings: lru.New[verify.Digest, *pgp.Keyring](keyringsKept),
		buffers:  sync.Pool{New: func() any { return new([chunk]byte) }},
	}
}

// Method returns "rpm".
func (*Verifier) Method() string { return method }

// Match reports whether a is an rpm package.
func (*Verifier) Match(a *verify.Artifact) bool { return a.Format == "rpm" }

// Verify implements verify.Verifier. It reads the artifact once and asks nobody.
func (v *Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	p, err := rpmfile.Read(a.Content, a.Size)
	if errors.Is(err, rpmfile.ErrFormat) {
		return one(verify.Invalid, "malformed", err.Error()), nil
	}
	if err != nil {
		return nil, err
	}
	x := &examination{v: v, env: env, pkg: p, name: p.Header.NEVRA()}
	if err := x.collect(); err != nil {
		return one(verify.Invalid, "malformed", fmt.Sprintf("%.200s: %v", x.name, err)), nil
	}
	if err := x.read(ctx, a.Content); err != nil {
		return nil, err
	}
	return x.judge()
}

// keyring returns k's keys, parsed.
func (v *Verifier) keyring(k verify.Keyring) (*pgp.Keyring, error) {
	sum := verify.Digest(sha256.Sum256(k.Data))
	if keys, ok := v.keyrings.Get(sum); ok {
		return keys, nil
	}
	keys, err := pgp.ParseKeyring(k.Data)
	if err != nil {
		return nil, fmt.Errorf("anchor %s: %w", k.Anchor, err)
	}
	v.keyrings.Put(sum, keys, 1)
	return keys, nil
}

func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{finding(status, code, detail)}
}

func finding(status verify.Status, code, detail string) verify.Finding {
	return verify.Finding{Method: method, Status: status, Code: method + "/" + code, Detail: detail}
}
