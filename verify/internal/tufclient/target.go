package tufclient

import (
	"bytes"
	"fmt"
)

// Check compares a file of length bytes with what the repository says of it. The function digest returns the file's digest by
// the named algorithm, "sha256" or "sha512". A difference is an *Error with the code DigestMismatch; other errors are digest's.
func (t *Target) Check(length int64, digest func(algorithm string) ([]byte, error)) error {
	if length != t.Length {
		return failf(DigestMismatch, t.role(), "the file has %d bytes, and %s of version %d says %d", length, t.role(), t.version(), t.Length)
	}
	if len(t.Hashes) == 0 {
		return failf(Unsupported, t.role(), "%s gives no hash of the file that is known here", t.role())
	}
	for _, algorithm := range []string{"sha512", "sha256"} {
		want, ok := t.Hashes[algorithm]
		if !ok {
			continue
		}
		got, err := digest(algorithm)
		if err != nil {
			return fmt.Errorf("digesting the file: %w", err)
		}
		if !bytes.Equal(got, want) {
			return failf(DigestMismatch, t.role(), "the file has the %s digest %x, and %s of version %d says %x", algorithm, got, t.role(), t.version(), want)
		}
	}
	return nil
}

func (t *Target) role() string   { return t.Chain[len(t.Chain)-1].Role }
func (t *Target) version() int64 { return t.Chain[len(t.Chain)-1].Version }
