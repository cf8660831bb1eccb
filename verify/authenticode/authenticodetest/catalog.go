package authenticodetest

import (
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Member is one file that a catalogue lists.
type Member struct {
	Sum     []byte      // its digest, of 20 or 32 bytes
	Hash    crypto.Hash // default: by the size of Sum
	Kind    cms.OID     // what the digest is over; empty: it is not said
	Tag     []byte      // default: Sum, in version 1 as hexadecimal text
	Name    string
	Doubled bool // the digest is stated twice
}

// Catalog says what a catalogue should be. The zero Catalog is one of version 2 that lists nothing.
type Catalog struct {
	Version int       // default 2
	Usage   cms.OID   // default: a catalogue
	Updated time.Time // default: 2020-01-01
	Expires time.Time // default: never
	Members []Member
}

// CatalogType is the type of a catalogue's content.
var CatalogType = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 10, 1)

// Sign returns the catalogue, signed.
func (c Catalog) Sign(s Signature) []byte { return SignContent(CatalogType, c.Content(), s, nil) }

// Content returns the contents octets of the catalogue's list.
func (c Catalog) Content() []byte {
	usage, updated := c.Usage, either(c.Updated, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	if usage == "" {
		usage = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 1, 1)
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { oid(b, usage) })
		b.AddASN1OctetString([]byte("0123456789abcdef"))
		b.AddASN1UTCTime(updated)
		if !c.Expires.IsZero() {
			b.AddASN1UTCTime(c.Expires)
		}
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			last := uint64(3)
			if c.Version == 1 {
				last = 2
			}
			oid(b, cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 1, last))
			b.AddASN1NULL()
		})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, m := range c.Members {
				m.marshal(b, c.Version)
			}
		})
	})
}

func (m Member) marshal(b *cryptobyte.Builder, version int) {
	tag := m.Tag
	switch {
	case tag == nil && version == 1:
		tag = wide(strings.ToUpper(hex.EncodeToString(m.Sum)))
	case tag == nil:
		tag = m.Sum
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(tag)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			if m.Name != "" {
				b.AddBytes(attribute(cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 2, 1), build(func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.Tag(30), func(b *cryptobyte.Builder) { b.AddBytes([]byte("\x00F\x00i\x00l\x00e")) })
						b.AddASN1Int64(0x10010001)
						b.AddASN1OctetString(wide(m.Name))
					})
				})))
			}
			for range m.statements() {
				b.AddBytes(attribute(cms.OIDIndirectData, m.indirect()))
			}
		})
	})
}

func (m Member) statements() int {
	switch {
	case m.Kind == "":
		return 0
	case m.Doubled:
		return 2
	}
	return 1
}

func (m Member) indirect() []byte {
	h := m.Hash
	if h == 0 {
		h = map[int]crypto.Hash{16: crypto.MD5, 20: crypto.SHA1, 32: crypto.SHA256, 64: crypto.SHA512}[len(m.Sum)]
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { indirectData(b, m.Kind, nil, h, m.Sum) })
	})
}

// wide encodes text as UTF-16LE with a terminating zero.
func wide(s string) []byte {
	var out []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}
