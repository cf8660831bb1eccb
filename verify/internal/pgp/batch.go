package pgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"hash"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ClockTolerance is how far ahead of the time of judgement a signature may be dated.
const ClockTolerance = time.Hour

// maxHashes bounds how many digests of one document are computed: every signature of version 6 has a salt of its own,
// and so needs one of its own.
const maxHashes = 8

// Batch verifies signatures, each under several keyrings, over one document that is written to it once. Unlike
// Keyring.Verify it knows no signatures over text: they leave line endings open. It is for one goroutine.
type Batch struct {
	at       time.Time
	keyrings []*Keyring
	entities []openpgp.EntityList
	checks   []*check
	hashes   map[hashKey]hash.Hash
}

type hashKey struct {
	hash crypto.Hash
	salt string
}

// check is one signature, and what each keyring says of it.
type check struct {
	sig   *packet.Signature
	key   hashKey
	by    []Signature
	await [][]awaited // by keyring: the keys that may have made it; its outcome is open until the document is there
}

// awaited is a key that a signature names, and what is said if it made it. Key ids collide, so there may be several.
type awaited struct {
	key  openpgp.Key
	says Signature
}

// NewBatch prepares to verify as of the moment at. It fails where a keyring cannot be read.
func NewBatch(at time.Time, keyrings ...*Keyring) (*Batch, error) {
	b := &Batch{at: at, keyrings: keyrings, hashes: map[hashKey]hash.Hash{}}
	for _, k := range keyrings {
		list, err := k.entities()
		if err != nil {
			return nil, fmt.Errorf("reading keyring: %w", err)
		}
		b.entities = append(b.entities, list)
	}
	return b, nil
}

// IsSignature reports whether data can be OpenPGP signatures: the armour of some, or a packet that is one.
func IsSignature(data []byte) bool {
	if t := bytes.TrimLeft(data, " \t\r\n"); bytes.HasPrefix(t, []byte(beginSignature)) {
		return true
	}
	if len(data) < 12 {
		return false
	}
	tag, body := data[0]&0x3f, 0
	switch {
	case data[0]&0xc0 == 0x80: // the old packet format
		tag, body = tag>>2, 1+[]int{1, 2, 4, 0}[tag&3]
	case data[0]&0xc0 == 0xc0 && data[1] < 192:
		body = 2
	case data[0]&0xc0 == 0xc0 && data[1] < 224:
		body = 3
	case data[0]&0xc0 == 0xc0:
		body = 6
	}
	return tag == 2 && body > 0 && data[body] >= 3 && data[body] <= 6
}

// Add takes the signatures of one file and returns how many there are. An error says why the file cannot be read.
func (b *Batch) Add(sig []byte) (int, error) {
	packets, err := signaturePackets(sig)
	if err != nil {
		return 0, err
	}
	for _, raw := range packets {
		b.checks = append(b.checks, b.prepare(raw))
	}
	return len(packets), nil
}

// Pending reports whether any signature depends on the document.
func (b *Batch) Pending() bool { return len(b.hashes) > 0 }

// Write takes the next bytes of the document. It never fails.
func (b *Batch) Write(p []byte) (int, error) {
	for _, h := range b.hashes {
		h.Write(p)
	}
	return len(p), nil
}

// Results returns for each signature, in the order in which they were added, what each keyring says of it. It is called
// once, after the whole document was written.
func (b *Batch) Results() [][]Signature {
	out := make([][]Signature, len(b.checks))
	for i, c := range b.checks {
		for k := range c.await {
			if len(c.await[k]) > 0 {
				c.by[k] = c.settle(c.await[k], b.hashes[c.key])
			}
		}
		out[i] = c.by
	}
	return out
}

// settle returns what the first key says that made the signature, else the first.
func (c *check) settle(keys []awaited, h hash.Hash) Signature {
	var first Signature
	for i, a := range keys {
		got := Signature{Outcome: Malformed, Cause: Unsupported, Reason: "its hash algorithm cannot be used here"}
		if cloner, ok := h.(hash.Cloner); ok {
			if clone, err := cloner.Clone(); err == nil {
				got = settled(a.says, a.key, clone, c.sig)
			}
		}
		got.KeyID, got.Created = a.says.KeyID, a.says.Created
		if got.Outcome == Good {
			return got
		}
		if i == 0 {
			first = got
		}
	}
	return first
}

