// Package authenticode is what all kinds of files with Microsoft's signatures have in common ("Windows Authenticode
// Portable Executable Signature Format", March 2008; RFC 2315 and 5652; RFC 3161): one or more CMS SignedData, nested
// ones included, that are each of a digest of the file, by a signer who leads to a code-signing root at a time that a
// timestamp proves, and in which every byte is accounted for.
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

// SHA1End is when SHA-1 stops being believed: whoever wants a collision could have bought one by then. A trusted
// timestamp before it proves that the signature is older.
var SHA1End = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)

// clockSkew is how far a timestamp may lie after the time of judgement.
const clockSkew = 24 * time.Hour

// Examination judges the signatures of one file. Its user collects them, computes the digests that they are of, and has
// them judged; what lies beside them in the file it reports itself, by Remark.
type Examination struct {
	method     string
	noun       string
	trust      trust
	at         time.Time
	checks     *cms.Checks
	signatures []*signature
	stamps     int // timestamps seen
	unproven   int // bytes, see unprovenBytes

	verdicts, remarks []verify.Finding
}

// New returns an Examination whose findings have the given method. noun is what the file is called in sentences, such
// as "program". Where env.Trust names no roots the embedded ones apply.
func New(method, noun string, env verify.Env) *Examination {
	return &Examination{method: method, noun: noun, trust: embedded().with(env.Trust), at: env.At, checks: cms.NewChecks(maxChecks)}
}

// Signed is what a SignedData says it is of.
type Signed struct {
	Hash crypto.Hash // 0 if the algorithm is unknown, or if Inside
	Name string      // of the algorithm, for people
	Sum  []byte
	// Inside says that the signature is of its own content, so that there is no digest of anything else to compare.
	Inside bool
	// Checked is how many bytes of the content the file itself decides about, such as hashes of its pages.
	Checked int
}

// Binding reads what a SignedData is of. An error means that it is none for this kind of file.
type Binding func(*cms.SignedData) (Signed, error)

// Indirect is the Binding of SpcIndirectDataContent with one of the kinds given.
func Indirect(kinds ...cms.OID) Binding {
	return func(d *cms.SignedData) (Signed, error) {
		data, err := cms.ParseIndirectData(d)
		if err != nil {
			return Signed{}, err
		}
		if !slices.Contains(kinds, data.Kind) {
			return Signed{}, fmt.Errorf("it is a signature of something else than this kind of file (%s)", data.Kind)
		}
		return Signed{Hash: data.Digest.Hash(), Name: data.Digest.OID.String(), Sum: data.Sum}, nil
	}
}

// signature is one SignedData in the file.
type signature struct {
	label  string // where it is, for people
	raw    []byte
	data   *cms.SignedData
	signer *cms.SignerInfo
	of     Signed
}

// Collect parses a signature, a whole DER ContentInfo, and those nested in it. What cannot be parsed leaves a finding.
// label says where it is, as in "signature in entry 2".
func (x *Examination) Collect(der []byte, label string, bind Binding) { x.collect(der, label, bind, 1) }

func (x *Examination) collect(der []byte, label string, bind Binding, depth int) {
	if len(x.signatures) == maxSignatures || depth > maxNesting {
		x.Remark(verify.Invalid, "malformed", "The file has more than %d signatures, or nests them more than %d deep.", maxSignatures, maxNesting)
		return
	}
	s := &signature{label: label}
	var err error
	if s.data, err = cms.ParseContentInfo(der); err == nil {
		s.of, err = bind(s.data)
	}
	if err == nil && len(s.data.Signers) != 1 {
		err = fmt.Errorf("it has %d signers, not one", len(s.data.Signers))
	}
	if err != nil {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: Unreadable(label, err)})
		return
	}
	if x.repeats(der) {
		x.Remark(verify.Invalid, "duplicate-signature", "The %s is the same as one before it; what is there twice serves to change a file without breaking its signature.", label)
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
			x.collect(value, fmt.Sprintf("nested signature %d in the %s", n, label), bind, depth+1)
		}
	}
}

// repeats reports whether a signature is there already.
func (x *Examination) repeats(der []byte) bool {
	for _, s := range x.signatures {
		if bytes.Equal(s.raw, der) {
			return true
		}
	}
	return false
}

