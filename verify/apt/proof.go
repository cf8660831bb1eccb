package apt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

// document is a Release as an archive published it.
type document struct {
	url      string // of the InRelease or Release
	body     []byte // the InRelease or the Release
	detached bool   // the signature is in sig, else inside body
	sig      []byte // the Release.gpg; empty if there is none
	sum      verify.Digest
}

func inRelease(url string, body []byte) document {
	return document{url: url, body: body, sum: sha256.Sum256(body)}
}

func detachedRelease(url string, body, sig []byte) document {
	return document{url: url, body: body, detached: true, sig: sig, sum: sha256.Sum256(body)}
}

// reference names the document as evidence.
func (d document) reference() verify.Reference { return verify.Reference{URL: d.url, SHA256: d.sum} }

// keyring is an anchor's keys, parsed.
type keyring struct {
	keys *pgp.Keyring
	err  error
}

// signer is an anchor whose key signed a document.
type signer struct {
	anchor  string
	keyring verify.Digest // of the key data, as it was then
	who     verify.Identity
	ends    time.Time // when the key or signature expires; zero if never
	lag     time.Duration
}

// proof says who signed a document. It has either signers and a release, or a problem.
type proof struct {
	rel     *release
	signers []signer
	problem *verify.Finding
	at      time.Time // the moment as of which the keys were judged
}

type proofKey struct {
	document, signature, keyrings verify.Digest
	detached                      bool
}

// prove verifies a document against every anchor's keyring. An error means that a keyring cannot be used.
func (v *Verifier) prove(d document, env verify.Env) (*proof, error) {
	key := proofKey{document: d.sum, signature: sha256.Sum256(d.sig), keyrings: keyringsDigest(env.Trust.Keyrings), detached: d.detached}
	if p, ok := v.proofs.Get(key); ok && p.holdsAt(env.At) {
		return p.named(d), nil
	}
	p, err := v.proveAnew(d, env)
	if err != nil {
		return nil, err
	}
	if p.problem == nil {
		v.proofs.Put(key, p, 1)
	}
	return p, nil
}

// holdsAt reports whether a proof made earlier is still one.
func (p *proof) holdsAt(at time.Time) bool {
	if at.Before(p.at) {
		return false
	}
	for _, s := range p.signers {
		if !s.ends.IsZero() && at.After(s.ends) {
			return false
		}
	}
	return true
}

// named returns p for a document with the same bytes at another URL.
func (p *proof) named(d document) *proof {
	if p.rel.URL == d.url {
		return p
	}
	rel := *p.rel
	rel.URL = d.url
	return &proof{rel: &rel, signers: p.signers, at: p.at}
}

func keyringsDigest(list []verify.Keyring) verify.Digest {
	h := sha256.New()
	for _, k := range list {
		sum := sha256.Sum256(k.Data)
		fmt.Fprintf(h, "%q %x %d\n", k.Anchor, sum, k.Lag)
	}
	return verify.Digest(h.Sum(nil))
}

func (v *Verifier) proveAnew(d document, env verify.Env) (*proof, error) {
	text, sig := d.body, d.sig
	if !d.detached {
		var err error
		text, sig, err = pgp.SplitClearsigned(d.body)
		switch {
		case errors.Is(err, pgp.ErrNotClearsigned):
			return failed(verify.Absent, "unsigned", d.url+" is not signed"), nil
		case err != nil:
			return failed(verify.Invalid, "malformed", fmt.Sprintf("%s: %v", d.url, err)), nil
		}
	}
	p := &proof{at: env.At}
	var worst pgp.Signature
	signatures := 0
	for _, k := range env.Trust.Keyrings {
		sum := verify.Digest(sha256.Sum256(k.Data))
		keys, err := v.keyring(sum, k)
		if err != nil {
			return nil, err
		}
		best, n, err := bestSignature(keys, text, sig, env.At)
		if err != nil {
			return nil, fmt.Errorf("anchor %s: %w", k.Anchor, err)
		}
		signatures = max(signatures, n)
		if best.Outcome == pgp.Good {
			who := verify.Identity{Name: best.UserID, Fingerprint: best.Fingerprint}
			p.signers = append(p.signers, signer{k.Anchor, sum, who, best.KeyEnds, lagOf(k)})
		} else if best.Outcome > worst.Outcome || worst.Reason == "" {
			worst = best
		}
	}
	if len(p.signers) == 0 {
		return unsigned(d, worst, signatures, env.At), nil
	}
	rel, err := parseRelease(text)
	if err != nil {
		return failed(verify.Invalid, "malformed", fmt.Sprintf("%s is signed by %s, but %v", d.url, p.signers[0].who, err)), nil
	}
	rel.URL, rel.Digest = d.url, d.sum
	p.rel = rel
	return p, nil
}

