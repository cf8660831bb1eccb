package authenticodetest

import (
	"bytes"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Region is a part of a signature, and one byte in it.
type Region struct {
	Name string
	At   int // offset of the byte in the signature

	// Uncovered says that nothing notices when the byte changes.
	Uncovered bool
}

// Regions returns a byte in each region of a signature with an RFC 3161 timestamp, or without one, of which a change must
// be noticed, and of those where none can be.
func Regions(der []byte) []Region {
	data, err := cms.ParseContentInfo(der)
	check(err)
	signer := data.Signers[0]
	var out []Region
	add := func(name string, part []byte, at int, uncovered bool) {
		out = append(out, Region{Name: name, At: bytes.Index(der, part) + at, Uncovered: uncovered})
	}
	leaf := cms.FindSigner(signer, data.Certificates).Raw
	add("the type of the signature", der[:16], 12, false)
	add("the signed content", data.Content, len(data.Content)-1, false)
	add("the signed attributes", signer.Signature, -80, false)
	add("the signer's certificate", leaf, len(leaf)/2, false)
	add("the issuer's signature of it", leaf, len(leaf)-1, false)
	add("the signed message digest", attributeValue(signer.Signed, cms.OIDMessageDigest), 2, false)
	add("the signature value", signer.Signature, len(signer.Signature)/2, false)
	token := attributeValue(signer.Unsigned, cms.OIDTimestampToken)
	if token == nil {
		return out
	}
	stamp, err := cms.ParseContentInfo(token)
	check(err)
	add("the time", stamp.Content, len(stamp.Content)/2, false)
	add("the timestamp's signature value", stamp.Signers[0].Signature, 9, false)
	for _, a := range stamp.Attributes {
		add("the authority's clock statement", a.Raw, len(a.Raw)-1, true)
	}
	return out
}

func attributeValue(attributes []cms.Attribute, kind cms.OID) []byte {
	for _, a := range attributes {
		if a.OID == kind {
			return a.Values[0]
		}
	}
	return nil
}
