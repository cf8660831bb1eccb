package authenticode

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Limits on the signatures of one file.
const (
	maxSignatures = 8
	maxNesting    = 3
	maxTimestamps = 16
	maxChecks     = 512 // signatures of certificates that are computed; honest files need some dozens
)

// sha1End is when SHA-1 stops being believed: whoever wants a collision could have bought one by then. A trusted
// timestamp before it proves that the signature is older.
var sha1End = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)

// clockSkew is how far a timestamp may lie after the time of judgement.
const clockSkew = 24 * time.Hour

// examination is one run of Verify over one file.
type examination struct {
	trust      trust
	at         time.Time
	checks     *cms.Checks
	signatures []*signature
	stamps     int // timestamps seen
	unproven   int // bytes, see unprovenBytes

	verdicts, remarks []verify.Finding
}

// signature is one SignedData in the file. What is signed is given by its kind and digest alone, so that everything
// below serves other containers than PE as well.
type signature struct {
	label    string // where it is, for people
	raw      []byte
	data     *cms.SignedData
	signer   *cms.SignerInfo
	indirect *cms.IndirectData
}

// collect parses a signature and those nested in it. What cannot be parsed leaves a finding.
func (x *examination) collect(der []byte, label string, depth int) {
	if len(x.signatures) == maxSignatures || depth > maxNesting {
		x.remark(verify.Invalid, "malformed", "The file has more than %d signatures, or nests them more than %d deep.", maxSignatures, maxNesting)
		return
	}
	s := &signature{label: label}
	var err error
	if s.data, err = cms.ParseContentInfo(der); err == nil {
		s.indirect, err = cms.ParseIndirectData(s.data)
	}
	switch {
	case err != nil:
	case len(s.data.Signers) != 1:
		err = fmt.Errorf("it has %d signers, not one", len(s.data.Signers))
	case s.indirect.Kind != cms.OIDPEImageData:
		err = fmt.Errorf("it is a signature of something else than a program (%s)", s.indirect.Kind)
	}
	if err != nil {
		x.verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: sentence(label, err)})
		return
	}
	if x.repeats(der) {
		x.remark(verify.Invalid, "duplicate-signature", "The %s is the same as one before it; what is there twice serves to change a file without breaking its signature.", label)
		return
	}
	s.raw, s.signer = der, s.data.Signers[0]
	x.signatures = append(x.signatures, s)
	n := 0
	for _, a := range s.signer.Unsigned {
		if a.OID != cms.OIDNestedSignature {
			continue
		}
		for _, value := range a.Values {
			n++
			x.collect(value, fmt.Sprintf("nested signature %d in the %s", n, label), depth+1)
		}
	}
}

// repeats reports whether a signature is there already.
func (x *examination) repeats(der []byte) bool {
	for _, s := range x.signatures {
		if bytes.Equal(s.raw, der) {
			return true
		}
	}
	return false
}

