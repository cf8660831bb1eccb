package authenticode

import (
	"crypto"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// weakKeyEnd is when RSA keys of less than 2048 bits stop being believed: authorities had to stop using them by then
// (NIST SP 800-131A; CA/Browser Forum). A trusted timestamp before it proves that the signature is older.
var weakKeyEnd = time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)

const shortKey = 2048 // bits of an RSA key that are believed today

// weakness returns why a path is too weak to be believed. What is weak but stands because of its age becomes a remark.
func (x *Examination) weakness(s *signature, path cms.Path, h crypto.Hash, signedAt time.Time, r *route) remark {
	if cms.Weaker(cms.Weaker(h, s.signer.Hash()), path.WeakestHash()) == crypto.SHA1 {
		if signedAt.IsZero() || !signedAt.Before(SHA1End) {
			return remark{"weak-digest", fmt.Sprintf("The %s relies on SHA-1, and no trusted timestamp proves that it is older than %s.",
				s.label, SHA1End.Format(time.DateOnly))}
		}
		r.remarks = append(r.remarks, remark{"weak-digest", fmt.Sprintf("The %s relies on SHA-1; it stands because a trusted timestamp of %s is older than %s.",
			s.label, day(signedAt), SHA1End.Format(time.DateOnly))})
	}
	c, bits := path.SmallestKey()
	if c == nil || bits >= shortKey {
		return remark{}
	}
	if signedAt.IsZero() || !signedAt.Before(weakKeyEnd) {
		return remark{"weak-key", fmt.Sprintf("The %s relies on the RSA key of %q with %d bits, and no trusted timestamp proves that it is older than %s.",
			s.label, nameOf(c.Subject), bits, weakKeyEnd.Format(time.DateOnly))}
	}
	r.remarks = append(r.remarks, remark{"weak-key", fmt.Sprintf("The %s relies on the RSA key of %q with %d bits; it stands because a trusted timestamp of %s is older than %s.",
		s.label, nameOf(c.Subject), bits, day(signedAt), weakKeyEnd.Format(time.DateOnly))})
	return remark{}
}

// conclude adds the verdict of a signature, those by other roots, and what is to be said beside a valid one.
func (x *Examination) conclude(f verify.Finding, j judged) {
	x.Verdict(f)
	for _, also := range j.more {
		x.Verdict(also)
	}
	if f.Status != verify.Valid {
		return
	}
	for _, r := range j.remarks {
		x.Remark(verify.Valid, r.code, "%s", r.text)
	}
}