// Hashes returns the hash functions of the digests that Judge needs.
func (x *Examination) Hashes() []crypto.Hash {
	var out []crypto.Hash
	seen := map[crypto.Hash]bool{0: true}
	for _, s := range x.signatures {
		if h := s.of.Hash; !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	return out
}

// Judge adds a verdict for every signature, given the digests of what is signed.
func (x *Examination) Judge(sums map[crypto.Hash][]byte) {
	var untrusted []*signature
	for _, s := range x.signatures {
		f, judged := x.judgeOne(s, sums)
		x.conclude(f, judged)
		if f.Status == verify.Untrusted {
			untrusted = append(untrusted, s)
		}
		x.inspect(s, judged)
	}
	if len(untrusted) < len(x.signatures) {
		x.bulk(untrusted)
	}
	if x.severalSigners() {
		x.freight()
	}
	if x.checks.Exhausted() {
		x.Remark(verify.Invalid, "malformed", "The file has so many certificates of the same names that more than %d signatures would have to be checked.", maxChecks)
	}
}

// bulk reports what would be large enough to carry something beside a trusted signature: an untrusted one, or all
// together for which nobody trusted stands.
func (x *Examination) bulk(untrusted []*signature) {
	for _, s := range untrusted {
		size := len(s.raw)
		for _, a := range s.signer.Unsigned {
			size -= a.Size
		}
		x.unprovenBytes(s.raw, size, s.label)
		if size > maxUntrusted {
			x.Remark(verify.Invalid, "hidden-data", "The %s, by somebody whom nobody trusts, has %d bytes beside a trusted signature, more than it needs.", s.label, size)
		}
	}
	said := slices.ContainsFunc(x.remarks, func(f verify.Finding) bool { return f.Code == x.method+"/hidden-data" })
	if x.unproven > maxUnproven && !said {
		x.Remark(verify.Invalid, "hidden-data", "Beside a trusted signature the file has %d bytes in signatures, timestamps and certificates for which nobody trusted stands, more than %d.",
			x.unproven, maxUnproven)
	}
}

// judged is what was learnt about a signature on the way to its verdict.
type judged struct {
	leaf    *cms.Certificate
	path    cms.Path // nil if it leads to no root
	times   []timestamp
	remarks []remark         // on how it relies on what is weak
	more    []verify.Finding // by paths to other roots that anchors bring
}

// judgeOne follows one signature: from the file's bytes to the signed digest, from there to the signer's key, from
// the key to a trusted root, as of the time of signing.
func (x *Examination) judgeOne(s *signature, sums map[crypto.Hash][]byte) (verify.Finding, judged) {
	var j judged
	invalid := func(code, format string, args ...any) (verify.Finding, judged) {
		return verify.Finding{Status: verify.Invalid, Code: code, Detail: fmt.Sprintf(format, args...)}, j
	}
	if j.leaf = cms.FindSigner(s.signer, s.data.Certificates); j.leaf != nil {
		j.times = x.timestamps(s)
	}
	h := s.of.Hash
	sum, ok := sums[h]
	switch {
	case s.of.Inside:
		h = s.signer.Hash()
	case h == 0 || !ok:
		return invalid("malformed", "The %s uses a digest algorithm that is unknown (%s).", s.label, s.of.Name)
	case !hmac.Equal(sum, s.of.Sum):
		return invalid("digest-mismatch", "The file is not what was signed: its %s digest is %x, the %s is of %x.",
			cms.HashName(h), sum, s.label, s.of.Sum)
	}
	if j.leaf == nil {
		return invalid("bad-signature", "The %s does not contain its signer's certificate.", s.label)
	}
	if err := s.signer.Verify(j.leaf, s.data.ContentType, s.data.Content); err != nil {
		if errors.Is(err, cms.ErrExplicitCurve) {
			return invalid("explicit-curve", "The %s uses a key that brings its own elliptic curve, with which any key can be counterfeited (CVE-2020-0601).", s.label)
		}
		if errors.Is(err, cms.ErrWeakKey) {
			return invalid("weak-key", "The %s uses an RSA key of less than 1024 bits, which others can find out.", s.label)
		}
		return invalid("bad-signature", "The %s is wrong: %s.", s.label, err)
	}
	if h == crypto.MD5 || s.signer.Hash() == crypto.MD5 {
		return invalid("weak-digest", "The %s relies on MD5, for which anybody can make two files with one digest.", s.label)
	}
	return x.judgeTrust(s, &j, h), j
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

func (x *Examination) whyUntrusted(s *signature, j *judged, err *cms.PathError, signedAt time.Time) string {
	detail := fmt.Sprintf("The %s by %q fits the %s, but %s", s.label, j.leaf.Subject.Best(), x.noun, err.Detail)
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