// hashes returns the hash functions that the signatures need of the image.
func (x *examination) hashes() []crypto.Hash {
	var out []crypto.Hash
	seen := map[crypto.Hash]bool{0: true}
	for _, s := range x.signatures {
		if h := s.indirect.Digest.Hash(); !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	return out
}

// judge adds a verdict for every signature, given the image's digests.
func (x *examination) judge(sums map[crypto.Hash][]byte) {
	var untrusted []*signature
	for _, s := range x.signatures {
		f, judged := x.judgeOne(s, sums)
		x.verdict(f)
		if f.Status == verify.Untrusted {
			untrusted = append(untrusted, s)
		}
		if judged.weak && f.Status == verify.Valid {
			x.remark(verify.Valid, "weak-digest", "The %s relies on SHA-1; it stands because a trusted timestamp of %s is older than %s.",
				s.label, day(f.SignedAt), sha1End.Format(time.DateOnly))
		}
		x.inspect(s, judged)
	}
	if len(untrusted) < len(x.signatures) {
		x.bulk(untrusted)
	}
	if x.checks.Exhausted() {
		x.remark(verify.Invalid, "malformed", "The file has so many certificates of the same names that more than %d signatures would have to be checked.", maxChecks)
	}
}

// bulk reports what would be large enough to carry something beside a trusted signature: an untrusted one, or all
// together for which nobody trusted stands.
func (x *examination) bulk(untrusted []*signature) {
	for _, s := range untrusted {
		size := len(s.raw)
		for _, a := range s.signer.Unsigned {
			size -= a.Size
		}
		x.unprovenBytes(s.raw, size, s.label)
		if size > maxUntrusted {
			x.remark(verify.Invalid, "hidden-data", "The %s, by somebody whom nobody trusts, has %d bytes beside a trusted signature, more than it needs.", s.label, size)
		}
	}
	said := slices.ContainsFunc(x.remarks, func(f verify.Finding) bool { return f.Code == method+"/hidden-data" })
	if x.unproven > maxUnproven && !said {
		x.remark(verify.Invalid, "hidden-data", "Beside a trusted signature the file has %d bytes in signatures, timestamps and certificates for which nobody trusted stands, more than %d.",
			x.unproven, maxUnproven)
	}
}

// judged is what was learnt about a signature on the way to its verdict.
type judged struct {
	weak bool // it relies on SHA-1

	leaf  *cms.Certificate
	path  cms.Path // nil if it leads to no root
	times []timestamp
}

// judgeOne follows one signature: from the file's bytes to the signed digest, from there to the signer's key, from
// the key to a trusted root, as of the time of signing.
func (x *examination) judgeOne(s *signature, sums map[crypto.Hash][]byte) (verify.Finding, judged) {
	var j judged
	invalid := func(code, format string, args ...any) (verify.Finding, judged) {
		return verify.Finding{Status: verify.Invalid, Code: code, Detail: fmt.Sprintf(format, args...)}, j
	}
	if j.leaf = cms.FindSigner(s.signer, s.data.Certificates); j.leaf != nil {
		j.times = x.timestamps(s)
	}
	h := s.indirect.Digest.Hash()
	sum, ok := sums[h]
	switch {
	case h == 0 || !ok:
		return invalid("malformed", "The %s uses a digest algorithm that is unknown (%s).", s.label, s.indirect.Digest.OID)
	case !hmac.Equal(sum, s.indirect.Sum):
		return invalid("digest-mismatch", "The file is not what was signed: its %s digest is %x, the %s is of %x.",
			cms.HashName(h), sum, s.label, s.indirect.Sum)
	}
	if j.leaf == nil {
		return invalid("bad-signature", "The %s does not contain its signer's certificate.", s.label)
	}
	if err := s.signer.Verify(j.leaf, s.data.ContentType, s.data.Content); err != nil {
		if errors.Is(err, cms.ErrExplicitCurve) {
			return invalid("explicit-curve", "The %s uses a key that brings its own elliptic curve, with which any key can be counterfeited (CVE-2020-0601).", s.label)
		}
		return invalid("bad-signature", "The %s is wrong: %s.", s.label, err)
	}
	if h == crypto.MD5 || s.signer.Hash() == crypto.MD5 {
		return invalid("weak-digest", "The %s relies on MD5, for which anybody can make two files with one digest.", s.label)
	}
	return x.judgeTrust(s, &j, h), j
}

// judgeTrust looks for a path to a trusted root and says whether it holds at the time of signing.
func (x *examination) judgeTrust(s *signature, j *judged, h crypto.Hash) verify.Finding {
	signedAt, authority := trustedTime(j.times)
	at := signedAt
	if signedAt.IsZero() || j.leaf.Allows(cms.OIDLifetimeSigning) {
		at = x.at
	}
	untrusted := func(code, detail string, path cms.Path) verify.Finding {
		return verify.Finding{Status: verify.Untrusted, Code: code, Signer: identity(j.leaf, path), SignedAt: signedAt, Detail: detail}
	}
	pool := cms.NewPool(s.data.Certificates, x.trust.signing, x.checks)
	path, err := pool.Path(j.leaf, cms.OIDCodeSigning, at)
	var pathErr *cms.PathError
	if errors.As(err, &pathErr) {
		return untrusted(reasonCode(pathErr.Reason), x.whyUntrusted(s, j, pathErr, signedAt), pathErr.Path)
	}
	j.path = path
	weakest := cms.Weaker(cms.Weaker(h, s.signer.Hash()), path.WeakestHash())
	j.weak = weakest == crypto.SHA1
	if j.weak && (signedAt.IsZero() || !signedAt.Before(sha1End)) {
		return untrusted("weak-digest", fmt.Sprintf("The %s relies on SHA-1, and no trusted timestamp proves that it is older than %s.",
			s.label, sha1End.Format(time.DateOnly)), path)
	}
	f := verify.Finding{Status: verify.Valid, Code: "valid", Signer: identity(j.leaf, path), SignedAt: signedAt}
	f.Detail = fmt.Sprintf("The %s covers the whole program with %s and leads to the root %q; ", s.label, cms.HashName(h), nameOf(path.Root().Subject))
	switch {
	case signedAt.IsZero():
		f.NotAfter = expiry(path)
		f.Detail += fmt.Sprintf("%s, so it ends with its certificates at %s.", noTime(j.times), day(f.NotAfter))
	case j.leaf.Allows(cms.OIDLifetimeSigning):
		f.NotAfter = expiry(path)
		f.Detail += fmt.Sprintf("%q confirmed it at %s, but its certificate is for lifetime signing: it ends at %s all the same.", authority, day(signedAt), day(f.NotAfter))
	default:
		f.Detail += fmt.Sprintf("%q confirmed it at %s.", authority, day(signedAt))
	}
	return f
}

// reasonCode names why there is no path.
func reasonCode(r cms.PathReason) string {
	switch r {
	case cms.WrongUsage:
		return "wrong-usage"
	case cms.OutOfTime:
		return "expired"
	case cms.Unfit:
		return "bad-chain"
	}
	return "untrusted-root"
}

func (x *examination) whyUntrusted(s *signature, j *judged, err *cms.PathError, signedAt time.Time) string {
	detail := fmt.Sprintf("The %s by %q fits the program, but %s", s.label, j.leaf.Subject.Best(), err.Detail)
	if err.Reason == cms.OutOfTime && signedAt.IsZero() {
		return detail + "; " + noTime(j.times) + "."
	}
	return detail + "."
}

// expiry returns when the first certificate of a path ends.
func expiry(p cms.Path) time.Time {
	first := p[0].NotAfter
	for _, c := range p {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}
