package authenticode

import (
	"crypto"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Kinds of page hashes, and the class of the object that holds them.
var (
	oidPageHashesV1 = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 3, 1) // SHA-1
	oidPageHashesV2 = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 3, 2) // SHA-256
	classPageHashes = "\xa6\xb5\x86\xd5\xb4\xa1\x24\x66\xae\x05\xa2\x17\xda\x8e\x60\xd6"
)

// maxImageData is how many bytes an SpcPeImageData without page hashes may have before it is worth naming.
const maxImageData = 128

// imageData is what a signature says about the image besides its digest.
type imageData struct {
	sum       []byte      // the signed digest of the image
	function  crypto.Hash // of sum
	pages     []byte      // the table of page hashes; nil if there is none
	pageHash  crypto.Hash
	malformed bool   // there are page hashes, and they cannot be read
	other     []byte // what is there instead of page hashes, where it is more than an everyday signer puts there
}

// programs returns the binding of program signatures; what they say is appended to seen.
func programs(seen *[]imageData) authenticode.Binding {
	plain := authenticode.Indirect(cms.OIDPEImageData)
	return func(d *cms.SignedData) (authenticode.Signed, error) {
		of, err := plain(d)
		if err != nil {
			return of, err
		}
		data, err := cms.ParseIndirectData(d)
		if err != nil {
			return of, err
		}
		i := readImageData(data.Value)
		i.sum, i.function = of.Sum, of.Hash
		*seen = append(*seen, i)
		of.Checked = len(i.pages)
		return of, nil
	}
}

// readImageData reads an SpcPeImageData (Authenticode PE specification): flags, and a link that was meant for the name of
// the file and holds page hashes today. All of it is signed, so that what is unknown there is the signer's own.
func readImageData(der []byte) (out imageData) {
	object, ok := pageObject(der)
	if !ok {
		if len(der) > maxImageData {
			out.other = der
		}
		return out
	}
	kind, table, err := readPageHashes(object)
	switch {
	case err != nil:
		out.malformed = true
	case kind == oidPageHashesV1:
		out.pages, out.pageHash = table, crypto.SHA1
	case kind == oidPageHashesV2:
		out.pages, out.pageHash = table, crypto.SHA256
	default:
		out.malformed = true
	}
	return out
}

// pageObject returns the serialized object of an SpcLink of the class of page hashes.
func pageObject(der []byte) ([]byte, bool) {
	var data, file, moniker, class, object cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&data, asn1.SEQUENCE) || data.PeekASN1Tag(asn1.BIT_STRING) && !data.SkipASN1(asn1.BIT_STRING) ||
		!data.ReadASN1(&file, asn1.Tag(0).Constructed().ContextSpecific()) ||
		!file.ReadASN1(&moniker, asn1.Tag(1).Constructed().ContextSpecific()) ||
		!moniker.ReadASN1(&class, asn1.OCTET_STRING) || string(class) != classPageHashes {
		return nil, false
	}
	if !moniker.ReadASN1(&object, asn1.OCTET_STRING) || !moniker.Empty() || !file.Empty() || !data.Empty() || !s.Empty() {
		return nil, true // its class says what it is, and it is not that
	}
	return object, true
}

// readPageHashes reads SET { SEQUENCE { kind, SET { table } } }, every byte of it.
func readPageHashes(object []byte) (kind cms.OID, table []byte, err error) {
	var set, attribute, oid, values, octets cryptobyte.String
	s := cryptobyte.String(object)
	if !s.ReadASN1(&set, asn1.SET) || !s.Empty() || !set.ReadASN1(&attribute, asn1.SEQUENCE) || !set.Empty() ||
		!attribute.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || !attribute.ReadASN1(&values, asn1.SET) || !attribute.Empty() ||
		!values.ReadASN1(&octets, asn1.OCTET_STRING) || !values.Empty() {
		return "", nil, errors.New("the page hashes cannot be read")
	}
	return cms.OID(oid), octets, nil
}
