package authenticodetest

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Signature says how to sign, and what to do wrong while doing so. Only Signer is needed.
type Signature struct {
	Signer    *Signer
	Hash      crypto.Hash // of file and attributes; default SHA-256
	Timestamp *Timestamp
	More      []*Timestamp // besides Timestamp
	Nested    []Signature

	PSS          bool     // RSASSA-PSS instead of PKCS #1 v1.5, for RSA keys
	Unsorted     bool     // stores the signed attributes in another order than the signed one
	Certificates [][]byte // further elements of the certificate set, DER
	CRLs         [][]byte // elements of the revocation set, DER
	Unsigned     []Unsigned
	Kind         cms.OID    // what is said to be signed; default: a PE image
	Data         []byte     // Kind's own data, DER; default: SpcPeImageData without page hashes
	Digest       []byte     // the file's digest, where it should not be the right one
	Breaks       bool       // the signature value does not fit
	Attributes   []Unsigned // further signed attributes, or the same again
	Without      cms.OID    // a signed attribute that is left out
	Signers      int        // how many times the signer's statement is there; 0 means once, negative none
}

// Unsigned is an unsigned attribute with one value, DER.
type Unsigned struct {
	OID   cms.OID
	Value []byte
}

// Timestamp says who confirms when. Time must be set.
type Timestamp struct {
	Authority *Signer
	Time      time.Time
	Hash      crypto.Hash // default SHA-256
	Legacy    bool        // a PKCS #9 countersignature instead of an RFC 3161 token
	Bare      bool        // Legacy with an RSA key: the bare hash is signed, without DigestInfo
	Of        []byte      // what is confirmed; default: the signature value
	Unsigned  []Unsigned  // unsigned attributes of the token's own signer
}

// Sign returns image with a certificate table that holds one entry for each signature. An image that has a table
// already loses it first.
func Sign(image []byte, signatures ...Signature) []byte {
	image = Strip(image)
	var table []byte
	for _, s := range signatures {
		table = append(table, Entry(SignedData(image, s))...)
	}
	return WithTable(image, table)
}

// Strip returns a copy of image without its certificate table, padded to a multiple of 8.
func Strip(image []byte) []byte {
	_, directory, table, _ := Offsets(image)
	out := bytes.Clone(image[:table])
	clear(out[directory : directory+8])
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	return out
}

// WithTable returns a copy of an unsigned image with table as its certificate table.
func WithTable(image, table []byte) []byte {
	out := append(bytes.Clone(image), table...)
	_, directory, _, _ := Offsets(image)
	binary.LittleEndian.PutUint32(out[directory:], uint32(len(image)))
	binary.LittleEndian.PutUint32(out[directory+4:], uint32(len(table)))
	return out
}

