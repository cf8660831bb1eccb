package rpmrepo

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

// document is a repomd.xml as it was published.
type document struct {
	at   repository
	body []byte
	sig  []byte // the repomd.xml.asc; nil if there is none
}

// reference names the document as evidence.
func (d document) reference() verify.Reference {
	return verify.Reference{URL: d.at.url(repomd), SHA256: sha256.Sum256(d.body)}
}

// signer is an anchor whose key signed a document.
type signer struct {
	anchor  string
	keyring verify.Digest // of the key data, as it was then
	who     verify.Identity
	ends    time.Time // when the key or signature expires; zero if never
	lag     time.Duration
}

const (
	clockTolerance = time.Hour      // how far ahead of the time of judgement a document may be dated
	defaultLag     = 24 * time.Hour // tolerance for mirrors that lag, for anchors that name none
)

func lagOf(k verify.Keyring) time.Duration {
	if k.Lag <= 0 {
		return defaultLag
	}
	return k.Lag
}

// prove verifies a document against every anchor's keyring. There is either a metadata and signers, or a problem. An
// error means that a keyring cannot be used.
func (v *Verifier) prove(d document, env verify.Env) (*metadata, []signer, *verify.Finding, error) {
	if d.sig == nil {
		f := finding(verify.Absent, "unsigned", d.at.url(repomd)+" has no signature beside it")
		return nil, nil, &f, nil
	}
	var signers []signer
	var worst pgp.Signature
	count := 0
	for _, k := range env.Trust.Keyrings {
		best, n, err := v.bestSignature(k, d, env.At)
		if err != nil {
			return nil, nil, nil, err
		}
		count = n
		if best.Outcome == pgp.Good {
			signers = append(signers, signer{
				anchor: k.Anchor, keyring: sha256.Sum256(k.Data), ends: best.KeyEnds, lag: lagOf(k),
				who: verify.Identity{Name: best.UserID, Fingerprint: best.Fingerprint},
			})
		} else if best.Outcome >= worst.Outcome {
			worst = best
		}
	}
	if len(signers) == 0 {
		return nil, nil, unproven(d, worst, count, env.At), nil
	}
	m, err := parseRepomd(d.body)
	if err != nil {
		f := finding(verify.Invalid, "malformed", fmt.Sprintf("%s is signed by %s, but %v", d.at.url(repomd), signers[0].who, err))
		return nil, nil, &f, nil
	}
	m.URL, m.Digest = d.at.url(repomd), sha256.Sum256(d.body)
	return m, signers, nil, nil
}

// bestSignature returns the signature that proves most under a keyring, and how many there are. One that was made a
// moment ahead of our clock is judged as of then.
func (v *Verifier) bestSignature(k verify.Keyring, d document, at time.Time) (pgp.Signature, int, error) {
	key := verify.Digest(sha256.Sum256(k.Data))
	keys, ok := v.keyrings.Get(key)
	if !ok {
		var err error
		if keys, err = pgp.ParseKeyring(k.Data); err != nil {
			return pgp.Signature{}, 0, fmt.Errorf("anchor %s: %w", k.Anchor, err)
		}
		v.keyrings.Put(key, keys, 1)
	}
	all, err := keys.Verify(d.body, d.sig, at)
	if err != nil {
		return pgp.Signature{}, 0, err
	}
	best, _ := pgp.Best(all)
	if ahead := best.Created.Sub(at); best.Outcome == pgp.Expired && ahead > 0 && ahead <= clockTolerance {
		if all, err = keys.Verify(d.body, d.sig, best.Created); err != nil {
			return pgp.Signature{}, 0, err
		}
		best, _ = pgp.Best(all)
	}
	return best, len(all), nil
}

