// Package nugettest makes NuGet packages, signed ones and wrong ones, for tests.
package nugettest

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/cms/cmstest"
	zt "github.com/sallyport-project/sallyport/verify/internal/zipfile/ziptest"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Signature says how to sign. Only Signer is needed.
type Signature struct {
	Signer     *at.Signer
	Hash       crypto.Hash // of package and attributes; default SHA-256
	Repository bool        // a repository's instead of an author's
	Index      string      // default https://packages.example.com/v3/index.json
	Owners     []string
	Timestamp  *at.Timestamp
	Counter    []Signature // countersignatures

	Content  []byte     // in place of the right one
	Names    *at.Signer // whom the signing-certificate-v2 attribute names, if it is another
	Without  cms.OID    // a signed attribute that is left out
	Unsigned []cmstest.Attribute
	Extra    [][]byte // further certificates
}

// Package says what to make.
type Package struct {
	Entries   []zt.Entry // default: a specification and a library
	Signature *Signature // nil: unsigned
	First     bool       // the signature's entry comes first
	Container func(*zt.File)
	Entry     func(*zt.Entry) // changes the signature's entry
	Comment   string
}

// Nuspec is the specification of the default package.
const Nuspec = `<?xml version="1.0"?><package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd"><metadata><id>Test.Package</id><version>1.2.3</version></metadata></package>`

// Bytes makes the package.
func (p Package) Bytes() []byte {
	if p.Entries == nil {
		p.Entries = []zt.Entry{{Name: "Test.Package.nuspec", Content: []byte(Nuspec), Deflate: true}, {Name: "lib/net8.0/Test.dll", Content: []byte("a library"), Descriptor: true, Deflate: true}}
	}
	z := zt.File{Entries: p.Entries, Comment: p.Comment}
	if p.Signature == nil {
		return z.Bytes()
	}
	e := zt.Entry{Name: ".signature.p7s", Content: p.Signature.over(z.Bytes())}
	if p.Entry != nil {
		p.Entry(&e)
	}
	if p.First {
		z.Entries = append([]zt.Entry{e}, z.Entries...)
	} else {
		z.Entries = append(slices.Clone(z.Entries), e)
	}
	if p.Container != nil {
		p.Container(&z)
	}
	return z.Bytes()
}

var names = map[crypto.Hash]string{crypto.SHA1: "1.3.14.3.2.26", crypto.SHA256: "2.16.840.1.101.3.4.2.1", crypto.SHA384: "2.16.840.1.101.3.4.2.2", crypto.SHA512: "2.16.840.1.101.3.4.2.3"}

// over signs an unsigned package.
func (s Signature) over(b []byte) []byte {
	h := s.hash()
	content := s.Content
	if content == nil {
		content = fmt.Appendf(nil, "Version:1\n\n%s-Hash:%s\n\n", names[h], base64.StdEncoding.EncodeToString(cmstest.Sum(h, b)))
	}
	c := s.cms(content)
	for _, counter := range s.Counter {
		c.Chain = append(append(c.Chain, counter.Signer.Certificate.Raw), counter.Signer.Chain...)
	}
	return c.SignedData()
}

func (s Signature) hash() crypto.Hash {
	if s.Hash == 0 {
		return crypto.SHA256
	}
	return s.Hash
}

func (s Signature) cms(content []byte) cmstest.Signature {
	out := cmstest.Signature{Certificate: s.Signer.Certificate, Key: s.Signer.Key, Hash: s.hash(), Type: cms.OIDData, Content: content,
		Chain: append(slices.Clone(s.Signer.Chain), s.Extra...)}
	for _, a := range s.attributes() {
		if a.OID != s.Without {
			out.Signed = append(out.Signed, a)
		}
	}
	if s.Timestamp == nil && s.Counter == nil && s.Unsigned == nil {
		return out
	}
	out.Unsigned = func(value []byte) []cmstest.Attribute {
		all := slices.Clone(s.Unsigned)
		if s.Timestamp != nil {
			all = append(all, cmstest.Attribute{OID: cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 14), Value: at.Token(*s.Timestamp, value)})
		}
		for _, c := range s.Counter {
			all = append(all, cmstest.Attribute{OID: cms.OIDCountersignature, Value: c.cms(value).SignerInfo()})
		}
		return all
	}
	return out
}

// attributes are those that NuGet demands besides content type and message digest.
func (s Signature) attributes() []cmstest.Attribute {
	commitment := cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 6, 1)
	if s.Repository {
		commitment = cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 6, 2)
	}
	all := []cmstest.Attribute{
		{OID: cms.OIDSigningTime, Value: cmstest.Build(func(b *cryptobyte.Builder) { b.AddASN1UTCTime(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)) })},
		{OID: cms.NewOID(1, 2, 840, 113549, 1, 9, 16, 2, 16), Value: cmstest.Build(func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { cmstest.AddOID(b, commitment) })
		})},
		{OID: cms.OIDSigningCertV2, Value: s.certificate()},
	}
	if !s.Repository {
		return all
	}
	if s.Index == "" {
		s.Index = "https://packages.example.com/v3/index.json"
	}
	all = append(all, cmstest.Attribute{OID: cms.NewOID(1, 3, 6, 1, 4, 1, 311, 84, 2, 1, 1, 1), Value: cmstest.Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s.Index)) })
	})})
	if s.Owners != nil {
		all = append(all, cmstest.Attribute{OID: cms.NewOID(1, 3, 6, 1, 4, 1, 311, 84, 2, 1, 1, 2), Value: cmstest.Build(func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, o := range s.Owners {
					b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(o)) })
				}
			})
		})})
	}
	return all
}

func (s Signature) certificate() []byte {
	named := s.Signer
	if s.Names != nil {
		named = s.Names
	}
	return cmstest.Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					cmstest.AddHash(b, crypto.SHA256)
					b.AddASN1OctetString(cmstest.Sum(crypto.SHA256, named.Certificate.Raw))
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1(asn1.Tag(4).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(named.Certificate.RawIssuer) })
						})
						b.AddASN1BigInt(named.Certificate.SerialNumber)
					})
				})
			})
		})
	})
}
