package authenticode

import (
	"crypto"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// timestamp is a timestamp whose signature fits, and what was found out about its authority.
type timestamp struct {
	*cms.Timestamp
	path cms.Path // nil if the authority is not trusted
	why  string   // not trusted, then
	// unknown says why its authority's revocation is not known, if that is all that is missing.
	unknown string
}

// timestamps checks every timestamp of a signature. One that is wrong is a finding: somebody put it there.
func (x *Examination) timestamps(s *signature) []timestamp {
	var out []timestamp
	for _, a := range s.signer.Unsigned {
		if a.OID != cms.OIDTimestampToken && a.OID != cms.OIDCountersignature {
			continue
		}
		for _, value := range a.Values {
			if x.stamps++; x.stamps > maxTimestamps {
				x.Remark(verify.Invalid, "malformed", "The file has more than %d timestamps.", maxTimestamps)
				return out
			}
			var ts *cms.Timestamp
			var err error
			if a.OID == cms.OIDTimestampToken {
				ts, err = cms.ParseTimestamp(value, s.signer.Signature, s.data.Certificates)
			} else {
				ts, err = cms.ParseCountersignature(value, s.signer.Signature, s.data.Certificates)
			}
			if err != nil {
				x.Remark(verify.Invalid, "bad-timestamp", "A timestamp of the %s is wrong: %s.", s.label, err)
				continue
			}
			checked := x.trustTimestamp(ts)
			if checked.path == nil {
				x.unprovenBytes(value, len(value), "timestamp of the "+s.label)
			}
			if checked.path == nil && len(value) > maxUntrusted {
				x.Remark(verify.Invalid, "hidden-data", "A timestamp of the %s by an authority that nobody trusts has %d bytes, more than a timestamp needs.", s.label, len(value))
			}
			out = append(out, checked)
		}
	}
	return out
}

// trustTimestamp looks for a path from the authority to a timestamping root, as of the time it states: an authority's
// statement outlives its certificate.
func (x *Examination) trustTimestamp(ts *cms.Timestamp) timestamp {
	out := timestamp{Timestamp: ts}
	path, err := cms.NewPool(ts.Pool, x.trust.timestamping, x.checks).Path(ts.Authority, cms.OIDTimeStamping, ts.Time)
	if err != nil {
		out.why = err.Error()
		return out
	}
	weakest := cms.Weaker(ts.Hash, path.WeakestHash())
	switch {
	case weakest == crypto.MD5:
		out.why = "it relies on MD5"
	case weakest == crypto.SHA1 && !ts.Time.Before(SHA1End):
		out.why = "it relies on SHA-1 and says it is younger than " + SHA1End.Format(time.DateOnly)
	case ts.Time.After(x.at.Add(clockSkew)):
		out.why = fmt.Sprintf("it is of %s, which has not come yet", day(ts.Time))
	default:
		x.authority(&out, path)
	}
	return out
}

// authority takes a timestamp for trusted unless its authority's keys are too short or were revoked.
func (x *Examination) authority(ts *timestamp, path cms.Path) {
	if c, bits := path.SmallestKey(); c != nil && bits < shortKey && !ts.Time.Before(weakKeyEnd) {
		ts.why = fmt.Sprintf("it relies on an RSA key of %d bits and says it is younger than %s", bits, weakKeyEnd.Format(time.DateOnly))
		return
	}
	st := x.standing(path, ofAuthority(ts.Time))
	switch {
	case st.revoked != nil:
		ts.why = revocationText(st.revoked, st.entry)
	case x.trust.revocation.Required && st.unknown != "":
		ts.why, ts.unknown = "whether its authority has been revoked is not known "+st.unknown, st.unknown
	default:
		ts.path = path
	}
}

// trustedTime returns the earliest time that a trusted authority states, and the authority's name.
func trustedTime(all []timestamp) (at time.Time, authority string) {
	for _, ts := range all {
		if ts.path != nil && (at.IsZero() || ts.Time.Before(at)) {
			at, authority = ts.Time, nameOf(ts.Authority.Subject)
		}
	}
	return at, authority
}

// noTime says, as part of a sentence, why there is no trusted time.
func noTime(all []timestamp) string {
	if len(all) == 0 {
		return "it has no timestamp"
	}
	return fmt.Sprintf("its timestamp by %q is not trusted (%s)", nameOf(all[0].Authority.Subject), all[0].why)
}
