package authenticode

import (
	"crypto/sha1"
	"crypto/sha256"
	"hash"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// Where the Tap leaves an image's digests. By them catalogues list programs that carry no signature.
const (
	tapName     = "authenticode/sha256"
	tapNameSHA1 = "authenticode/sha1" // of unsigned images only
)

// Tap returns a Tap that computes the SHA-256 image digest while a program arrives, and of an unsigned one the SHA-1
// digest as well. It leaves nothing where the file is not an image or does not end with its certificate table; Verify
// then computes what it needs.
func (*Verifier) Tap(head []byte) verify.Tap {
	if len(head) < 2 || string(head[:2]) != "MZ" {
		return nil
	}
	t := &tap{sha256: sha256.New(), sha1: sha1.New()}
	t.stream = pe.NewStream(t.sink)
	return t
}

type tap struct {
	sha256, sha1 hash.Hash
	stream       *pe.Stream
}

func (t *tap) sink(p []byte) {
	t.sha256.Write(p)
	if !t.stream.Signed() {
		t.sha1.Write(p)
	}
}

// Write implements io.Writer; it never fails.
func (t *tap) Write(p []byte) (int, error) {
	t.stream.Write(p)
	return len(p), nil
}

// Sum implements verify.Tap.
func (t *tap) Sum(m map[string][]byte) {
	if !t.stream.Complete() {
		return
	}
	t.sink(t.stream.Padding())
	m[tapName] = t.sha256.Sum(nil)
	if !t.stream.Signed() {
		m[tapNameSHA1] = t.sha1.Sum(nil)
	}
}
