package pgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Outcome of one signature under one keyring. The order says how much an outcome proves: of several, the greatest
// speaks for the message.
type Outcome uint8

const (
	Malformed Outcome = iota // no signature of a kind that is known here
	Unknown                  // made by no key of the keyring
	Weak                     // rests on a broken algorithm
	Unusable                 // names a key of the keyring that is expired, revoked or not meant for signing
	Expired                  // the signature says of itself that it ended, or begins in the future
	Bad                      // names a good key of the keyring, and does not fit the bytes
	Good
)

// Signature is what was found out about one signature.
type Signature struct {
	Outcome     Outcome
	Cause       Cause     // Unusable: what is wrong with the key; Malformed: what with the signature
	Reason      string    // why it is not Good, for a person
	KeyID       string    // 16 upper-case hexadecimal digits, as the signature claims; "" if it claims none
	UserID      string    // Good and Unusable: the primary user id of the key
	Fingerprint string    // Good and Unusable: of the primary key, upper-case hexadecimal
	Created     time.Time // as the signature claims
	NotBegun    bool      // Expired: it is dated in the future
	KeyEnds     time.Time // Good: when the key or the signature expires; zero if never
}

// Limits of a signature file.
const (
	MaxSignatures    = 32
	maxSignatureFile = 256 << 10 // bytes
)

