package authenticodetest

import (
	"crypto"
	_ "crypto/md5" // so that crypto.Hash.New knows them
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha512"
	"math/big"
	"slices"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func build(f func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	f(&b)
	der, err := b.Bytes()
	check(err)
	return der
}

func oid(b *cryptobyte.Builder, o cms.OID) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(o)) })
}

func octets(content []byte) []byte {
	return build(func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
}

func attribute(kind cms.OID, value []byte) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			oid(b, kind)
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		})
	})
}

var (
	hashOIDs = map[crypto.Hash]cms.OID{
		crypto.MD5:    cms.NewOID(1, 2, 840, 113549, 2, 5),
		crypto.SHA1:   cms.NewOID(1, 3, 14, 3, 2, 26),
		crypto.SHA256: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 1),
		crypto.SHA384: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 2),
		crypto.SHA512: cms.NewOID(2, 16, 840, 1, 101, 3, 4, 2, 3),
	}
	ecdsaOIDs = map[crypto.Hash]cms.OID{
		crypto.SHA1:   cms.NewOID(1, 2, 840, 10045, 4, 1),
		crypto.SHA256: cms.NewOID(1, 2, 840, 10045, 4, 3, 2),
		crypto.SHA384: cms.NewOID(1, 2, 840, 10045, 4, 3, 3),
		crypto.SHA512: cms.NewOID(1, 2, 840, 10045, 4, 3, 4),
	}
	oidRSA = cms.NewOID(1, 2, 840, 113549, 1, 1, 1)
	oidPSS = cms.NewOID(1, 2, 840, 113549, 1, 1, 10)
	oidMGF = cms.NewOID(1, 2, 840, 113549, 1, 1, 8)
)

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).Constructed().ContextSpecific() }

func hashAlgorithm(b *cryptobyte.Builder, h crypto.Hash) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		oid(b, hashOIDs[h])
		b.AddASN1NULL()
	})
}

// indirectData writes the contents of an SpcIndirectDataContent. A nil data is that of a PE image.
func indirectData(b *cryptobyte.Builder, kind cms.OID, data []byte, h crypto.Hash, digest []byte) {
	if data == nil {
		data = ImageData(nil)
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		oid(b, kind)
		b.AddBytes(data)
	})
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		hashAlgorithm(b, h)
		b.AddASN1OctetString(digest)
	})
}

// ImageData returns an SpcPeImageData whose file is the given SpcLink, DER without the explicit tag around it; nil means
// an empty name.
func ImageData(link []byte) []byte {
	if link == nil {
		link = build(func(b *cryptobyte.Builder) {
			b.AddASN1(explicit(2), func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
			})
		})
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BitString(nil)
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(link) })
		})
	})
}

// PageHashes returns the SpcLink of an image with page hashes: table is 4 bytes of offset and a digest for each page.
func PageHashes(h crypto.Hash, table []byte) []byte {
	kind := cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 3, 1)
	if h == crypto.SHA256 {
		kind = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 3, 2)
	}
	object := build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				oid(b, kind)
				b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddASN1OctetString(table) })
			})
		})
	})
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1OctetString([]byte("\xa6\xb5\x86\xd5\xb4\xa1\x24\x66\xae\x05\xa2\x17\xda\x8e\x60\xd6"))
			b.AddASN1OctetString(object)
		})
	})
}

// SubjectInfo returns an SpcSipInfo with the GUID of a Subject Interface Package as it stands in signatures.
func SubjectInfo(guid []byte) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1OctetString(guid)
			for range 5 {
				b.AddASN1Int64(0)
			}
		})
	})
}

func tstInfo(b *cryptobyte.Builder, ts *Timestamp, value []byte) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		oid(b, cms.NewOID(1, 3, 6, 1, 4, 1, 99999, 1))
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			hashAlgorithm(b, ts.Hash)
			b.AddASN1OctetString(sum(ts.Hash, value))
		})
		b.AddASN1BigInt(big.NewInt(ts.Time.Unix()))
		b.AddASN1GeneralizedTime(ts.Time.UTC())
	})
}

// signerInfo is one SignerInfo in the making.
type signerInfo struct {
	signer     *Signer
	hash       crypto.Hash
	attributes [][]byte
	unsigned   []Unsigned
	value      []byte
	count      int // of the SignerInfo in its set; see Signature.Signers

	pss, bare, unsorted, breaks bool
}

// sign signs the attributes in the order of a SET OF.
func (si *signerInfo) sign() {
	si.attributes = sorted(si.attributes)
	digest := sum(si.hash, build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(si.attributes...)) })
	}))
	if si.breaks {
		digest[0] ^= 1
	}
	var options crypto.SignerOpts = si.hash
	if si.pss {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: si.hash}
	}
	if si.bare {
		options = crypto.Hash(0)
	}
	var err error
	si.value, err = si.signer.Key.Sign(rand.Reader, digest, options)
	check(err)
	if si.unsorted {
		slices.Reverse(si.attributes)
	}
}

func (si *signerInfo) marshal(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(si.signer.Certificate.RawIssuer)
			b.AddASN1BigInt(si.signer.Certificate.SerialNumber)
		})
		hashAlgorithm(b, si.hash)
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(si.attributes...)) })
		si.algorithm(b)
		b.AddASN1OctetString(si.value)
		if len(si.unsigned) == 0 {
			return
		}
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			for _, u := range si.unsigned {
				b.AddBytes(attribute(u.OID, u.Value))
			}
		})
	})
}

func (si *signerInfo) algorithm(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		_, isRSA := si.signer.Key.(*rsa.PrivateKey)
		switch {
		case !isRSA:
			oid(b, ecdsaOIDs[si.hash])
		case !si.pss:
			oid(b, oidRSA)
			b.AddASN1NULL()
		default:
			oid(b, oidPSS)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { hashAlgorithm(b, si.hash) })
				b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						oid(b, oidMGF)
						hashAlgorithm(b, si.hash)
					})
				})
				b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(si.hash.Size())) })
			})
		}
	})
}

// contentInfo puts a SignedData with one signer together. content is the whole element inside [0].
func contentInfo(version int64, kind cms.OID, content []byte, certs, crls [][]byte, si *signerInfo) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			oid(b, cms.OIDSignedData)
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1Int64(version)
					b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { hashAlgorithm(b, si.hash) })
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						oid(b, kind)
						b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(content) })
					})
					b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(certs...)) })
					if len(crls) > 0 {
						b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(crls...)) })
					}
					b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
						n := max(si.count, 0)
						if si.count == 0 {
							n = 1
						}
						for range n {
							si.marshal(b)
						}
					})
				})
			})
		})
	})
}
