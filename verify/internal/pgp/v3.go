package pgp

import (
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// signatureV3 is an RSA signature of version 3 (RFC 4880 section 5.2.2), which RFC 9580 no longer describes and rpm made
// until the year 2020: what is signed has the type and the time behind it and nothing else.
type signatureV3 struct {
	kind      byte
	created   time.Time
	issuer    uint64
	algorithm packet.PublicKeyAlgorithm
	hash      crypto.Hash // 0 where it is not known
	hint      [2]byte     // the first two octets of the hash
	value     []byte      // big-endian
}

const v3Fixed = 19 // octets before the number

var v3Hashes = map[byte]crypto.Hash{
	1: crypto.MD5, 2: crypto.SHA1, 3: crypto.RIPEMD160, 8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512, 11: crypto.SHA224,
}

var errV3 = errors.New("malformed signature of version 3")

// parseV3 reads the body of a signature packet of version 3. It returns the claimed issuer and time even of what it
// cannot use.
func parseV3(b []byte) (*signatureV3, error) {
	if len(b) < v3Fixed+2 || b[0] != 3 || b[1] != 5 {
		return nil, errV3
	}
	s := &signatureV3{
		kind:      b[2],
		created:   time.Unix(int64(binary.BigEndian.Uint32(b[3:])), 0).UTC(),
		issuer:    binary.BigEndian.Uint64(b[7:]),
		algorithm: packet.PublicKeyAlgorithm(b[15]),
		hash:      v3Hashes[b[16]],
		hint:      [2]byte(b[17:19]),
	}
	if s.algorithm != packet.PubKeyAlgoRSA && s.algorithm != packet.PubKeyAlgoRSASignOnly {
		return s, fmt.Errorf("public-key algorithm %d: %w", s.algorithm, errUnknownAlgorithm)
	}
	if s.hash == 0 {
		return s, fmt.Errorf("hash algorithm %d: %w", b[16], errUnknownAlgorithm)
	}
	value, length := b[v3Fixed+2:], int(binary.BigEndian.Uint16(b[v3Fixed:]))
	if len(value) == 0 || len(value) != (length+7)/8 || bits.Len8(value[0]) != (length-1)%8+1 {
		return s, errV3
	}
	s.value = value
	return s, nil
}

// trailer is what is hashed behind the message.
func (s *signatureV3) trailer() []byte {
	return binary.BigEndian.AppendUint32([]byte{s.kind}, uint32(s.created.Unix()))
}

// verify checks the signature of a digest.
func (s *signatureV3) verify(public any, digest []byte) error {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return errors.New("the key is no RSA key")
	}
	if [2]byte(digest) != s.hint {
		return errors.New("the hash does not begin as the signature says")
	}
	if len(s.value) > key.Size() {
		return rsa.ErrVerification
	}
	value := make([]byte, key.Size())
	copy(value[len(value)-len(s.value):], s.value)
	return rsa.VerifyPKCS1v15(key, s.hash, digest, value)
}

// under judges the signature of a digest under one key as of the moment at, as usable and settled do.
func (s *signatureV3) under(e *openpgp.Entity, digest []byte, at time.Time) Signature {
	out := Signature{Outcome: Unusable, UserID: userID(e, at), Fingerprint: fingerprint(e.PrimaryKey)}
	key, ok := e.SigningKeyById(at, s.issuer, config(at))
	switch {
	case !ok:
		out.Cause, out.Reason = whyUnusable(e, s.issuer, at)
		return out
	case s.created.Before(key.PublicKey.CreationTime):
		out.Cause, out.Reason = OlderThanKey, "it is older than the key"
		return out
	case s.created.After(at):
		out.Outcome, out.Reason, out.NotBegun = Expired, "it is dated in the future", true
		return out
	}
	if err := s.verify(key.PublicKey.PublicKey, digest); err != nil {
		return Signature{Outcome: Bad, Reason: err.Error()}
	}
	out.Outcome = Good
	out.KeyEnds = earliest(
		ends(e.PrimaryKey.CreationTime, key.PrimarySelfSignature.KeyLifetimeSecs),
		ends(key.PublicKey.CreationTime, key.SelfSignature.KeyLifetimeSecs))
	return out
}