// Entry wraps a signature, and whatever is to be hidden after it, as a WIN_CERTIFICATE with its alignment.
func Entry(der []byte, hidden ...byte) []byte {
	content := append(bytes.Clone(der), hidden...)
	out := make([]byte, 8, align(8+len(content), 8))
	binary.LittleEndian.PutUint16(out[4:], 0x0200)
	binary.LittleEndian.PutUint16(out[6:], 2)
	out = append(out, content...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out
}

// Stuff returns a signed image with bytes hidden after the signature in its last table entry, as in CVE-2013-3900.
func Stuff(image, hidden []byte) []byte {
	_, _, at, size := Offsets(image)
	table := append(bytes.Clone(image[at:at+size]), hidden...)
	for len(table)%8 != 0 {
		table = append(table, 0)
	}
	last := 0
	for next := 0; next < size; next += align(int(binary.LittleEndian.Uint32(table[next:])), 8) {
		last = next
	}
	binary.LittleEndian.PutUint32(table[last:], uint32(len(table)-last))
	return WithTable(image[:at], table)
}

// PEDigest returns the Authenticode digest of an image.
func PEDigest(image []byte, h crypto.Hash) []byte {
	checksum, directory, table, _ := Offsets(image)
	w := h.New()
	w.Write(image[:checksum])
	w.Write(image[checksum+4 : directory])
	w.Write(image[directory+8 : table])
	return w.Sum(nil)
}

// SignedData returns a signature over image as a DER ContentInfo.
func SignedData(image []byte, s Signature) []byte {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	if s.Kind == "" {
		s.Kind = cms.OIDPEImageData
	}
	digest := s.Digest
	if digest == nil {
		digest = PEDigest(image, s.Hash)
	}
	content := build(func(b *cryptobyte.Builder) { indirectData(b, s.Kind, s.Data, s.Hash, digest) })
	return SignContent(cms.OIDIndirectData, content, s, func(n Signature) []byte { return SignedData(image, n) })
}

// SignContent returns a signature of content, the contents octets of a SEQUENCE of the given type, as a DER ContentInfo.
// nest makes each nested signature; nil means that they are of the same content.
func SignContent(kind cms.OID, content []byte, s Signature, nest func(Signature) []byte) []byte {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	if nest == nil {
		nest = func(n Signature) []byte { return SignContent(kind, content, n, nil) }
	}
	attributes := [][]byte{
		attribute(cms.OIDContentType, build(func(b *cryptobyte.Builder) { oid(b, kind) })),
		attribute(cms.OIDMessageDigest, octets(sum(s.Hash, content))),
	}
	for _, a := range s.Attributes {
		attributes = append(attributes, attribute(a.OID, a.Value))
	}
	attributes = slices.DeleteFunc(attributes, func(a []byte) bool {
		return s.Without != "" && bytes.Contains(a, build(func(b *cryptobyte.Builder) { oid(b, s.Without) }))
	})
	info := signerInfo{signer: s.Signer, hash: s.Hash, count: s.Signers, attributes: attributes, unsorted: s.Unsorted, pss: s.PSS, breaks: s.Breaks}
	info.sign()
	info.unsigned = append(info.unsigned, s.Unsigned...)
	for _, n := range s.Nested {
		info.unsigned = append(info.unsigned, Unsigned{cms.OIDNestedSignature, nest(n)})
	}
	certs := append(append([][]byte{s.Signer.Certificate.Raw}, s.Signer.Chain...), s.Certificates...)
	for _, ts := range append([]*Timestamp{s.Timestamp}, s.More...) {
		if ts == nil {
			continue
		}
		info.unsigned = append(info.unsigned, ts.over(info.value))
		if ts.Legacy {
			certs = append(append(certs, ts.Authority.Certificate.Raw), ts.Authority.Chain...)
		}
	}
	inner := build(func(b *cryptobyte.Builder) { // the content without an OCTET STRING around it, as in PKCS #7
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	})
	return contentInfo(1, kind, inner, certs, s.CRLs, &info)
}

// over makes the unsigned attribute that confirms the time of a signature value.
func (ts *Timestamp) over(value []byte) Unsigned {
	if ts.Hash == 0 {
		ts = &Timestamp{Authority: ts.Authority, Time: ts.Time, Hash: crypto.SHA256, Legacy: ts.Legacy, Bare: ts.Bare, Of: ts.Of, Unsigned: ts.Unsigned}
	}
	if ts.Of != nil {
		value = ts.Of
	}
	if ts.Legacy {
		info := signerInfo{signer: ts.Authority, hash: ts.Hash, bare: ts.Bare, unsigned: ts.Unsigned, attributes: [][]byte{
			attribute(cms.OIDContentType, build(func(b *cryptobyte.Builder) { oid(b, cms.OIDData) })),
			attribute(cms.OIDSigningTime, build(func(b *cryptobyte.Builder) { b.AddASN1UTCTime(ts.Time.UTC()) })),
			attribute(cms.OIDMessageDigest, octets(sum(ts.Hash, value))),
		}}
		info.sign()
		return Unsigned{cms.OIDCountersignature, build(info.marshal)}
	}
	content := build(func(b *cryptobyte.Builder) { tstInfo(b, ts, value) })
	info := signerInfo{signer: ts.Authority, hash: ts.Hash, unsigned: ts.Unsigned, attributes: [][]byte{
		attribute(cms.OIDContentType, build(func(b *cryptobyte.Builder) { oid(b, cms.OIDTSTInfo) })),
		attribute(cms.OIDMessageDigest, octets(sum(ts.Hash, content))),
	}}
	info.sign()
	certs := append([][]byte{ts.Authority.Certificate.Raw}, ts.Authority.Chain...)
	return Unsigned{cms.OIDTimestampToken, contentInfo(3, cms.OIDTSTInfo, octets(content), certs, nil, &info)}
}

func sum(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

// sorted returns elements in the order of a DER SET OF.
func sorted(elements [][]byte) [][]byte {
	out := slices.Clone(elements)
	slices.SortFunc(out, bytes.Compare)
	return out
}