func failed(status verify.Status, code, detail string) *proof {
	f := finding(status, code, detail)
	return &proof{problem: &f}
}

// bestSignature returns the signature that proves most and how many there are. One that was made a moment ahead of our
// clock is judged as of then: archives sign every few minutes, and clocks differ.
func bestSignature(keys *pgp.Keyring, text, sig []byte, at time.Time) (pgp.Signature, int, error) {
	all, err := keys.Verify(text, sig, at)
	if err != nil {
		return pgp.Signature{}, 0, err
	}
	best, _ := pgp.Best(all)
	if ahead := best.Created.Sub(at); best.Outcome == pgp.Expired && ahead > 0 && ahead <= clockTolerance {
		if all, err = keys.Verify(text, sig, best.Created); err != nil {
			return pgp.Signature{}, 0, err
		}
		best, _ = pgp.Best(all)
	}
	return best, len(all), nil
}

// unsigned says why no anchor's key signed d.
func unsigned(d document, s pgp.Signature, signatures int, at time.Time) *proof {
	if signatures == 0 {
		return failed(verify.Absent, "unsigned", d.url+" carries no signature")
	}
	by := "its signature"
	if s.KeyID != "" {
		by = "its signature by key " + s.KeyID
	}
	detail := fmt.Sprintf("%s: %s: %s", d.url, by, s.Reason)
	if s.Outcome == pgp.Expired && s.Created.After(at) {
		return failed(verify.Inconclusive, "future", fmt.Sprintf("%s, of %s; by our clock it is %s",
			detail, s.Created.Format(time.RFC3339), at.UTC().Format(time.RFC3339)))
	}
	switch s.Outcome {
	case pgp.Bad:
		return failed(verify.Invalid, "bad-signature", detail)
	case pgp.Expired:
		return failed(verify.Invalid, "expired", detail)
	case pgp.Unusable:
		p := failed(verify.Untrusted, "unusable-key", detail)
		p.problem.Signer = verify.Identity{Name: s.UserID, Fingerprint: s.Fingerprint}
		return p
	case pgp.Weak:
		return failed(verify.Invalid, "weak-signature", detail)
	case pgp.Unknown:
		return failed(verify.Untrusted, "unknown-key", detail)
	}
	return failed(verify.Invalid, "malformed", detail)
}

// keyring returns k's parsed keys.
func (v *Verifier) keyring(sum verify.Digest, k verify.Keyring) (*pgp.Keyring, error) {
	got, ok := v.keyrings.Get(sum)
	if !ok {
		keys, err := pgp.ParseKeyring(k.Data)
		got = &keyring{keys, err}
		v.keyrings.Put(sum, got, 1)
	}
	if got.err != nil {
		return nil, fmt.Errorf("anchor %s: %w", k.Anchor, got.err)
	}
	return got.keys, nil
}

// defaultLag is the tolerance for mirrors that lag, for anchors that name none.
const defaultLag = 24 * time.Hour

func lagOf(k verify.Keyring) time.Duration {
	if k.Lag <= 0 {
		return defaultLag
	}
	return k.Lag
}
