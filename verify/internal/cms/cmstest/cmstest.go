// Package cmstest makes CMS signatures of any content, with any attributes, for tests.
package cmstest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	_ "crypto/sha256" // so that crypto.Hash.New knows them
	_ "crypto/sha512"
	"crypto/x509"
	"slices"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute is an attribute with one value, DER.
type Attribute struct {
	OID   cms.OID
	Value []byte
}

// Signature says what to sign. Certificate, Key, Type and Content are needed.
type Signature struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	Chain       [][]byte // further certificates, DER
	Hash        crypto.Hash
	Type        cms.OID // of the content
	Content     []byte  // what is signed: contents octets, without tag and length
	Bare        bool    // the content is a SEQUENCE, as in PKCS #7, instead of an OCTET STRING
	Signed      []Attribute
	Unsigned    func(value []byte) []Attribute // given the signature value
}

var hashOIDs = map[crypto.Hash]cms.OID{
	crypto.SHA1:   cms.NewOID(1, 3, 14, 3, 2, 26),
	crypto.SHA256: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 1),
	crypto.SHA384: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 2),
	crypto.SHA512: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 3),
}

// Build runs f on a Builder; it panics where DER cannot be made.
func Build(f func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	f(&b)
	return b.BytesOrPanic()
}

// AddOID adds an object identifier.
func AddOID(b *cryptobyte.Builder, o cms.OID) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(o)) })
}

// AddHash adds the AlgorithmIdentifier of a hash function.
func AddHash(b *cryptobyte.Builder, h crypto.Hash) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		AddOID(b, hashOIDs[h])
		b.AddASN1NULL()
	})
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).Constructed().ContextSpecific() }

func (a Attribute) marshal() []byte {
	return Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			AddOID(b, a.OID)
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(a.Value) })
		})
	})
}

// SignerInfo returns the signer's statement alone, as countersignatures are.
func (s Signature) SignerInfo() []byte {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	all := append([]Attribute{
		{cms.OIDContentType, Build(func(b *cryptobyte.Builder) { AddOID(b, s.Type) })},
		{cms.OIDMessageDigest, Build(func(b *cryptobyte.Builder) { b.AddASN1OctetString(Sum(s.Hash, s.Content)) })},
	}, s.Signed...)
	var signed [][]byte
	for _, a := range all {
		signed = append(signed, a.marshal())
	}
	slices.SortFunc(signed, bytes.Compare)
	set := Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(signed...)) })
	})
	value, err := s.Key.Sign(rand.Reader, Sum(s.Hash, set), s.Hash)
	if err != nil {
		panic(err)
	}
	return Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(s.Certificate.RawIssuer)
				b.AddASN1BigInt(s.Certificate.SerialNumber)
			})
			AddHash(b, s.Hash)
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(signed...)) })
			s.algorithm(b)
			b.AddASN1OctetString(value)
			if s.Unsigned == nil {
				return
			}
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
				for _, a := range s.Unsigned(value) {
					b.AddBytes(a.marshal())
				}
			})
		})
	})
}

func (s Signature) algorithm(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if _, ok := s.Key.(*ecdsa.PrivateKey); ok {
			AddOID(b, cms.NewOID(1, 2, 840, 10045, 4, 3, uint64(map[crypto.Hash]int{crypto.SHA256: 2, crypto.SHA384: 3, crypto.SHA512: 4}[s.Hash])))
			return
		}
		AddOID(b, cms.NewOID(1, 2, 840, 113549, 1, 1, 1))
		b.AddASN1NULL()
	})
}

// Sum hashes b.
func Sum(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

// SignedData returns the signature as a DER ContentInfo.
func (s Signature) SignedData() []byte {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	tag := asn1.OCTET_STRING
	if s.Bare {
		tag = asn1.SEQUENCE
	}
	return Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			AddOID(b, cms.OIDSignedData)
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1Int64(1)
					b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { AddHash(b, s.Hash) })
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						AddOID(b, s.Type)
						b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
							b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(s.Content) })
						})
					})
					b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
						b.AddBytes(s.Certificate.Raw)
						b.AddBytes(slices.Concat(s.Chain...))
					})
					b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(s.SignerInfo()) })
				})
			})
		})
	})
}
