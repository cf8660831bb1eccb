package authenticode

import (
	"crypto"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Raw is a signature that comes without CMS around it, such as an XML signature. Its user has checked the value, and all
// that it is of, with the key of Leaf.
type Raw struct {
	Label        string      // where it is, for people
	Hash         crypto.Hash // the weakest that it relies on: SHA-1 or SHA-2
	Value        []byte      // the signature value, which timestamps are of
	Leaf         *cms.Certificate
	Certificates []*cms.Certificate // everything that came along, Leaf included; each once
	Timestamps   [][]byte           // RFC 3161 tokens, or answers of authorities from before RFC 3161, DER
}

var digestOIDs = map[crypto.Hash]cms.OID{
	crypto.SHA1:   cms.NewOID(1, 3, 14, 3, 2, 26),
	crypto.SHA256: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 1),
	crypto.SHA384: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 2),
	crypto.SHA512: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 3),
}

// JudgeRaw adds a verdict about a Raw: its timestamps, and its signer's path to a trusted root at the time of signing.
func (x *Examination) JudgeRaw(r Raw) {
	digest := cms.Algorithm{OID: digestOIDs[r.Hash]}
	s := &signature{
		label:  r.Label,
		data:   &cms.SignedData{Certificates: r.Certificates},
		signer: &cms.SignerInfo{Signature: r.Value, DigestAlgorithm: digest},
	}
	j := judged{leaf: r.Leaf, times: x.rawTimestamps(s, r)}
	x.signatures = append(x.signatures, s)
	f := x.judgeTrust(s, &j, r.Hash)
	x.conclude(f, j)
	x.inspect(s, j)
	if x.checks.Exhausted() {
		x.Remark(verify.Invalid, "malformed", "The file has so many certificates of the same names that more than %d signatures would have to be checked.", maxChecks)
	}
}

// rawTimestamps checks every timestamp of a Raw. One that is wrong is a finding: somebody put it there.
func (x *Examination) rawTimestamps(s *signature, r Raw) []timestamp {
	var out []timestamp
	for _, der := range r.Timestamps {
		if x.stamps++; x.stamps > maxTimestamps {
			x.Remark(verify.Invalid, "malformed", "The file has more than %d timestamps.", maxTimestamps)
			return out
		}
		parse := cms.ParseLegacyToken
		if cms.IsTimestampToken(der) {
			parse = cms.ParseTimestamp
		}
		ts, err := parse(der, r.Value, r.Certificates)
		if err != nil {
			x.Remark(verify.Invalid, "bad-timestamp", "A timestamp of the %s is wrong: %s.", s.label, err)
			continue
		}
		checked := x.trustTimestamp(ts)
		if checked.path == nil {
			x.unprovenBytes(der, len(der), "timestamp of the "+s.label)
			if len(der) > maxUntrusted {
				x.Remark(verify.Invalid, "hidden-data", "A timestamp of the %s by an authority that nobody trusts has %d bytes, more than a timestamp needs.", s.label, len(der))
			}
		}
		out = append(out, checked)
	}
	return out
}