// Verify checks every signature in sig, binary packets or armoured, over message, as of the moment at. A text
// signature (RFC 9580 section 5.2.1.2) covers message with its line endings as CR LF. The result has an entry for each
// signature packet, so it is empty where there is none. It fails only where the keyring cannot be read.
func (k *Keyring) Verify(message, sig []byte, at time.Time) ([]Signature, error) {
	packets, err := signaturePackets(sig)
	if err != nil {
		return []Signature{{Outcome: Malformed, Reason: err.Error()}}, nil
	}
	var out []Signature
	for _, p := range packets {
		s, err := k.verifyOne(message, p, at)
		if err != nil {
			return nil, fmt.Errorf("verifying OpenPGP signature: %w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// Best returns the signature with the greatest Outcome, the first of equals.
func Best(list []Signature) (Signature, bool) {
	if len(list) == 0 {
		return Signature{}, false
	}
	best := list[0]
	for _, s := range list[1:] {
		if s.Outcome > best.Outcome {
			best = s
		}
	}
	return best, true
}

// signaturePackets returns each signature packet of sig by itself, so that one that is broken hides no other.
func signaturePackets(sig []byte) ([][]byte, error) {
	if len(sig) > maxSignatureFile {
		return nil, fmt.Errorf("a signature of %d bytes is longer than %d", len(sig), maxSignatureFile)
	}
	if trimmed := bytes.TrimLeft(sig, " \t\r\n"); bytes.HasPrefix(trimmed, armourBegin) {
		block, err := armor.Decode(bytes.NewReader(trimmed))
		if err != nil {
			return nil, fmt.Errorf("the armour is broken: %w", err)
		}
		if block.Type != openpgp.SignatureType {
			return nil, fmt.Errorf("the armour holds a %s", block.Type)
		}
		if sig, err = io.ReadAll(block.Body); err != nil {
			return nil, fmt.Errorf("the armour is broken: %w", err)
		}
	}
	var out [][]byte
	for r := packet.NewOpaqueReader(bytes.NewReader(sig)); ; {
		op, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the packets are broken: %w", err)
		}
		if op.Tag != 2 {
			continue
		}
		if len(out) == MaxSignatures {
			return nil, fmt.Errorf("there are more than %d signatures", MaxSignatures)
		}
		var b bytes.Buffer
		if err := op.Serialize(&b); err != nil {
			return nil, fmt.Errorf("the packets are broken: %w", err)
		}
		out = append(out, b.Bytes())
	}
}

// weakHashes are those that a signature over a message must not rest on (RFC 9580 section 9.5).
var weakHashes = map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true, crypto.RIPEMD160: true}

func config(at time.Time) *packet.Config {
	return &packet.Config{
		Time:                        func() time.Time { return at },
		RejectMessageHashAlgorithms: weakHashes,
	}
}

// verifyOne checks one signature packet under every key that its issuer key id fits: ids collide, and a keyring may
// hold an outdated copy of a key beside the current one.
func (k *Keyring) verifyOne(message, raw []byte, at time.Time) (Signature, error) {
	p, err := packet.Read(bytes.NewReader(raw))
	if err != nil {
		return Signature{Outcome: Malformed, Reason: "the signature cannot be read: " + err.Error()}, nil
	}
	sig, ok := p.(*packet.Signature)
	if !ok || sig.IssuerKeyId == nil {
		return Signature{Outcome: Malformed, Reason: "the signature names no issuer"}, nil
	}
	out := Signature{
		Outcome: Unknown, Created: sig.CreationTime.UTC(), KeyID: fmt.Sprintf("%016X", *sig.IssuerKeyId),
		Reason: "no key of the keyring made it",
	}
	if outcome, reason := admissible(sig); outcome != Good {
		out.Outcome, out.Reason = outcome, reason
		return out, nil
	}
	entities, err := k.entities()
	if err != nil {
		return Signature{}, err
	}
	for _, e := range entities.EntitiesById(*sig.IssuerKeyId) {
		if got := underKey(e, message, sig, at); got.Outcome > out.Outcome {
			got.KeyID, got.Created = out.KeyID, out.Created
			out = got
		}
	}
	return out, nil
}

// admissible judges a signature by what it says of itself. It returns Good where nothing speaks against it.
func admissible(sig *packet.Signature) (Outcome, string) {
	switch {
	case weakHashes[sig.Hash]:
		return Weak, "it rests on " + sig.Hash.String()
	case !sig.Hash.Available():
		return Malformed, "its hash algorithm is not known here"
	case sig.SigType != packet.SigTypeText && sig.SigType != packet.SigTypeBinary:
		return Malformed, fmt.Sprintf("it is of type 0x%02x, which covers no document", byte(sig.SigType))
	case sig.Version != 4 && sig.Version != 6:
		return Malformed, fmt.Sprintf("it is of version %d", sig.Version)
	}
	for _, n := range sig.Notations {
		if n.IsCritical {
			return Malformed, fmt.Sprintf("it depends on the notation %.60q, which is not known here", n.Name)
		}
	}
	return Good, ""
}

// underKey verifies a signature under one key. As gpgv does for apt, it asks whether the key may sign at the moment of
// judgement, not when the signature was made: a key whose life was prolonged is often published with its new
// self-signature only, which is younger than what it signed.
func underKey(e *openpgp.Entity, message []byte, sig *packet.Signature, at time.Time) Signature {
	out, key := usable(e, sig, at)
	if out.Outcome != Good {
		return out
	}
	h := sig.Hash.New()
	h.Write(sig.Salt())
	var text io.Writer = h
	if sig.SigType == packet.SigTypeText {
		text = openpgp.NewCanonicalTextHash(h)
	}
	if _, err := text.Write(message); err != nil {
		out.Outcome, out.Reason = Unusable, err.Error()
		return out
	}
	return settled(out, key, h, sig)
}

// usable says whether e's key that a signature names may have made it, as of the moment at. Where it may, the outcome is
// Good until settled has looked at the document.
func usable(e *openpgp.Entity, sig *packet.Signature, at time.Time) (Signature, openpgp.Key) {
	out := Signature{Outcome: Unusable, UserID: userID(e, at), Fingerprint: fingerprint(e.PrimaryKey)}
	key, ok := e.SigningKeyById(at, *sig.IssuerKeyId, config(at))
	switch {
	case !ok:
		out.Cause, out.Reason = whyUnusable(e, *sig.IssuerKeyId, at)
	case (sig.Version == 6) != (key.PublicKey.Version == 6):
		out.Cause, out.Reason = OtherVersion, fmt.Sprintf("it is of version %d, and the key of version %d", sig.Version, key.PublicKey.Version)
	case sig.CreationTime.Before(key.PublicKey.CreationTime):
		out.Cause, out.Reason = OlderThanKey, "it is older than the key"
	case sig.SigExpired(at):
		out.Outcome, out.Reason = Expired, "it is not valid at the time of judgement"
		out.NotBegun = sig.CreationTime.After(at)
	default:
		out.Outcome = Good
	}
	if !ok {
		return out, key
	}
	out.KeyEnds = earliest(
		ends(e.PrimaryKey.CreationTime, key.PrimarySelfSignature.KeyLifetimeSecs),
		ends(key.PublicKey.CreationTime, key.SelfSignature.KeyLifetimeSecs),
		ends(sig.CreationTime, sig.SigLifetimeSecs))
	return out, key
}

// settled verifies a signature over the document that was written to h, which it uses up.
func settled(out Signature, key openpgp.Key, h hash.Hash, sig *packet.Signature) Signature {
	if err := key.PublicKey.VerifySignature(h, sig); err != nil {
		return Signature{Outcome: Bad, Reason: err.Error()}
	}
	return out
}

// ends returns when a lifetime in seconds is over; zero where it never is.
func ends(created time.Time, lifetime *uint32) time.Time {
	if lifetime == nil || *lifetime == 0 {
		return time.Time{}
	}
	return created.Add(time.Duration(*lifetime) * time.Second).UTC()
}

func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
