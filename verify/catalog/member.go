package catalog

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// oidCabinetData is the kind under which catalogues list files that are not programs, by the digest of all their bytes.
var oidCabinetData = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 25)

// scope says what a member's digest is over.
type scope uint8

const (
	scopeOther   scope = iota // something that is not computed here, such as the text of a script
	scopeFile                 // all bytes of a file
	scopeImage                // a program's image, as Authenticode hashes it
	scopeUnknown              // the member does not say: a program's image or all bytes of any other file
)

// member is one file that a catalogue lists.
type member struct {
	sum   []byte // the digest; nil if it is none that can be used
	hash  crypto.Hash
	scope scope
	file  []byte // the name that the catalogue gives it, UTF-16LE; nil if none
}

var errMember = errors.New("it is no member as catalogues have it")

// parseMember reads one TrustedSubject: a tag, and attributes that say what it is of.
func parseMember(members *cryptobyte.String) (member, error) {
	var subject, tag, attributes cryptobyte.String
	if !members.ReadASN1(&subject, asn1.SEQUENCE) || !subject.ReadASN1(&tag, asn1.OCTET_STRING) ||
		!subject.Empty() && !subject.ReadASN1(&attributes, asn1.SET) || !subject.Empty() {
		return member{}, errMember
	}
	var m member
	var data *cms.IndirectData
	for n := 0; !attributes.Empty(); n++ {
		var attribute, values cryptobyte.String
		var kind cms.OID
		if n == maxAttributes || !attributes.ReadASN1(&attribute, asn1.SEQUENCE) || !readOID(&attribute, &kind) ||
			!attribute.ReadASN1(&values, asn1.SET) || !attribute.Empty() {
			return member{}, errMember
		}
		switch kind {
		case cms.OIDIndirectData:
			if data != nil {
				return member{}, errors.New("it states its digest twice")
			}
			var err error
			if data, err = indirect(values); err != nil {
				return member{}, err
			}
		case oidNameValue:
			m.name(values)
		}
	}
	return m, m.digest(tag, data)
}

// indirect reads the one SpcIndirectDataContent of an attribute.
func indirect(values cryptobyte.String) (*cms.IndirectData, error) {
	var content cryptobyte.String
	if !values.ReadASN1(&content, asn1.SEQUENCE) || !values.Empty() {
		return nil, errMember
	}
	return cms.ParseIndirectData(&cms.SignedData{ContentType: cms.OIDIndirectData, Content: content})
}

// digest takes the member's digest from its data, or else from its tag. The two must not contradict each other: Windows
// looks a file up by the tag.
func (m *member) digest(tag []byte, data *cms.IndirectData) error {
	tagged := tagDigest(tag)
	if data == nil {
		if tagged != nil {
			m.sum, m.hash, m.scope = tagged, bySize(len(tagged)), scopeUnknown
		}
		return nil
	}
	if tagged != nil && !bytes.Equal(tagged, data.Sum) {
		return errors.New("its tag is another digest than the one it states")
	}
	m.sum, m.hash = data.Sum, data.Digest.Hash()
	switch data.Kind {
	case cms.OIDPEImageData:
		m.scope = scopeImage
	case oidCabinetData:
		m.scope = scopeFile
	}
	return nil
}

// tagDigest returns the digest that a tag is: as such, or as hexadecimal text in UTF-16LE with a terminating zero. Tags
// that are anything else, such as a name, are nil.
func tagDigest(tag []byte) []byte {
	if bySize(len(tag)) != 0 {
		return tag
	}
	sum, err := hex.DecodeString(text(tag))
	if err != nil || bySize(len(sum)) == 0 {
		return nil
	}
	return sum
}

func bySize(n int) crypto.Hash {
	switch n {
	case crypto.SHA1.Size():
		return crypto.SHA1
	case crypto.SHA256.Size():
		return crypto.SHA256
	}
	return 0
}

// fileNames are the names under which catalogues give a member's own name, UTF-16BE.
var fileNames = []string{"\x00F\x00i\x00l\x00e", "\x00F\x00i\x00l\x00e\x00P\x00a\x00t\x00h"}

// name keeps the value of a CAT_NAMEVALUE attribute that names the file: name, flags, value.
func (m *member) name(values cryptobyte.String) {
	const bmpString = asn1.Tag(30)
	var pair, name, value cryptobyte.String
	if !values.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1(&name, bmpString) || !pair.SkipASN1(asn1.INTEGER) ||
		!pair.ReadASN1(&value, asn1.OCTET_STRING) {
		return
	}
	if slices.Contains(fileNames, string(name)) {
		m.file = value
	}
}

// maxName is how many characters of a file's name are repeated to a person.
const maxName = 128

// text decodes UTF-16LE up to a terminating zero, leaving out what does not print.
func text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2 && len(units) < maxName; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(utf16.Decode(units)))
}
