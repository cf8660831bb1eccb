package sigstore

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"io"

	"filippo.io/edwards25519"
)

func reader(b []byte) io.Reader { return bytes.NewReader(b) }

// checkPoint refuses keys of small order, under which one signature fits every message.
func checkPoint(key ed25519.PublicKey) error {
	p, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return errors.New("the Ed25519 key is no point of the curve")
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return errors.New("the Ed25519 key is a point of small order")
	}
	return nil
}

// signsStream reports whether sig is a pure Ed25519 signature over all that message writes. It is the check of crypto/ed25519 (RFC
// 8032 section 5.1.7, without cofactor), but reads the message once instead of holding it. An error is message's.
func signsStream(key ed25519.PublicKey, sig []byte, message func(io.Writer) error) (bool, error) {
	if len(sig) != ed25519.SignatureSize || checkPoint(key) != nil {
		return false, nil
	}
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(sig[32:])
	if err != nil {
		return false, nil
	}
	h := sha512.New()
	h.Write(sig[:32])
	h.Write(key)
	if err := message(h); err != nil {
		return false, err
	}
	k, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
	if err != nil {
		return false, nil
	}
	a, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return false, nil
	}
	want := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(k, a.Negate(a), s)
	return bytes.Equal(want.Bytes(), sig[:32]), nil
}
