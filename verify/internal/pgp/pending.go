package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Pending is one binary signature whose message is read as it comes: write the message to it, then ask any number of
// keyrings. It takes versions 3, 4 and 6. It must not be used concurrently.
type Pending struct {
	says   Signature // Outcome is Unknown where nothing speaks against it
	kind   string
	sig    *packet.Signature // version 4 and 6
	old    *signatureV3      // version 3
	hash   hash.Hash         // nil where the message does not matter
	alien  bool              // of a version or algorithm that is not known here
	digest []byte            // once it was judged
}

var errUnknownAlgorithm = errors.New("not known here")

// ReadSignature reads one signature packet (RFC 9580 section 5.2), and nothing but that. What is wrong with it is told
// when it is judged.
func ReadSignature(raw []byte) *Pending {
	p := &Pending{kind: "unreadable"}
	body, err := onlySignature(raw)
	if err == nil && len(body) > 0 && body[0] == 3 {
		err = p.readV3(body)
	} else if err == nil {
		err = p.read(raw, body)
	}
	if err != nil {
		p.says.Outcome, p.says.Reason = Malformed, "the signature cannot be read: "+err.Error()
		var unsupported pgperrors.UnsupportedError
		p.alien = errors.Is(err, errUnknownAlgorithm) || errors.As(err, &unsupported)
	}
	if p.says.Outcome != Unknown {
		p.hash = nil
	}
	return p
}

// onlySignature returns the body of the packet that raw must consist of.
func onlySignature(raw []byte) ([]byte, error) {
	if len(raw) > maxSignatureFile {
		return nil, fmt.Errorf("%d bytes are more than %d", len(raw), maxSignatureFile)
	}
	r := packet.NewOpaqueReader(bytes.NewReader(raw))
	op, err := r.Next()
	if err != nil {
		return nil, err
	}
	if op.Tag != 2 {
		return nil, fmt.Errorf("it is a packet of type %d", op.Tag)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return op.Contents, nil
}

func (p *Pending) readV3(body []byte) error {
	s, err := parseV3(body)
	if s != nil {
		p.says.Created, p.says.KeyID = s.created, fmt.Sprintf("%016X", s.issuer)
		p.kind = "version 3, " + algorithmName(s.algorithm)
		if weakHashes[s.hash] {
			p.says.Outcome, p.says.Reason = Weak, "it rests on "+s.hash.String()
			return nil
		}
	}
	switch {
	case err != nil:
		return err
	case s.kind != byte(packet.SigTypeBinary):
		return fmt.Errorf("it is of type 0x%02x, which covers no binary document", s.kind)
	}
	p.kind += " with " + s.hash.String()
	p.says.Outcome, p.says.Reason = Unknown, "no key of the keyring made it"
	p.old, p.hash = s, s.hash.New()
	return nil
}

func (p *Pending) read(raw, body []byte) error {
	got, err := packet.Read(bytes.NewReader(raw))
	if err != nil {
		p.peek(body)
		return err
	}
	s, ok := got.(*packet.Signature)
	if !ok || s.IssuerKeyId == nil {
		return errors.New("it names no issuer")
	}
	p.says.Created, p.says.KeyID = s.CreationTime.UTC(), fmt.Sprintf("%016X", *s.IssuerKeyId)
	p.kind = fmt.Sprintf("version %d, %s with %s", s.Version, algorithmName(s.PubKeyAlgo), s.Hash)
	if s.SigType != packet.SigTypeBinary {
		return fmt.Errorf("it is of type 0x%02x, which covers no binary document", byte(s.SigType))
	}
	outcome, reason := admissible(s)
	if outcome != Good {
		p.says.Outcome, p.says.Reason = outcome, reason
		return nil
	}
	p.says.Outcome, p.says.Reason = Unknown, "no key of the keyring made it"
	p.sig, p.hash = s, s.Hash.New()
	p.hash.Write(s.Salt())
	return nil
}

// peek names the version and algorithm of a signature that cannot be read.
func (p *Pending) peek(body []byte) {
	if len(body) > 3 && (body[0] == 4 || body[0] == 6) {
		p.kind = fmt.Sprintf("version %d, public-key algorithm %d", body[0], body[2])
	}
}

func algorithmName(a packet.PublicKeyAlgorithm) string {
	switch a {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		return "RSA"
	case packet.PubKeyAlgoDSA:
		return "DSA"
	case packet.PubKeyAlgoECDSA:
		return "ECDSA"
	case packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448:
		return "EdDSA"
	}
	return fmt.Sprintf("algorithm %d", a)
}

// String names the version and algorithms, for a person.
func (p *Pending) String() string { return p.kind }

// Says returns what the signature says of itself, before any keyring is asked.
func (p *Pending) Says() Signature { return p.says }

// Unsupported reports whether the signature is malformed only in that its version or an algorithm is not known here.
func (p *Pending) Unsupported() bool { return p.alien }

// Needs reports whether the message matters: not for what is weak or malformed.
func (p *Pending) Needs() bool { return p.hash != nil }

// Write takes the next part of the message. It does not fail.
func (p *Pending) Write(b []byte) (int, error) {
	if p.hash != nil {
		p.hash.Write(b)
	}
	return len(b), nil
}

// sum ends the message and returns the digest that was signed.
func (p *Pending) sum() []byte {
	if p.digest == nil {
		if p.old != nil {
			p.hash.Write(p.old.trailer())
		} else {
			p.hash.Write(p.sig.HashSuffix)
		}
		p.digest = p.hash.Sum(nil)
	}
	return p.digest
}

// Judge says what a signature, the whole of whose message was written to it, proves under k as of the moment at. It
// fails only where the keyring cannot be read.
func (k *Keyring) Judge(p *Pending, at time.Time) (Signature, error) {
	out := p.says
	if p.hash == nil {
		return out, nil
	}
	entities, err := k.entities()
	if err != nil {
		return Signature{}, fmt.Errorf("verifying OpenPGP signature: %w", err)
	}
	for _, e := range entities.EntitiesById(p.issuer()) {
		if got := p.under(e, at); got.Outcome > out.Outcome {
			got.KeyID, got.Created = p.says.KeyID, p.says.Created
			out = got
		}
	}
	return out, nil
}

func (p *Pending) issuer() uint64 {
	if p.old != nil {
		return p.old.issuer
	}
	return *p.sig.IssuerKeyId
}

// under judges p under one key as of the moment at.
func (p *Pending) under(e *openpgp.Entity, at time.Time) Signature {
	if p.old != nil {
		return p.old.under(e, p.sum(), at)
	}
	out, key := usable(e, p.sig, at)
	if out.Outcome != Good {
		return out
	}
	return settled(out, key, finished(p.sum()), p.sig)
}

// finished is a hash that was computed already: the library appends its suffix to what is in it by then.
type finished []byte

func (finished) Write(b []byte) (int, error) { return len(b), nil }
func (f finished) Sum(b []byte) []byte       { return append(b, f...) }
func (finished) Reset()                      {}
func (f finished) Size() int                 { return len(f) }
func (finished) BlockSize() int              { return 1 }
