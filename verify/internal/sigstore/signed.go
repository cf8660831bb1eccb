package sigstore

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// findKey looks for the key that signed among those that are trusted. The key that the bundle names is tried like any other.
func (v *verification) findKey() error {
	if v.leaf != nil {
		return fail(Key, "it is signed with a certificate, and a key is asked for")
	}
	var wrong error
	for _, der := range v.Keys {
		k, err := readKey(der)
		if err != nil {
			return err
		}
		v.key = k
		err = v.checkSignature()
		if err == nil {
			v.material.key = k
			v.out.Signer.Fingerprint = k.fingerprint
			return nil
		}
		if code(err) == "" {
			return err
		}
		if wrong == nil || code(wrong) == Signature {
			wrong = err
		}
	}
	if len(v.Keys) > 1 && code(wrong) == Signature {
		return fail(Signature, "it is signed by none of the %d keys", len(v.Keys))
	}
	return wrong
}

// checkSignature verifies the signature with the signer's key.
func (v *verification) checkSignature() error {
	if v.envelope != nil {
		return v.checkEnvelope()
	}
	return v.checkMessage()
}

// checkEnvelope verifies the signature over the envelope's type and payload (DSSE protocol.md, PAE). The key id that the signature
// names is a hint and is not looked at.
func (v *verification) checkEnvelope() error {
	if !v.key.signsMessage(v.signature, dsse.PAE(v.envelope.PayloadType, v.payload)) {
		return fail(Signature, "the signature of the envelope does not verify")
	}
	return nil
}

// checkMessage verifies a signature over the artifact itself. Where the bundle names a digest by which the key signs, it is
// verified over that digest, and checkArtifact compares it with the artifact's afterwards: so an artifact is read again for
// genuine signers only. Otherwise the digests by which the key signs are tried.
func (v *verification) checkMessage() error {
	if h := byName[v.digestAlg]; h != 0 && slices.Contains(v.key.hashes, hashing{v.digestAlg, h}) {
		if v.key.signsDigest(v.signature, h, v.digest) {
			return nil
		}
	}
	for _, h := range v.key.hashes {
		if h.name == v.digestAlg {
			continue
		}
		if sum, err := v.artifact.digest(h.name); err != nil {
			return err
		} else if sum != nil && v.key.signsDigest(v.signature, h.hash, sum) {
			return nil
		}
	}
	if pub, ok := v.key.key.(ed25519.PublicKey); ok && v.key.managed {
		return v.checkPure(pub)
	}
	return fail(Signature, "the signature over the artifact does not verify")
}

// checkPure verifies a pure Ed25519 signature, which is over the bytes of the artifact.
func (v *verification) checkPure(pub ed25519.PublicKey) error {
	if v.artifact.Content == nil {
		return fail(Unsupported, "a pure Ed25519 signature cannot be verified from a digest")
	}
	if v.artifact.Size > MaxStreamed {
		return fail(TooLarge, "a pure Ed25519 signature needs all %d bytes of the artifact, %d are read", v.artifact.Size, int64(MaxStreamed))
	}
	if !v.artifact.reread() {
		return fail(TooLarge, "the artifact was read too often already for signatures that need all its bytes")
	}
	ok, err := signsStream(pub, v.signature, v.artifact.readInto)
	if err != nil {
		return fmt.Errorf("reading the artifact: %w", err)
	}
	if !ok {
		return fail(Signature, "the signature over the artifact does not verify")
	}
	return nil
}

// checkArtifact says whether what was signed is the artifact.
func (v *verification) checkArtifact() error {
	if v.statement != nil {
		name, ok, err := v.statement.Names(v.artifact)
		if err != nil {
			return err
		}
		if !ok {
			return fail(SubjectMismatch, "the statement is about %s, not about this artifact", v.statement.about())
		}
		v.out.Subject = name
		return nil
	}
	if v.digestAlg == "" {
		return nil // the signature is over a digest of the artifact itself, or over its bytes
	}
	sum, err := v.artifact.digest(v.digestAlg)
	if err != nil {
		return err
	}
	if sum == nil {
		return fmt.Errorf("the %s of the artifact cannot be had", v.digestAlg)
	}
	if string(sum) != string(v.digest) {
		return fail(DigestMismatch, "it is over an artifact with the %s %s", v.digestAlg, shorten(fmt.Sprintf("%x", v.digest)))
	}
	return nil
}

// about names what the statement is about, for a person.
func (s *Statement) about() string {
	name := s.Subjects[0].Name
	if name == "" {
		name = s.Subjects[0].URI
	}
	if n := len(s.Subjects); n > 1 {
		return fmt.Sprintf("%s and %d others", quote(name), n-1)
	}
	return quote(name)
}
