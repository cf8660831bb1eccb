package authenticode

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// belonging says which certificates belong to a signer, and which of them nobody but their issuers can have made.
type belonging struct {
	used, proven map[*cms.Certificate]bool
}

// inspect accounts for what a signature carries unsigned: attributes, certificates, revocation lists.
func (x *Examination) inspect(s *signature, j judged) {
	x.attributes(s.signer, s.label, cms.OIDTimestampToken, cms.OIDCountersignature, cms.OIDNestedSignature)
	b := belonging{used: map[*cms.Certificate]bool{}, proven: map[*cms.Certificate]bool{}}
	if j.leaf != nil {
		b.add(j.leaf, j.path, cms.NewPool(s.data.Certificates, x.trust.signing, x.checks), j.path != nil && x.trust.general.Contains(j.path.Root()))
	}
	for _, ts := range j.times {
		b.add(ts.Authority, ts.path, cms.NewPool(ts.Pool, x.trust.timestamping, x.checks), true)
	}
	x.bag(s.data, nil, b, s.label)
	for _, ts := range j.times {
		where := "timestamp of the " + s.label
		x.attributes(ts.Signer, where)
		if ts.Token != nil {
			x.bag(ts.Token, ts.Authority, b, where)
		}
	}
}

// attributes reports unsigned attributes of other kinds than those that were parsed to the last byte of each value.
func (x *Examination) attributes(signer *cms.SignerInfo, where string, parsed ...cms.OID) {
	for _, a := range signer.Unsigned {
		if len(a.Values) > 0 && slices.Contains(parsed, a.OID) {
			continue
		}
		x.Remark(verify.Invalid, "unauthenticated-data", "The %s has %d bytes in an unsigned attribute that has no place there, of kind %s; no signature covers them; they are %s.",
			where, a.Size, a.OID, Texture(joined(a.Values)))
	}
}

func joined(values [][]byte) []byte {
	var out []byte
	for _, v := range values {
		out = append(out, v...)
	}
	return out
}

// add marks the certificates that belong to a signer: those of its path, which are proven if its root vouches under every
// anchor (whoever has a root under one anchor only decides about what is in its certificates); and beside it those that lead
// from it to a trusted root another way. Of an untrusted signer all above it are taken.
func (b belonging) add(leaf *cms.Certificate, path cms.Path, pool *cms.Pool, general bool) {
	vouched := pool.Vouched()
	for c := range pool.Above(leaf) {
		if path == nil || vouched[c] {
			b.used[c] = true
		}
	}
	for _, c := range path {
		b.used[c], b.proven[c] = true, general
	}
}

// bag reports what is in the certificate and revocation sets without belonging to a signer. authority is the signer of
// a timestamp, nil elsewhere.
func (x *Examination) bag(d *cms.SignedData, authority *cms.Certificate, b belonging, where string) {
	pool := cms.NewPool(d.Certificates, x.trust.signing, x.checks)
	var names []string
	size := 0
	for _, c := range d.Certificates {
		if hasCopy(b.proven, c) {
			continue
		}
		x.unprovenBytes(c.Raw, len(c.Raw), "certificates of the "+where)
		if hasCopy(b.used, c) {
			x.ordinary(c, where)
			continue
		}
		if _, err := c.PublicKey(); errors.Is(err, cms.ErrExplicitCurve) {
			x.Remark(verify.Invalid, "explicit-curve", "The certificate of %q in the %s brings its own elliptic curve, with which any key can be counterfeited (CVE-2020-0601).",
				nameOf(c.Subject), where)
			continue
		}
		if t, ok := tagInside(c); ok {
			x.tag(t, "in a certificate made for it, in the "+where)
			continue
		}
		if pool.Forged(c) {
			x.Remark(verify.Invalid, "hidden-data", "A certificate of %d bytes in the %s belongs to no chain, and its issuer %q, who is known, did not sign it.",
				len(c.Raw), where, nameOf(c.Issuer))
			continue
		}
		if !x.ordinary(c, where) {
			continue
		}
		size += len(c.Raw)
		names = append(names, fmt.Sprintf("%q", nameOf(c.Subject)))
	}
	switch {
	case size > maxSuperfluous:
		x.Remark(verify.Invalid, "hidden-data", "%d certificates with %d bytes in the %s belong to no chain.", len(names), size, where)
	case len(names) > 0:
		x.Remark(verify.Valid, "superfluous-certificate", "%d certificates with %d bytes in the %s belong to no chain; the first is of %s.", len(names), size, where, names[0])
	}
	for i, a := range d.Attributes {
		if i > 0 || authority == nil || !a.ClockStatement(authority) {
			x.Remark(verify.Invalid, "hidden-data", "An attribute certificate of %d bytes in the %s is none that belongs there; it is %s.", len(a.Raw), where, Texture(a.Raw))
		}
	}
	for _, raw := range d.Unparsable {
		x.Remark(verify.Invalid, "hidden-data", "%d bytes among the certificates of the %s are no certificate that can be read; they are %s.",
			len(raw), where, Texture(raw))
	}
	for _, raw := range d.CRLs {
		x.Remark(verify.Invalid, "hidden-data", "%d bytes stand as a revocation list in the %s, where Windows looks for none; they are %s.", len(raw), where, Texture(raw))
	}
}

