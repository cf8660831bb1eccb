package authenticode

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// maxRoutes is how many paths of one signer are judged. Honest ones have two or three.
const maxRoutes = 32

// route is one path from a signer to a trusted root, and the verdict that it leads to.
type route struct {
	path    cms.Path
	finding verify.Finding
	private bool // its root vouches under the anchors only that bring it
	remarks []remark
	lost    *cms.Certificate // whose key others may have; nil if that is not known of any
}

// remark is something to be said beside a valid signature.
type remark struct{ code, text string }

// routes judges the paths of a signature's signer. It stops at the first that vouches under every anchor where no other
// could make a difference: without anchors' own roots, and without revocation lists.
func (x *Examination) routes(s *signature, j *judged, h crypto.Hash, at, signedAt time.Time) ([]route, error) {
	var all []route
	pool := cms.NewPool(s.data.Certificates, x.trust.signing, x.checks)
	err := pool.Paths(j.leaf, cms.OIDCodeSigning, at, func(path cms.Path) bool {
		r := x.route(s, j, h, path, signedAt)
		all = append(all, r)
		enough := r.finding.Status == verify.Valid && x.trust.anchored == nil && len(x.trust.revocation.Lists) == 0
		return enough || len(all) == maxRoutes
	})
	return x.withoutLost(s, all), err
}

// withoutLost has a key that others may have, as one path tells, defeat every other path that leads through a certificate
// with the same key.
func (x *Examination) withoutLost(s *signature, all []route) []route {
	for _, bad := range all {
		if bad.lost == nil {
			continue
		}
		for i := range all {
			if all[i].finding.Status == verify.Valid && all[i].path.HasKeyOf(bad.lost) {
				all[i].finding = bad.finding
			}
		}
	}
	return all
}

// best returns the route that the verdict is taken from: one that vouches before one that does not, one under every
// anchor before one under some; and those of the others that vouch and end in another root which an anchor brings.
func (x *Examination) best(all []route) (route, []route) {
	first := all[0]
	for _, r := range all[1:] {
		if rank(r) > rank(first) {
			first = r
		}
	}
	var more []route
	seen := map[string]bool{string(first.path.Root().Raw): true}
	for _, r := range all {
		root := r.path.Root()
		if r.finding.Status != verify.Valid || seen[string(root.Raw)] || x.trust.anchored == nil || !x.trust.anchored.Contains(root) {
			continue
		}
		seen[string(root.Raw)] = true
		more = append(more, r)
	}
	return first, more
}

func rank(r route) int {
	n := 0
	if r.finding.Status == verify.Valid {
		n += 2
	}
	if r.finding.Status == verify.Invalid {
		n++ // a revoked one says more than an untrusted one
	}
	n *= 2
	if !r.private {
		n++
	}
	return n
}

// route judges one path, which is fit in itself.
func (x *Examination) route(s *signature, j *judged, h crypto.Hash, path cms.Path, signedAt time.Time) route {
	r := route{path: path, private: !x.trust.general.Contains(path.Root())}
	who := x.identity(j.leaf, path)
	says := func(status verify.Status, code, format string, args ...any) route {
		r.finding = verify.Finding{Status: status, Code: code, Signer: who, SignedAt: signedAt, Detail: fmt.Sprintf(format, args...)}
		return r
	}
	proven := signedAt
	if j.leaf.Allows(cms.OIDLifetimeSigning) {
		proven = time.Time{} // its signatures end with it, whatever a timestamp says
	}
	st := x.standing(path, afterSigning(proven))
	if st.revoked != nil {
		if st.entry.Reason.Compromise() {
			r.lost = st.revoked
		}
		return says(verify.Invalid, "revoked", "The %s by %q fits the %s, but %s; %s.", s.label, j.leaf.Subject.Best(), x.noun,
			revocationText(st.revoked, st.entry), x.madeWhen(j, signedAt))
	}
	if weak := x.weakness(s, path, h, signedAt, &r); weak.code != "" {
		return says(verify.Untrusted, weak.code, "%s", weak.text)
	}
	if x.trust.revocation.Required {
		if why := firstOf(st.unknown, x.unknownTime(j, signedAt)); why != "" {
			return says(verify.Untrusted, "revocation-unknown", "The %s by %q fits the %s, but whether it has been revoked is not known %s.",
				s.label, j.leaf.Subject.Best(), x.noun, why)
		}
	}
	says(verify.Valid, "valid", "The %s covers the whole %s with %s and leads to the root %q; ", s.label, x.noun, cms.HashName(h), nameOf(path.Root().Subject))
	x.endOf(&r.finding, j, path, signedAt)
	if x.trust.revocation.Required {
		r.finding.NotAfter = earlier(r.finding.NotAfter, st.until)
	}
	if text := st.text(); text != "" {
		r.finding.Detail += " " + text
	}
	return r
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// unknownTime returns why a timestamp does not count, if all that is missing is a revocation list.
func (x *Examination) unknownTime(j *judged, signedAt time.Time) string {
	if signedAt.IsZero() {
		for _, ts := range j.times {
			if ts.unknown != "" {
				return ts.unknown
			}
		}
	}
	return ""
}

func (x *Examination) madeWhen(j *judged, signedAt time.Time) string {
	if signedAt.IsZero() {
		return noTime(j.times) + " that would prove it older"
	}
	if j.leaf.Allows(cms.OIDLifetimeSigning) {
		return "it is for lifetime signing, so that no timestamp helps"
	}
	return "a trusted timestamp is of " + day(signedAt)
}

// endOf says until when a valid signature is one.
func (x *Examination) endOf(f *verify.Finding, j *judged, path cms.Path, signedAt time.Time) {
	_, authority := trustedTime(j.times)
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
}

// judgeTrust looks for a path to a trusted root and says whether it holds at the time of signing.
func (x *Examination) judgeTrust(s *signature, j *judged, h crypto.Hash) verify.Finding {
	signedAt, _ := trustedTime(j.times)
	at := signedAt
	if signedAt.IsZero() || j.leaf.Allows(cms.OIDLifetimeSigning) {
		at = x.at
	}
	all, err := x.routes(s, j, h, at, signedAt)
	var pathErr *cms.PathError
	if errors.As(err, &pathErr) {
		return verify.Finding{Status: verify.Untrusted, Code: reasonCode(pathErr.Reason), Signer: x.identity(j.leaf, pathErr.Path),
			SignedAt: signedAt, Detail: x.whyUntrusted(s, j, pathErr, signedAt)}
	}
	first, more := x.best(all)
	j.path, j.remarks = first.path, first.remarks
	for _, r := range more {
		j.more = append(j.more, r.finding)
	}
	return first.finding
}
