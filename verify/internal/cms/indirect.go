package cms

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// IndirectData is Microsoft's SpcIndirectDataContent ("Windows Authenticode Portable Executable Signature Format",
// March 2008): what kind of thing is signed, and its digest.
type IndirectData struct {
	Kind   OID       // SPC_PE_IMAGE_DATAOBJ and the like
	Value  []byte    // the kind's own data, a whole DER element; nil if there is none
	Digest Algorithm // over the thing, in a way that Kind defines
	Sum    []byte
}

// ParseIndirectData reads the content of a SignedData of type OIDIndirectData.
func ParseIndirectData(d *SignedData) (*IndirectData, error) {
	out, err := parseIndirect(d)
	if err != nil {
		return nil, err
	}
	if h := out.Digest.Hash(); h != 0 && len(out.Sum) != h.Size() {
		return nil, malformed("%s digest of %d bytes", HashName(h), len(out.Sum))
	}
	return out, nil
}

func parseIndirect(d *SignedData) (*IndirectData, error) {
	if d.ContentType != OIDIndirectData || d.Octets || d.Content == nil {
		return nil, malformed("signed content of type %s, not the digest of a file", d.ContentType)
	}
	var data, info, sum cryptobyte.String
	out := &IndirectData{}
	s := cryptobyte.String(d.Content)
	if !readSequence(&s, &data) || !readOID(&data, &out.Kind) || !data.Empty() && !readElement(&data, &out.Value) || !data.Empty() {
		return nil, malformed("SpcIndirectDataContent")
	}
	if !readSequence(&s, &info) || !s.Empty() || !readAlgorithm(&info, &out.Digest) ||
		!info.ReadASN1(&sum, asn1.OCTET_STRING) || !info.Empty() {
		return nil, malformed("digest in SpcIndirectDataContent")
	}
	out.Sum = sum
	return out, nil
}
