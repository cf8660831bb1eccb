package signify

import (
	"errors"
	"hash"

	"golang.org/x/crypto/blake2b"
)

// What is wrong with a signature by a key that is known.
var (
	ErrSignature = errors.New("the signature does not fit the bytes")
	ErrComment   = errors.New("the signature of the trusted comment does not fit")
)

// Check is one signature under one key, waiting for the document that is written to it.
type Check struct {
	sig    *Signature
	key    Key
	digest hash.Hash // BLAKE2b-512, of a prehashed signature
	stream *stream   // of any other
}

// NewCheck prepares to verify sig under key. The caller has compared the key ids.
func NewCheck(sig *Signature, key Key) *Check {
	c := &Check{sig: sig, key: key}
	if sig.Prehashed {
		c.digest, _ = blake2b.New512(nil) // it fails for keys that are too long only
	} else {
		c.stream = newStream(key.Point, sig.Value)
	}
	return c
}

// Write takes the next bytes of the document. It never fails.
func (c *Check) Write(p []byte) (int, error) {
	if c.digest != nil {
		return c.digest.Write(p)
	}
	return c.stream.h.Write(p)
}

// Err returns nil if the signature is one over what was written, and, where there is a trusted comment, its signature
// over signature and comment fits as well.
func (c *Check) Err() error {
	good := false
	if c.digest != nil {
		good = fits(c.key.Point, c.sig.Value, c.digest.Sum(nil))
	} else {
		good = c.stream.fits()
	}
	if !good {
		return ErrSignature
	}
	if c.sig.Minisign && !fits(c.key.Point, c.sig.Global, c.sig.Value[:], []byte(c.sig.Comment)) {
		return ErrComment
	}
	return nil
}