// prepare says what can be said of a signature without the document.
func (b *Batch) prepare(raw []byte) *check {
	c := &check{}
	all := func(s Signature) *check {
		for range b.keyrings {
			c.by = append(c.by, s)
		}
		return c
	}
	p, err := packet.Read(bytes.NewReader(raw))
	sig, ok := p.(*packet.Signature)
	if err != nil || !ok || sig.IssuerKeyId == nil {
		return all(unread(raw, err))
	}
	c.sig = sig
	none := Signature{Outcome: Unknown, Created: sig.CreationTime.UTC(), KeyID: fmt.Sprintf("%016X", *sig.IssuerKeyId)}
	none.Reason = "no key of the keyring made it"
	if outcome, cause, reason := b.judgeAlone(sig); outcome != Good {
		none.Outcome, none.Cause, none.Reason = outcome, cause, reason
		return all(none)
	}
	at := b.at
	if ahead := sig.CreationTime.Sub(at); ahead > 0 && ahead <= ClockTolerance {
		at = sig.CreationTime
	}
	c.key = hashKey{sig.Hash, string(sig.Salt())}
	for i := range b.keyrings {
		best, await := none, []awaited(nil)
		for _, e := range b.entities[i].EntitiesById(*sig.IssuerKeyId) {
			got, key := usable(e, sig, at)
			got.KeyID, got.Created = none.KeyID, none.Created
			if got.Outcome == Good {
				await = append(await, awaited{key, got})
			} else if got.Outcome > best.Outcome {
				best = got
			}
		}
		if len(await) > 0 && !b.open(c.key) {
			best.Outcome, best.Cause, best.Reason = Malformed, TooMany, fmt.Sprintf("more than %d digests of the document would be needed", maxHashes)
			await = nil
		}
		c.by, c.await = append(c.by, best), append(c.await, await)
	}
	return c
}

// judgeAlone judges a signature by what it says of itself.
func (b *Batch) judgeAlone(sig *packet.Signature) (Outcome, Cause, string) {
	outcome, reason := admissible(sig)
	switch {
	case outcome == Good && sig.SigType == packet.SigTypeText:
		return Malformed, OverText, "it is over text, and leaves line endings open"
	case outcome != Malformed:
		return outcome, NoCause, reason
	case sig.SigType != packet.SigTypeText && sig.SigType != packet.SigTypeBinary:
		return outcome, WrongType, reason
	case !sig.Hash.Available() || sig.Version != 4 && sig.Version != 6:
		return outcome, Unsupported, reason
	}
	return outcome, CriticalNotation, reason
}

// unread judges a signature that the library does not read. The hash algorithm stands at a fixed place.
func unread(raw []byte, err error) Signature {
	s := Signature{Outcome: Malformed, Reason: "it names no issuer"}
	var unsupported pgperrors.UnsupportedError
	if err != nil {
		s.Reason = "it cannot be read: " + err.Error()
	}
	if errors.As(err, &unsupported) {
		s.Cause = Unsupported
		if h, ok := hashID(raw); ok && (h == 1 || h == 3) { // RFC 9580 section 9.5: MD5 and RIPEMD-160
			s.Outcome, s.Cause, s.Reason = Weak, NoCause, "it rests on MD5 or RIPEMD-160"
		}
	}
	return s
}

// hashID returns the hash algorithm of a serialized signature packet of version 4 or 6.
func hashID(raw []byte) (byte, bool) {
	p, err := packet.NewOpaqueReader(bytes.NewReader(raw)).Next()
	if err != nil || len(p.Contents) < 4 || p.Contents[0] != 4 && p.Contents[0] != 6 {
		return 0, false
	}
	return p.Contents[3], true
}

// open has a digest of the document computed, unless there are too many.
func (b *Batch) open(k hashKey) bool {
	if b.hashes[k] != nil {
		return true
	}
	if len(b.hashes) == maxHashes {
		return false
	}
	h := k.hash.New()
	h.Write([]byte(k.salt))
	b.hashes[k] = h
	return true
}
