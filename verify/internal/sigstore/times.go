package sigstore

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
)

// maxSkew is how far behind the time of judgement may be: clocks of proxies are set by hand, too.
const maxSkew = 24 * time.Hour

// stamps are the timestamps of a bundle that verify, one for each authority.
type stamps struct {
	times []time.Time
	wrong error // of the first that does not
}

// readStamps verifies the RFC 3161 timestamps over the signature. Those of authorities that the instance does not know say nothing,
// as entries of other logs do: vendors have authorities of their own.
func (v *verification) readStamps() (s stamps, err error) {
	if !v.Instance.HasTimestamps() {
		return s, nil
	}
	known := *v.Bundle
	known.timestamps = nil
	for _, t := range v.timestamps {
		p7, err := checkToken(t)
		if err != nil {
			return s, err
		}
		if p7 == nil || v.Instance.stamped(p7) {
			known.timestamps = append(known.timestamps, t)
		}
	}
	if len(known.timestamps) == 0 {
		return s, nil
	}
	verified, wrong, err := sgverify.VerifySignedTimestamp(entity{&known, v.entity.content}, v.material)
	if err != nil {
		return s, fail(Timestamp, "the timestamps cannot be read: %s", reason(err))
	}
	for _, t := range verified {
		s.times = append(s.times, t.Time)
	}
	s.wrong = errors.Join(wrong...)
	return s, nil
}

// checkToken refuses what would make a timestamp (RFC 3161 section 2.4.2) expensive to verify: the key that it is verified with
// comes with it, and only afterwards is that key's certificate looked at. It returns the token, nil if it cannot be read.
func checkToken(response []byte) (*pkcs7.PKCS7, error) {
	var r struct {
		Status asn1.RawValue
		Token  asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(response, &r); err != nil || len(r.Token.FullBytes) == 0 {
		return nil, nil // refused for that where it is read
	}
	p7, err := pkcs7.Parse(r.Token.FullBytes)
	if err != nil {
		return nil, nil
	}
	if n := len(p7.Certificates); n > maxTSACerts {
		return nil, fail(TooLarge, "a timestamp has %d certificates, %d are read", n, maxTSACerts)
	}
	for _, c := range p7.Certificates {
		if largeKey(c) {
			return nil, fail(TooLarge, "a timestamp has a certificate with an RSA key of more than %d bits", maxRSABits)
		}
	}
	return p7, nil
}

// stamped reports whether a timestamp says that it is by an authority of the instance: its signer's certificate was issued under the
// name of one of the authority's certificates, or as the authority's own.
func (i *Instance) stamped(p7 *pkcs7.PKCS7) bool {
	for _, s := range p7.Signers {
		for _, name := range i.stampers {
			if bytes.Equal(s.IssuerAndSerialNumber.IssuerName.FullBytes, name) {
				return true
			}
		}
	}
	return len(p7.Signers) == 0
}

// stampersOf returns the names under which certificates of an authority are issued (Name, DER).
func stampersOf(tsa root.TimestampingAuthority) (names [][]byte) {
	a, ok := tsa.(*root.SigstoreTimestampingAuthority)
	if !ok {
		return nil
	}
	if a.Leaf != nil {
		names = append(names, a.Leaf.RawIssuer)
	}
	for _, c := range append([]*x509.Certificate{a.Root}, a.Intermediates...) {
		if c != nil {
			names = append(names, c.RawSubject)
		}
	}
	return names
}

func largeKey(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && k.N.BitLen() > maxRSABits
}

// checkTimes counts timestamping authorities and holds all trusted times against the time of judgement.
func (v *verification) checkTimes() error {
	s := v.stamps
	if v.stampsErr != nil {
		return v.stampsErr
	}
	if len(s.times) == 0 && s.wrong != nil || len(s.times) < v.Timestamps && s.wrong != nil {
		return fail(Timestamp, "%d of %d timestamps verify: %s", len(s.times), len(v.timestamps), shorten(s.wrong.Error()))
	}
	if len(s.times) < v.Timestamps && v.short == nil {
		v.short = fail(Threshold, "%d timestamping authorities vouch for it, %d are asked for", len(s.times), v.Timestamps)
	}
	v.out.Timestamps = len(s.times)
	v.times = append(v.times, s.times...)
	for _, t := range v.times {
		if !v.at.IsZero() && t.After(v.at.Add(maxSkew)) {
			return fail(Timestamp, "it was signed at %s, which is after the time of judgement, %s", moment(t), moment(v.at))
		}
	}
	return nil
}

// logsInUse returns the logs whose entries may count. A promise says when the log took the entry, and sigstore-go holds that time
// against the log's validity; a proof alone says nothing, so it counts only where a timestamp lies in the log's validity. (A
// retired log's key might be anybody's.)
func (v *verification) logsInUse() map[string]*root.TransparencyLog {
	logs := v.Instance.RekorLogs()
	if len(v.stamps.times) == 0 {
		return logs
	}
	in := map[string]*root.TransparencyLog{}
	for id, l := range logs {
		if v.promised(id) || inUse(l, v.stamps.times) {
			in[id] = l
		}
	}
	return in
}

func inUse(l *root.TransparencyLog, times []time.Time) bool {
	for _, t := range times {
		if valid(t, l.ValidityPeriodStart, l.ValidityPeriodEnd) {
			return true
		}
	}
	return false
}