// unproven says why no anchor's key signed d.
func unproven(d document, s pgp.Signature, signatures int, at time.Time) *verify.Finding {
	by := "its signature"
	if s.KeyID != "" {
		by += " by key " + s.KeyID
	}
	detail := fmt.Sprintf("%s: %s: %s", d.at.url(repomd), by, s.Reason)
	status, code := verify.Invalid, "malformed"
	switch {
	case signatures == 0:
		status, code, detail = verify.Invalid, "malformed", d.at.url(repomdSig)+" holds no signature"
	case s.Outcome == pgp.Expired && s.Created.After(at):
		status, code = verify.Inconclusive, "future"
	case s.Outcome == pgp.Bad:
		code = "bad-signature"
	case s.Outcome == pgp.Expired:
		code = "expired"
	case s.Outcome == pgp.Weak:
		code = "weak-signature"
	case s.Outcome == pgp.Unusable:
		status, code = verify.Untrusted, "unusable-key"
	case s.Outcome == pgp.Unknown:
		status, code = verify.Untrusted, "unknown-key"
	}
	f := finding(status, code, detail)
	if code == "unusable-key" {
		f.Signer = verify.Identity{Name: s.UserID, Fingerprint: s.Fingerprint}
	}
	return &f
}

// voucher is an authentic repomd.xml at its place: it vouches for what it lists under its anchors, or, where it has
// none, its problem says why not.
type voucher struct {
	at      repository
	meta    *metadata
	anchors []string
	signer  verify.Identity
	ends    time.Time // when it stops vouching; zero if never
	problem *verify.Finding
}

func (v *voucher) reference() verify.Reference {
	return verify.Reference{URL: v.meta.URL, SHA256: v.meta.Digest}
}

// describe says for people what vouches.
func (v *voucher) describe() string {
	if v.meta.Date.IsZero() {
		return "the repomd.xml of " + v.at.String()
	}
	return fmt.Sprintf("the repomd.xml of %s of %s", v.at, v.meta.Date.Format(time.RFC3339))
}

// judge decides which of the signers a document may vouch under at its place. An error is about memory.
func (s *session) judge(at repository, m *metadata, signers []signer) (*voucher, error) {
	v := &voucher{at: at, meta: m, signer: signers[0].who}
	if m.Date.After(s.env.At.Add(clockTolerance)) {
		f := finding(verify.Inconclusive, "future", fmt.Sprintf("%s is dated %s, and by our clock it is %s",
			m.URL, m.Date.Format(time.RFC3339), s.env.At.UTC().Format(time.RFC3339)))
		v.problem = &f
		return v, nil
	}
	for _, by := range signers {
		newest, err := newestOf(s.env.Memory, by.anchor, at)
		if err != nil {
			return nil, err
		}
		if m.Date.Before(newest.Add(-by.lag)) {
			f := finding(verify.Invalid, "rollback", fmt.Sprintf(
				"%s is dated %s, but one dated %s was already accepted under the anchor %s, and %s is the most that it may lag",
				m.URL, m.Date.Format(time.RFC3339), newest.Format(time.RFC3339), by.anchor, by.lag))
			v.problem = &f
			continue
		}
		if len(v.anchors) == 0 {
			v.signer = by.who
		}
		if !slices.Contains(v.anchors, by.anchor) {
			v.anchors = append(v.anchors, by.anchor)
		}
		v.ends = sooner(v.ends, by.ends)
	}
	if len(v.anchors) > 0 {
		v.problem = nil
	}
	return v, nil
}

// merge adds v to list, to the voucher of the same document under other anchors if there is one.
func merge(list []*voucher, v *voucher) []*voucher {
	for _, have := range list {
		if have.at == v.at && have.meta.Digest == v.meta.Digest {
			for _, a := range v.anchors {
				if !slices.Contains(have.anchors, a) {
					have.anchors = append(have.anchors, a)
				}
			}
			have.ends = sooner(have.ends, v.ends)
			return list
		}
	}
	return append(list, v)
}

// sooner returns the earlier of two ends, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func byDate(a, b *voucher) int { return cmp.Compare(b.meta.Date.Unix(), a.meta.Date.Unix()) }
