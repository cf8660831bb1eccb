package nuget

import (
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// maxChecks bounds the certificates' signatures that are computed to tell whose certificate is whose.
const maxChecks = 128

// trust has every signature judged: its timestamps, and its signer's path to a root for code signing.
func (x *inspection) trust(all []*signed, d *cms.SignedData) {
	bags := x.divide(all, d.Certificates)
	for i, s := range all {
		e := authenticode.New(method, "package", x.env)
		raw := authenticode.Raw{Label: s.label, Hash: s.hash, Value: s.signer.Signature, Leaf: s.leaf, Certificates: bags[i], Timestamps: x.unsigned(s)}
		e.JudgeRaw(raw)
		for _, f := range e.Findings() {
			x.add(s, f)
		}
	}
	x.leftovers(d)
}

// add keeps a finding about a signature. A valid one says who vouches for what.
func (x *inspection) add(s *signed, f verify.Finding) {
	if f.Code == method+"/valid" {
		f.Code = method + "/" + s.claim.kind
	}
	if f.Signer.IsZero() {
		x.remarks = append(x.remarks, f)
		return
	}
	f.Detail = strings.TrimSuffix(f.Detail, " ") + " " + s.claim.sentence()
	x.verdicts = append(x.verdicts, f)
}

// divide gives each signature the certificates that lie above its signer's. Those that belong to none go to the first,
// where they are looked at as what they are: bytes that nobody stands for.
func (x *inspection) divide(all []*signed, certs []*cms.Certificate) [][]*cms.Certificate {
	pool := cms.NewPool(certs, cms.NewRoots(nil), cms.NewChecks(maxChecks))
	bags := make([][]*cms.Certificate, len(all))
	used := map[*cms.Certificate]bool{}
	for i, s := range all {
		above := pool.Above(s.leaf)
		for _, c := range certs {
			if above[c] {
				bags[i] = append(bags[i], c)
				used[c] = true
			}
		}
	}
	for _, c := range certs {
		if !used[c] {
			bags[0] = append(bags[0], c)
		}
	}
	return bags
}

// unsigned accounts for a signature's unsigned attributes and returns its timestamps.
func (x *inspection) unsigned(s *signed) [][]byte {
	var stamps [][]byte
	for _, a := range s.signer.Unsigned {
		switch {
		case a.OID == oidTimestamp && len(a.Values) > 0:
			stamps = append(stamps, a.Values...)
		case a.OID == cms.OIDCountersignature && !s.counter && len(a.Values) > 0:
		default:
			x.remark(verify.Invalid, "unauthenticated-data", "The %s has %d bytes in an unsigned attribute that has no place there, of kind %s; they are %s.",
				s.label, a.Size, a.OID, authenticode.Texture(slices.Concat(a.Values...)))
		}
	}
	return stamps
}

// leftovers reports what is in the sets of certificates and revocation lists and is no certificate.
func (x *inspection) leftovers(d *cms.SignedData) {
	var rest [][]byte
	rest = append(append(rest, d.Unparsable...), d.CRLs...)
	for _, a := range d.Attributes {
		rest = append(rest, a.Raw)
	}
	for _, raw := range rest {
		x.remark(verify.Invalid, "hidden-data", "%d bytes among the certificates of the signature are none that can be read; they are %s.", len(raw), authenticode.Texture(raw))
	}
}