// ordinary reports whether a certificate has the shape of an everyday one; if not, that is a finding.
func (x *Examination) ordinary(c *cms.Certificate, where string) bool {
	why := stuffed(c)
	if why != "" {
		x.Remark(verify.Invalid, "hidden-data", "A certificate of %d bytes in the %s, for which no trusted issuer stands, hides something: %s.", len(c.Raw), where, why)
	}
	return why == ""
}

// hasCopy reports whether a certificate with the same bytes is in the set: a timestamp's certificates often stand in
// the signature as well.
func hasCopy(set map[*cms.Certificate]bool, c *cms.Certificate) bool {
	if set[c] {
		return true
	}
	for o, in := range set {
		if in && o.Equal(c) {
			return true
		}
	}
	return false
}

// Limits of an ordinary certificate, in bytes; what is beyond them has another purpose.
const (
	maxSuperfluous   = 16 << 10 // all superfluous certificates of one signature together
	maxCertificate   = 8 << 10
	maxNameSize      = 1 << 10
	maxSerial        = 40
	maxKey           = 1100
	maxExtension     = 2 << 10
	maxUnknown       = 256 // an extension of a kind that everyday certificates do not have
	omahaExtension   = "1.3.6.1.4.1.11129.2.1.9999"
	maxStringHeaders = 8 // bytes of DER headers before a tag inside an extension
)

// stuffed returns in what way a certificate is none of the ordinary kind, or "".
func stuffed(c *cms.Certificate) string {
	key, signature := c.KeySize()
	switch {
	case len(c.Raw) > maxCertificate:
		return fmt.Sprintf("it is larger than %d bytes", maxCertificate)
	case len(c.RawSubject) > maxNameSize || len(c.RawIssuer) > maxNameSize:
		return "its names are overlong"
	case len(c.Serial) > maxSerial:
		return "its serial number is overlong"
	case key > maxKey || signature > maxKey:
		return "its key or signature is overlong"
	}
	for _, e := range c.Extensions {
		limit := maxUnknown
		if e.Familiar() {
			limit = maxExtension
		}
		if len(e.Value) > limit {
			return fmt.Sprintf("its extension %s has %d bytes, which are %s", e.OID, len(e.Value), Texture(e.Value))
		}
	}
	return ""
}

// tagInside looks for a known tag in a certificate that was made to hold it: Omaha's in an extension of its own,
// Mozilla's in any, with the headers of a DER string before it. The rest of the certificate must be ordinary.
func tagInside(c *cms.Certificate) (tag, bool) {
	var found tag
	var ok bool
	rest := *c
	rest.Extensions = nil
	for _, e := range c.Extensions {
		t, is := tagInExtension(e)
		if !is || ok {
			rest.Extensions = append(rest.Extensions, e)
			continue
		}
		found, ok = t, true
		rest.Raw = rest.Raw[:max(0, len(rest.Raw)-len(e.Value))]
	}
	return found, ok && stuffed(&rest) == ""
}

func tagInExtension(e cms.Extension) (tag, bool) {
	for skip := 0; skip <= min(maxStringHeaders, len(e.Value)); skip++ {
		t, ok := findTag(e.Value[skip:])
		if !ok {
			continue
		}
		if t.code == "omaha-tag" && (e.OID.String() != omahaExtension || skip != 0) {
			return tag{}, false
		}
		return t, true
	}
	return tag{}, false
}
