package main

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// open returns the artifact that is named by a file or by "sha256:" and its digest, and what to call after use.
func open(name string) (*verify.Artifact, func(), error) {
	if strings.HasPrefix(name, "sha256:") {
		digest, err := verify.ParseDigest(name)
		if err != nil {
			return nil, nil, err
		}
		a := &verify.Artifact{Name: "artifact", Content: unread{}, Digests: verify.Digests{SHA256: digest}}
		return a, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	a := &verify.Artifact{Name: "artifact", Content: f, Size: size}
	h.Sum(a.Digests.SHA256[:0])
	return a, func() { f.Close() }, nil
}

// unread is the content of an artifact of which only the digest is known.
type unread struct{}

// ReadAt implements io.ReaderAt.
func (unread) ReadAt([]byte, int64) (int, error) {
	return 0, errors.New("only the digest of the artifact is known")
}
