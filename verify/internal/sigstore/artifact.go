package sigstore

import (
	"context"
	"crypto"
	"crypto/sha256"
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/sallyport-project/sallyport/verify"
)

// Artifact is what a bundle is about. Only the digest has to be known beforehand; the rest is asked for by the few schemes that
// need it, after the signer was found to be genuine.
type Artifact struct {
	SHA256  verify.Digest
	Size    int64                            // bytes; counts only with Content
	Digest  func(alg string) ([]byte, error) // "sha384" or "sha512"; nil: cannot be had
	Content func() io.Reader                 // from the first byte; nil: cannot be had

	left *atomic.Int64 // bytes that may still be read for pure Ed25519 signatures; nil: any number
}

// NewArtifact returns a as this package takes it. Other digests than SHA-256 are computed when they are asked for, each once,
// and the work ends when ctx does. The result may be used by several goroutines.
func NewArtifact(ctx context.Context, a *verify.Artifact) Artifact {
	content := func() io.Reader {
		return &contextReader{ctx, io.NewSectionReader(a.Content, 0, a.Size)}
	}
	out := Artifact{SHA256: a.Digests.SHA256, Size: a.Size, Content: content, left: &atomic.Int64{}}
	out.left.Store(maxReread)
	sum := func(h crypto.Hash) func() ([]byte, error) {
		return sync.OnceValues(func() ([]byte, error) {
			w := h.New()
			if err := out.readInto(w); err != nil {
				return nil, fmt.Errorf("computing %s of the artifact: %w", h, err)
			}
			return w.Sum(nil), nil
		})
	}
	sums := map[string]func() ([]byte, error){"sha384": sum(crypto.SHA384), "sha512": sum(crypto.SHA512)}
	out.Digest = func(alg string) ([]byte, error) {
		if f := sums[alg]; f != nil {
			return f()
		}
		return nil, fmt.Errorf("digest algorithm %q is not known", alg)
	}
	return out
}

// readInto writes the content to w. It fails where that is not what has the digest: whatever is computed over it would be about
// something else, over nothing at all for example.
func (a *Artifact) readInto(w io.Writer) error {
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, h), a.Content()); err != nil {
		return err
	}
	if verify.Digest(h.Sum(nil)) != a.SHA256 {
		return errors.New("what was read does not have the artifact's digest")
	}
	return nil
}

// reread reports whether the content may be read once more. Every pure Ed25519 signature needs that anew for every key, and whoever
// publishes signatures chooses how many there are.
func (a *Artifact) reread() bool {
	return a.left == nil || a.left.Add(-max(a.Size, maxReread/maxRereads)) >= 0
}

// digest returns the digest named alg, nil if it cannot be had.
func (a *Artifact) digest(alg string) ([]byte, error) {
	if alg == "sha256" {
		return a.SHA256[:], nil
	}
	if a.Digest == nil {
		return nil, nil
	}
	return a.Digest(alg)
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader until the context ends.
func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
