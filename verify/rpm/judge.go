package rpm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
)

// clockTolerance is how far ahead of the time of judgement a signature may be dated.
const clockTolerance = time.Hour

// judge says what was found out, once everything was read. What is wrong with the bytes is said alone: every
// signature on them is then about something else.
func (x *examination) judge() ([]verify.Finding, error) {
	if f := x.contradiction(); f != nil {
		return []verify.Finding{*f}, nil
	}
	if len(x.signed) == 0 {
		return append(one(verify.Absent, "unsigned", x.name+" carries no signature"), x.remarks...), nil
	}
	bound := slices.ContainsFunc(x.digests, func(d *digest) bool { return d.binds })
	var verdicts []*verdict
	reached := bound // some good signature reaches the payload
	for _, s := range x.signed {
		v, err := x.verdict(s)
		if err != nil {
			return nil, err
		}
		reached = reached || s.payload && v.best.Outcome == pgp.Good
		verdicts = append(verdicts, v)
	}
	var out []verify.Finding
	seen := map[string]bool{}
	for _, v := range verdicts {
		if v.best.Outcome == pgp.Good && !v.payload && !bound && reached {
			continue // what covers more speaks
		}
		f := x.say(v, bound)
		if key := f.Code + v.best.KeyID + strings.Join(f.Anchors, "\x00"); !seen[key] {
			seen[key] = true
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b verify.Finding) int { return cmp.Compare(gravity(a.Status), gravity(b.Status)) })
	return append(out, x.remarks...), nil
}

// gravity puts what speaks for the package first.
func gravity(s verify.Status) int {
	return slices.Index([]verify.Status{verify.Valid, verify.Invalid, verify.Untrusted}, s)
}

// contradiction says how the package differs from what it says of itself; nil if it does not.
func (x *examination) contradiction() *verify.Finding {
	var wrong []string
	for _, d := range x.digests {
		if !d.fits() {
			wrong = append(wrong, fmt.Sprintf("the %s of its %s is %x, not the stated %x", d.name, d.what, d.hash.Sum(nil), d.want))
		}
	}
	actual := x.pkg.Size - x.pkg.HeaderAt
	for _, size := range x.sizes {
		var f verify.Finding
		switch {
		case actual > size:
			f = finding(verify.Invalid, "trailing-data", fmt.Sprintf("%.200s: %d bytes follow the %d of header and payload", x.name, actual-size, size))
		case actual < size:
			f = finding(verify.Invalid, "truncated", fmt.Sprintf("%.200s: %d of the %d bytes of header and payload are missing", x.name, size-actual, size))
		default:
			continue
		}
		return &f
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	f := finding(verify.Invalid, "digest-mismatch", fmt.Sprintf("%.200s: %s", x.name, strings.Join(wrong, "; ")))
	return &f
}

// verdict is what the keyrings make of a signature.
type verdict struct {
	*signature
	best    pgp.Signature
	anchors []string // under which it is good
	expired bool     // the key has expired since
}

// verdict asks every keyring.
func (x *examination) verdict(s *signature) (*verdict, error) {
	v := &verdict{signature: s, best: s.Says()}
	for _, k := range x.env.Trust.Keyrings {
		keys, err := x.v.keyring(k)
		if err != nil {
			return nil, err
		}
		got, expired, err := x.under(keys, s)
		if err != nil {
			return nil, err
		}
		if got.Outcome > v.best.Outcome {
			v.best, v.expired = got, expired
		}
		if got.Outcome == pgp.Good && !slices.Contains(v.anchors, k.Anchor) {
			v.anchors = append(v.anchors, k.Anchor)
		}
	}
	return v, nil
}

// under judges a signature under one keyring: as of now, for the keys of which it has the current form, and otherwise as
// of the moment when it says it was made. A package stays what it was when its signer's key expires, and rpm goes on
// accepting it; a revocation for any reason but a key's retirement counts at all times.
func (x *examination) under(keys *pgp.Keyring, s *signature) (got pgp.Signature, expired bool, err error) {
	if got, err = keys.Judge(s.Pending, x.env.At); err != nil {
		return got, false, err
	}
	made := s.Says().Created
	ahead := made.After(x.env.At)
	switch {
	case got.Outcome == pgp.Unusable && !ahead, got.Outcome == pgp.Expired && ahead && made.Before(x.env.At.Add(clockTolerance)):
		then, err := keys.Judge(s.Pending, made)
		if err == nil && then.Outcome > got.Outcome {
			return then, !ahead, nil
		}
		return got, false, err
	}
	return got, false, nil
}

// say turns a verdict into a finding. bound says that the header states a strong digest of the payload, which fits.
func (x *examination) say(v *verdict, bound bool) verify.Finding {
	what := "header"
	if v.payload {
		what = "header and payload"
	}
	by := "its " + what + " has a signature"
	if v.best.KeyID != "" {
		by += " by key " + v.best.KeyID
	}
	detail := fmt.Sprintf("%.200s: %s (%s)", x.name, by, v.Pending)
	switch v.best.Outcome {
	case pgp.Good:
		return x.good(v, detail, bound)
	case pgp.Bad:
		return finding(verify.Invalid, "bad-signature", detail+", which does not fit: "+v.best.Reason)
	case pgp.Expired:
		return finding(verify.Untrusted, "expired", detail+": "+v.best.Reason)
	case pgp.Unusable:
		f := finding(verify.Untrusted, "unusable-key", detail+": "+v.best.Reason)
		f.Signer = verify.Identity{Name: v.best.UserID, Fingerprint: v.best.Fingerprint}
		return f
	case pgp.Weak:
		return finding(verify.Untrusted, "weak-signature", detail+": "+v.best.Reason)
	case pgp.Unknown:
		return finding(verify.Untrusted, "unknown-key", detail+", which no anchor has")
	}
	if v.Unsupported() {
		return finding(verify.Untrusted, "unknown-algorithm", detail+": "+v.best.Reason)
	}
	return finding(verify.Invalid, "malformed", detail+": "+v.best.Reason)
}

func (x *examination) good(v *verdict, detail string, bound bool) verify.Finding {
	if !v.payload && !bound {
		return finding(verify.Untrusted, "md5-payload", detail+
			", which is good and does not reach the payload: nothing signed states a digest of it that is better than MD5 or SHA-1")
	}
	f := finding(verify.Valid, "valid", detail)
	f.Signer = verify.Identity{Name: v.best.UserID, Fingerprint: v.best.Fingerprint}
	f.Anchors = v.anchors
	if v.expired {
		f.Detail += "; the key has expired since it was made"
	} else if v.best.KeyEnds.After(x.env.At) {
		f.NotAfter = v.best.KeyEnds
	}
	return f
}
