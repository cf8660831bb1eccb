package authenticode

import (
	"crypto/sha256"
	"hash"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// tapName is where the Tap leaves the image's SHA-256 digest.
const tapName = "authenticode/sha256"

// Tap returns a Tap that computes the SHA-256 image digest while a signed program arrives. It leaves nothing where
// the file is not a signed image that ends with its certificate table; Verify then computes what it needs.
func (*Verifier) Tap(head []byte) verify.Tap {
	if len(head) < 2 || string(head[:2]) != "MZ" {
		return nil
	}
	h := sha256.New()
	return &tap{hash: h, stream: pe.NewStream(func(p []byte) { h.Write(p) })}
}

type tap struct {
	hash   hash.Hash
	stream *pe.Stream
}

// Write implements io.Writer; it never fails.
func (t *tap) Write(p []byte) (int, error) {
	t.stream.Write(p)
	return len(p), nil
}

// Sum implements verify.Tap.
func (t *tap) Sum(m map[string][]byte) {
	if t.stream.Complete() {
		m[tapName] = t.hash.Sum(nil)
	}
}
