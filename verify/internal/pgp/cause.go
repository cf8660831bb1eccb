package pgp

import (
	"errors"
	"fmt"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Cause says in which way a signature or its key will not do.
type Cause uint8

const (
	NoCause          Cause = iota
	KeyExpired             // the primary key or the subkey
	KeyRevoked             // for whatever reason
	KeyWeak                // its algorithm or size
	KeyNotForSigning       // no signing flag, or no cross-certification of a subkey (RFC 9580 section 5.2.1.8)
	OlderThanKey           // the signature claims to be
	OtherVersion           // of signature and key (RFC 9580 section 5.2.3)
	Unsupported            // version, algorithm or critical subpacket that is not known here
	WrongType              // it covers no document
	CriticalNotation       // one that is not known here (RFC 9580 section 5.2.3.24)
	OverText               // line endings are not covered
	TooMany                // there are more than are computed
)

// whyUnusable says why none of e's keys with an id can have made a signature at a time.
func whyUnusable(e *openpgp.Entity, id uint64, at time.Time) (Cause, string) {
	if _, err := e.VerifyPrimaryKey(at, config(at)); err != nil {
		return causeOf(err), describeKey(e, err)
	}
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		if sub.PublicKey.KeyId != id {
			continue
		}
		if _, err := sub.Verify(at, config(at)); err != nil {
			return causeOf(err), "the subkey: " + err.Error() + reasonOf(sub.Revocations)
		}
		if weak(sub.PublicKey) {
			return KeyWeak, "the subkey's algorithm or size is too weak"
		}
	}
	if weak(e.PrimaryKey) {
		return KeyWeak, "the key's algorithm or size is too weak"
	}
	return KeyNotForSigning, "the key is not meant for signing"
}

func causeOf(err error) Cause {
	switch {
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return KeyRevoked
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return KeyExpired
	}
	return KeyNotForSigning
}

func describeKey(e *openpgp.Entity, err error) string {
	return "the key: " + err.Error() + reasonOf(e.Revocations)
}

// reasonOf tells the reason that a revocation gives (RFC 9580 section 5.2.3.31), and when it was made.
func reasonOf(revocations []*packet.VerifiableSignature) string {
	for _, r := range revocations {
		if r.Packet == nil || r.Valid == nil || !*r.Valid {
			continue
		}
		why := "for no reason given"
		if reason := r.Packet.RevocationReason; reason != nil {
			switch *reason {
			case packet.KeySuperseded:
				why = "because it was superseded"
			case packet.KeyRetired:
				why = "because it was retired"
			case packet.KeyCompromised:
				why = "because it was compromised"
			}
		}
		return fmt.Sprintf(", %s, on %s", why, r.Packet.CreationTime.UTC().Format(time.DateOnly))
	}
	return ""
}

// weak reports whether a key is of a kind that proves nothing here.
func weak(k *packet.PublicKey) bool {
	var c *packet.Config
	if c.RejectPublicKeyAlgorithm(k.PubKeyAlgo) {
		return true
	}
	if k.PubKeyAlgo == packet.PubKeyAlgoRSA || k.PubKeyAlgo == packet.PubKeyAlgoRSASignOnly {
		bits, err := k.BitLength()
		return err != nil || bits < c.MinimumRSABits()
	}
	if curve, err := k.Curve(); err == nil {
		return c.RejectCurve(curve)
	}
	return false
}
