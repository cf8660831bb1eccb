package nuget

import (
	"context"
	"crypto"
	"crypto/hmac"
	"errors"
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// signed is one signature of the package: the primary one or a countersignature.
type signed struct {
	label   string
	counter bool // a countersignature, which is of the primary signature's value
	signer  *cms.SignerInfo
	leaf    *cms.Certificate
	claim   claim
	hash    crypto.Hash // the weakest that it relies on
	of      []byte      // what its message digest is of
}

// judge follows the primary signature from the package to its signer, and the repository's countersignature from there.
func (x *inspection) judge(ctx context.Context, der []byte) error {
	d, err := cms.ParseContentInfo(der)
	if err == nil && len(d.Signers) != 1 {
		err = fmt.Errorf("it has %d signers, not one", len(d.Signers))
	}
	var h crypto.Hash
	var sum []byte
	if err == nil {
		h, sum, err = parseContent(d)
	}
	if err != nil {
		x.verdict(verify.Invalid, "malformed", "%s", authenticode.Unreadable("signature", err))
		return nil
	}
	have, err := x.digest(ctx, h)
	if err != nil {
		return fmt.Errorf("hashing the package: %w", err)
	}
	if !hmac.Equal(have, sum) {
		x.verdict(verify.Invalid, "digest-mismatch", "The package is not what was signed: its %s digest without the signature is %x, the signature is of %x.", cms.HashName(h), have, sum)
		return nil
	}
	primary := &signed{label: "primary signature", signer: d.Signers[0], of: d.Content, hash: h}
	if !x.check(primary, d.Certificates) {
		return nil
	}
	all := []*signed{primary}
	for _, c := range x.counters(primary) {
		if x.check(c, d.Certificates) {
			all = append(all, c)
		}
	}
	x.trust(all, d)
	return nil
}

// check verifies a signature's value and reads its claim; what is wrong is a verdict.
func (x *inspection) check(s *signed, certs []*cms.Certificate) bool {
	fail := func(code, format string, args ...any) bool {
		x.verdict(verify.Invalid, code, "The %s %s.", s.label, fmt.Sprintf(format, args...))
		return false
	}
	if s.leaf = cms.FindSigner(s.signer, certs); s.leaf == nil {
		return fail("bad-signature", "does not contain its signer's certificate")
	}
	h := s.signer.Hash()
	if hashes[s.signer.DigestAlgorithm.OID.String()] == 0 {
		return fail("weak-digest", "uses the digest algorithm %s, which NuGet does not take", s.signer.DigestAlgorithm.OID)
	}
	s.hash = cms.Weaker(s.hash, h)
	err := s.signer.Verify(s.leaf, cms.OIDData, s.of)
	switch {
	case errors.Is(err, cms.ErrExplicitCurve):
		return fail("explicit-curve", "uses a key that brings its own elliptic curve (CVE-2020-0601)")
	case err != nil:
		return fail("bad-signature", "is wrong: %s", err)
	}
	if s.claim, err = readClaim(s.signer, s.leaf); err != nil {
		return fail("malformed", "is not as NuGet demands it: %s", err)
	}
	switch {
	case !s.counter:
		s.label = s.claim.kind + " signature"
	case s.claim.kind != "repository":
		return fail("malformed", "is an author's, and only repositories countersign")
	}
	return true
}

// counters returns the countersignatures (RFC 5652 section 11.4) of the primary signature. A package has one at most, and
// only if an author signed it.
func (x *inspection) counters(primary *signed) []*signed {
	var out []*signed
	for _, a := range primary.signer.Unsigned {
		if a.OID != cms.OIDCountersignature {
			continue
		}
		for _, value := range a.Values {
			si, err := cms.ParseSignerInfo(value)
			if err != nil {
				x.verdict(verify.Invalid, "malformed", "%s", authenticode.Unreadable("countersignature", err))
				continue
			}
			out = append(out, &signed{label: "repository countersignature", counter: true, signer: si, of: primary.signer.Signature, hash: crypto.SHA512})
		}
	}
	if len(out) > 1 || len(out) == 1 && primary.claim.kind != "author" {
		x.remark(verify.Invalid, "unauthenticated-data", "The %s has %d countersignatures; only an author's signature has any, and one at most.", primary.label, len(out))
		return out[:min(len(out), 1)]
	}
	return out
}
