package signify

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"hash"

	"filippo.io/edwards25519"
)

// Ed25519 hashes R, the key and the message in one go (RFC 8032 section 5.1.7), so a signature over a file of any size
// can be checked while the file is read once; the standard library wants the whole message in memory.

var errPoint = errors.New("it is no point of the curve")

// decodePoint reads a public key. Keys of small order, under which one signature fits every message, are refused.
func decodePoint(b []byte) (*edwards25519.Point, error) {
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		return nil, errPoint
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, errors.New("it is a point of small order")
	}
	return p, nil
}

// stream is one Ed25519 signature under one key, waiting for its message.
type stream struct {
	h   hash.Hash
	key [32]byte
	sig [64]byte
}

func newStream(key [32]byte, sig [64]byte) *stream {
	s := &stream{h: sha512.New(), key: key, sig: sig}
	s.h.Write(sig[:32])
	s.h.Write(key[:])
	return s
}

// fits reports whether the signature is one over what was written. It is the check of crypto/ed25519: without cofactor,
// and with S reduced.
func (s *stream) fits() bool {
	point, err := decodePoint(s.key[:])
	if err != nil {
		return false
	}
	scalar, err := new(edwards25519.Scalar).SetCanonicalBytes(s.sig[32:])
	if err != nil {
		return false
	}
	k, err := new(edwards25519.Scalar).SetUniformBytes(s.h.Sum(nil))
	if err != nil {
		return false
	}
	r := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(k, point.Negate(point), scalar)
	return bytes.Equal(r.Bytes(), s.sig[:32])
}

// fits reports whether sig is an Ed25519 signature over message.
func fits(key [32]byte, sig [64]byte, message ...[]byte) bool {
	s := newStream(key, sig)
	for _, m := range message {
		s.h.Write(m)
	}
	return s.fits()
}
